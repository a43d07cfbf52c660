"""The whole way from text to the dataset folder."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import tokenizers
import torch
import transformers

from core.errors import InputError
from core.files import read_regular
from core.folders import is_folder, refuse_foreign_files
from core.guards import LIMITS, is_name
from core.options import StandInMode
from data_prep import text
from data_prep.datasets import DatasetSpec
from data_prep.datasets.spec import STAND_IN_TOKENIZER, Text
from data_prep.folders import folder_of
from data_prep.hub import unreachable_reason
from data_prep.hub_cache import missing_from_cache
from data_prep.layout import (
    ALL_FILE_NAMES,
    METADATA_DIGEST,
    METADATA_FILE,
    TENSOR_NAMES,
    elsewhere,
    metadata_sha256,
    rows_sha256,
    tensor_sha256,
    write_dataset,
)
from data_prep.protocol import Protocol
from data_prep.tokenizer import Tokenizer, load_tokenizer, require_long_enough
from data_prep.tokens import TokenRows, require_long_rows


def prepare(
    spec: DatasetSpec,
    protocol: Protocol | None = None,
    output: Path | None = None,
    stand_in_mode: StandInMode = "auto",
) -> Path:
    """Write the dataset that `protocol` describes, the published one without it, and return its folder.

    `stand_in_mode`: `always` writes generated data, `never` refuses to, `auto` does so where the hub cannot be reached
    and nothing is cached. Without `output`, real data goes to the folder of its tokenizer and generated data to
    another, so that generated data never stands where real data is looked for. Raises `InputError`.
    """
    protocol = protocol or spec.protocol
    if output is not None:
        refuse_foreign_files(output, ALL_FILE_NAMES, elsewhere(command_of(spec, protocol)))
    source = None if stand_in_mode == "always" else real_source(spec, protocol, stand_in_mode)
    if source is None:
        return write(spec, protocol, output or spec.stand_in_folder, *spec.stand_in(protocol.seed), is_stand_in=True)
    folder = output or folder_of(spec, source[1])
    return write(spec, protocol, folder, *source, is_stand_in=False)


def prepare_for(tokenizer: Tokenizer, spec: DatasetSpec, stand_in_mode: StandInMode) -> Path:
    """Write the published rows in a tokenizer's tokens and return the folder.

    Where `prepare` would write generated rows they are of real text that is at hand, if there is any of the kind: the
    model may be a trained one. Raises `InputError`.
    """
    protocol = replace(spec.protocol, tokenizer=tokenizer.name)
    source = real_source(spec, spec.protocol, stand_in_mode, tokenizer)
    if source is not None:
        return write(spec, protocol, folder_of(spec, tokenizer), *source, is_stand_in=False)
    natural = spec.text_at_hand()
    if natural is not None:
        folder = folder_of(spec, tokenizer, text=natural.name)
        return write(spec, protocol, folder, natural, tokenizer, is_stand_in=False)
    generated, _ = spec.stand_in(protocol.seed)
    folder = folder_of(spec, tokenizer, is_stand_in=True)
    return write(spec, protocol, folder, generated, tokenizer, is_stand_in=True)


def real_source(
    spec: DatasetSpec, protocol: Protocol, stand_in_mode: StandInMode, tokenizer: Tokenizer | None = None
) -> tuple[Text, Tokenizer] | None:
    """Return the real text, and `tokenizer` or the protocol's; None where only others are there and allowed.

    They may replace only the published text and tokenizer: anything requested by name is either found or an error.
    """
    source = None if protocol.text_file is None else text.from_file(spec, protocol.text_file)
    needs_hub = source is None or not (tokenizer or is_folder(protocol.tokenizer))
    reason = unreachable_reason() if needs_hub else None
    try:
        source = source or text.from_hub(spec, protocol)
        return source, tokenizer or load_tokenizer(protocol.tokenizer)
    except InputError as error:
        if reason is None:
            raise
        missing = missing_from_cache(protocol, error)
        if missing is not None and stand_in_mode == "auto" and not spec.named_sources(protocol):
            print(
                f"The model hub cannot be reached ({reason}) and {missing}: another text takes the place of "
                f"{spec.name}.",
                file=sys.stderr,
            )
            return None
        raise InputError(
            f"The model hub cannot be reached ({reason}) and {missing or 'what is cached cannot be used'}: {error} "
            f"Prepare from files with `{spec.command} --text-file {spec.text_file} --tokenizer FOLDER`, or name "
            "another cache in HF_HOME."
        ) from error


def write(
    spec: DatasetSpec, protocol: Protocol, folder: Path, source: Text, tokenizer: Tokenizer, *, is_stand_in: bool
) -> Path:
    """Select rows, tokenize them and write the folder."""
    require_long_enough(tokenizer, protocol.max_length, spec.protocol.max_length)
    rows = spec.select(protocol, source.rows)
    tokens = spec.tokenize(protocol, rows, tokenizer)
    remedy = f"raise --min-chars, which is {protocol.min_chars}" if "min_chars" in spec.options else "leave these out"
    require_long_rows(tokens, spec.labels, remedy)
    description = {
        **metadata(spec, protocol, source, tokens, is_stand_in=is_stand_in),
        **metadata_of_tokens(spec, tokenizer, tokens, is_stand_in=is_stand_in),
        "notes": [*source.notes, *tokenizer.padding_note, *removed_note(tokenizer, tokens)],
        "rows_sha256": None if protocol.packed else rows_sha256(rows[spec.columns[0]], protocol.seed),
        **spec.facts(protocol, rows, tokenizer, tokens),
    }
    description |= {METADATA_DIGEST: metadata_sha256(description)}
    require_names(spec, description)
    command = command_of(spec, protocol)
    refuse_another_dataset(folder, description, command)
    write_dataset(folder, tokens.tensors, description, command)
    return folder


def command_of(spec: DatasetSpec, protocol: Protocol) -> str:
    """Return the command that prepares a dataset in the protocol's tokens."""
    is_published = protocol.tokenizer == spec.protocol.tokenizer
    return spec.command if is_published else f"{spec.command} --tokenizer {protocol.tokenizer}"


