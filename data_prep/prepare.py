"""The whole way from text to the dataset folder."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import tokenizers
import torch
import transformers

from core.errors import InputError
from core.folders import is_folder, refuse_foreign_files
from core.guards import LIMITS, is_name
from core.options import StandInMode
from data_prep import text
from data_prep.datasets import DatasetSpec
from data_prep.datasets.spec import Text
from data_prep.hub import unreachable_reason
from data_prep.layout import (
    FILE_NAMES,
    METADATA_DIGEST,
    METADATA_FILE,
    TENSOR_NAMES,
    metadata_sha256,
    tensor_sha256,
    write_dataset,
)
from data_prep.protocol import Protocol


def prepare(
    spec: DatasetSpec, protocol: Protocol | None = None, output: Path | None = None, stand_in_mode: StandInMode = "auto"
) -> Path:
    """Write the dataset that `protocol` describes, the published one without it, and return its folder.

    `stand_in_mode`: `always` writes generated data, `never` refuses to, `auto` does so where the hub cannot be reached
    and nothing is cached. Without `output`, real data goes to the specification's folder and generated data to another,
    so that generated data never stands where real data is looked for. Raises `InputError`.
    """
    if output is not None:
        refuse_foreign_files(output, FILE_NAMES)
    protocol = protocol or spec.protocol
    source = None if stand_in_mode == "always" else real_source(spec, protocol, stand_in_mode)
    if source is None:
        return write(spec, protocol, output or spec.stand_in_folder, *spec.stand_in(protocol.seed), is_stand_in=True)
    return write(spec, protocol, output or spec.folder, *source, is_stand_in=False)


def real_source(
    spec: DatasetSpec, protocol: Protocol, stand_in_mode: StandInMode
) -> tuple[Text, transformers.PreTrainedTokenizerBase] | None:
    """Return the real text and tokenizer, or None where only generated ones are available and allowed.

    They may replace only the published text and tokenizer: anything requested by name is either found or an error.
    """
    source = None if protocol.text_file is None else text.from_file(spec, protocol.text_file)
    needs_hub = source is None or not is_folder(protocol.tokenizer)
    reason = unreachable_reason() if needs_hub else None
    try:
        source = source or text.from_hub(spec, protocol)
        return source, spec.load_tokenizer(protocol.tokenizer)
    except InputError as error:
        if reason is None:
            raise
        if stand_in_mode == "auto" and not spec.named_sources(protocol):
            print(
                f"The model hub cannot be reached ({reason}) and nothing is cached: generating data.", file=sys.stderr
            )
            return None
        raise InputError(
            f"The model hub cannot be reached ({reason}) and this machine has no copy of what is needed: {error} "
            f"Prepare from files with `{spec.command} --text-file {spec.text_file} --tokenizer FOLDER`."
        ) from error


def write(
    spec: DatasetSpec,
    protocol: Protocol,
    folder: Path,
    source: Text,
    tokenizer: transformers.PreTrainedTokenizerBase,
    *,
    is_stand_in: bool,
) -> Path:
    """Select rows, tokenize them and write the folder."""
    rows = spec.select(protocol, source.rows)
    tensors = spec.tensors(protocol, rows, tokenizer)
    description = metadata(spec, protocol, source, tokenizer, tensors, is_stand_in=is_stand_in)
    own = spec.facts(protocol, rows, tokenizer, tensors)
    description |= own
    description |= {METADATA_DIGEST: metadata_sha256(description)}
    require_names(spec, description)
    refuse_another_dataset(folder, description)
    write_dataset(folder, tensors, description)
    return folder


def refuse_another_dataset(folder: Path, description: Mapping[str, Any]) -> None:
    """Raise `InputError` where a folder holds a dataset that `description` is no version of.

    Generated data may be replaced by anything and replaces nothing else; what cannot be read may be replaced too.
    """
    try:
        earlier = json.loads((folder / METADATA_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return
    if not isinstance(earlier, dict) or earlier.get("stand_in") is True:
        return
    if earlier.get("dataset_name") != description["dataset_name"] or description["stand_in"]:
        new = "generated data" if description["stand_in"] else description["dataset_name"]
        raise InputError(
            f"{folder} holds the dataset {ascii(earlier.get('dataset_name'))[:80]}, and {new} would take its place; "
            f"expected no dataset or a version of the same. Choose another place with --output, or delete {folder}."
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
    spec: DatasetSpec,
    protocol: Protocol,
    source: Text,
    tokenizer: transformers.PreTrainedTokenizerBase,
    tensors: Mapping[str, torch.Tensor],
    *,
    is_stand_in: bool,
) -> dict[str, Any]:
    """Return what metadata.json says of any dataset."""
    own_name = "stand-in" if is_stand_in else Path(protocol.tokenizer).resolve().name
    fits_model = is_stand_in or spec.is_models_vocabulary(tokenizer)
    with_padding = tensors["input_ids"].numel()
    without_padding = int(tensors["attention_mask"].sum())
    return {
        "num_samples": len(tensors["input_ids"]),
        "max_length": protocol.max_length,
        "dataset_name": source.name,
        "model": spec.model if fits_model else own_name,
        "task": spec.task,
        "seed": protocol.seed,
        "tokenizer": spec.tokenizer if fits_model and not is_stand_in else own_name,
        "stand_in": is_stand_in,
        "source": source.source,
        "revision": source.revision,
        "tokens_with_padding": with_padding,
        "tokens_without_padding": without_padding,
        "padding_ratio": round(1 - without_padding / with_padding, 6),
        "sha256": {name: tensor_sha256(tensors[name]) for name in TENSOR_NAMES},
        "versions": {
            "python": platform.python_version(),
            "datasets": datasets.__version__,
            "tokenizers": tokenizers.__version__,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
    }