def refuse_another_dataset(folder: Path, description: Mapping[str, Any], command: str) -> None:
    """Raise `InputError` where a folder holds a dataset that `description` is no version of.

    Generated data may be replaced by anything and replaces nothing else; what cannot be read may be replaced too.
    """
    try:
        earlier = json.loads(read_regular(folder / METADATA_FILE).decode("utf-8"))
    except (OSError, ValueError, RecursionError):
        return
    if not isinstance(earlier, dict) or earlier.get("stand_in") is True:
        return
    own_digest = description["tokenizer_sha256"]
    is_same = earlier.get("dataset_name") == description["dataset_name"] and earlier.get("task") in (
        None,
        description["task"],
    )
    is_same = is_same and earlier.get("tokenizer_sha256", own_digest) == own_digest
    if not is_same or description["stand_in"]:
        real = f"{description['dataset_name']} in the tokens of {description['tokenizer']}"
        new = "generated data" if description["stand_in"] else real
        raise InputError(
            f"{folder} holds the dataset {ascii(earlier.get('dataset_name'))[:80]}, and {new} would take its place; "
            f"expected no dataset or a version of the same. Delete {folder}, or {elsewhere(command)}."
        )


def require_names(spec: DatasetSpec, description: Mapping[str, Any]) -> None:
    """Raise `InputError` where a name, which is that of a file or folder, cannot be shown in tables."""
    for key in spec.names:
        if not is_name(description[key]):
            raise InputError(
                f"The dataset's {key} would be {ascii(description[key])[:80]}; expected one line of 1 to "
                f"{LIMITS.name_characters} printable characters. Rename the text file or the tokenizer's folder."
            )


def metadata(
    spec: DatasetSpec, protocol: Protocol, source: Text, tokens: TokenRows, *, is_stand_in: bool
) -> dict[str, Any]:
    """Return what metadata.json says of the rows of any dataset."""
    with_padding = tokens.input_ids.numel()
    without_padding = int(tokens.attention_mask.sum())
    return {
        "num_samples": len(tokens.input_ids),
        "max_length": protocol.max_length,
        "dataset_name": source.name,
        "task": spec.task,
        "seed": protocol.seed,
        "stand_in": is_stand_in,
        "source": source.source,
        "revision": source.revision,
        "tokens_with_padding": with_padding,
        "tokens_without_padding": without_padding,
        "padding_ratio": round(1 - without_padding / with_padding, 6),
        "tokens_truncated": tokens.tokens_truncated,
        "sha256": {name: tensor_sha256(tokens.tensors[name]) for name in TENSOR_NAMES},
        "versions": {
            "python": platform.python_version(),
            "datasets": datasets.__version__,
            "tokenizers": tokenizers.__version__,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
    }


def metadata_of_tokens(
    spec: DatasetSpec, tokenizer: Tokenizer, tokens: TokenRows, *, is_stand_in: bool
) -> dict[str, Any]:
    """Return what metadata.json says of a dataset's tokenizer, and of what its ids stand for.

    A generated tokenizer is no model's and has no digest.
    """
    is_generated = is_stand_in and tokenizer.name == STAND_IN_TOKENIZER
    is_models = tokenizer.sha256 == spec.tokenizer_sha256
    return {
        "model": spec.model if is_generated or is_models else tokenizer.short_name,
        "tokenizer": spec.tokenizer if is_models else tokenizer.short_name,
        "tokenizer_sha256": None if is_generated else tokenizer.sha256,
        "vocabulary_size": spec.vocabulary_size if is_generated else tokenizer.vocabulary_size,
        "padding_id": tokenizer.padding_id,
        "prefix_ids": list(tokens.prefix_ids),
        "removed_ids": list(tokens.removed_ids),
        "text_bytes": None if tokens.text_bytes is None else int(tokens.text_bytes.sum()),
        "text_bytes_reason": tokens.text_bytes_reason,
        "text_bytes_sha256": None if tokens.text_bytes is None else tensor_sha256(tokens.text_bytes),
    }


def removed_note(tokenizer: Tokenizer, tokens: TokenRows) -> list[str]:
    """Return a clause on the ids that the tokenizer puts around a text and that were left out, if there are any."""
    if not tokens.removed_ids:
        return []
    named = (f"{tokenizer.backend.convert_ids_to_tokens(one)} (id {one})" for one in tokens.removed_ids)
    return [f"without {', '.join(named)}, which its tokenizer puts around every text"]
