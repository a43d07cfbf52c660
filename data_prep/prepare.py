"""The whole way from text to the dataset folder."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import tokenizers
import torch
import transformers

from data_prep import stand_in, text, tokens
from data_prep.errors import InputError
from data_prep.folders import is_folder, refuse_foreign_files
from data_prep.hub import unreachable_reason
from data_prep.layout import (
    DEFAULT_FOLDER,
    FILE_NAMES,
    METADATA_DIGEST,
    NAMES,
    STAND_IN_FOLDER,
    TENSOR_NAMES,
    metadata_sha256,
    tensor_sha256,
    write_dataset,
)
from data_prep.protocol import Protocol
from data_prep.untrusted import LIMITS, is_name


def prepare(protocol: Protocol, output: Path | None = None, stand_in_mode: str = "auto") -> Path:
    """Write the dataset that `protocol` describes and return its folder.

    `stand_in_mode`: `always` writes generated data, `never` refuses to, `auto` does so where the hub cannot be reached
    and nothing is cached. Without `output`, real data goes to `DEFAULT_FOLDER` and generated data to `STAND_IN_FOLDER`,
    so that generated data never stands where real data is looked for. Raises `InputError`.
    """
    if output is not None:
        refuse_foreign_files(output, FILE_NAMES)
    source = None if stand_in_mode == "always" else real_source(protocol, stand_in_mode)
    if source is None:
        generated = stand_in.text(protocol.seed)
        return write(
            protocol, output or STAND_IN_FOLDER, generated, stand_in.tokenizer(generated.rows), is_stand_in=True
        )
    return write(protocol, output or DEFAULT_FOLDER, *source, is_stand_in=False)


def real_source(
    protocol: Protocol, stand_in_mode: str
) -> tuple[text.Text, transformers.PreTrainedTokenizerBase] | None:
    """Return the real text and tokenizer, or None where only generated ones are available and allowed.

    They may replace only the published text and tokenizer: anything requested by name is either found or an error.
    """
    source = None if protocol.text_file is None else text.from_file(protocol.text_file)
    needs_hub = source is None or not is_folder(protocol.tokenizer)
    reason = unreachable_reason() if needs_hub else None
    try:
        source = source or text.from_hub(protocol.dataset, protocol.config, protocol.split)
        return source, tokens.load_tokenizer(protocol.tokenizer)
    except InputError as error:
        if reason is None:
            raise
        if stand_in_mode == "auto" and not protocol.named_sources():
            print(
                f"The model hub cannot be reached ({reason}) and nothing is cached: generating data.", file=sys.stderr
            )
            return None
        raise InputError(
            f"The model hub cannot be reached ({reason}) and this machine has no copy of what is needed: {error} "
            "Prepare from files with `python -m data_prep --text-file wiki.test.raw --tokenizer FOLDER`."
        ) from error


def write(
    protocol: Protocol,
    folder: Path,
    source: text.Text,
    tokenizer: transformers.PreTrainedTokenizerBase,
    *,
    is_stand_in: bool,
) -> Path:
    """Select rows, tokenize them and write the folder."""
    rows = text.select_rows(source.rows, min_chars=protocol.min_chars)
    if protocol.packed:
        tensors = tokens.packed(rows, tokenizer, protocol.max_length, protocol.seed)
    else:
        shuffled = rows.shuffle(seed=protocol.seed, keep_in_memory=True)
        tensors = tokens.padded(shuffled, tokenizer, protocol.max_length)
    description = metadata(protocol, source, tokenizer, tensors, is_stand_in=is_stand_in)
    require_names(description)
    write_dataset(folder, tensors, description)
    return folder


def require_names(description: Mapping[str, Any]) -> None:
    """Raise `InputError` where a name, which is that of a file or folder, cannot be shown in tables."""
    for key in NAMES:
        if not is_name(description[key]):
            raise InputError(
                f"The dataset's {key} would be {ascii(description[key])[:80]}; expected one line of 1 to "
                f"{LIMITS.name_characters} printable characters. Rename the text file or the tokenizer's folder."
            )


def metadata(
    protocol: Protocol,
    source: text.Text,
    tokenizer: transformers.PreTrainedTokenizerBase,
    tensors: dict[str, torch.Tensor],
    *,
    is_stand_in: bool,
) -> dict[str, Any]:
    """Return what metadata.json says: the seven keys of the layout first, then ours, their digest last."""
    own_name = "stand-in" if is_stand_in else Path(protocol.tokenizer).resolve().name
    fits_gpt2 = is_stand_in or tokens.is_gpt2_vocabulary(tokenizer)
    with_padding = tensors["input_ids"].numel()
    without_padding = int(tensors["attention_mask"].sum())
    facts = {
        "num_samples": len(tensors["input_ids"]),
        "max_length": protocol.max_length,
        "dataset_name": source.name,
        "model": "gpt2" if fits_gpt2 else own_name,
        "task": "language_modeling",
        "seed": protocol.seed,
        "tokenizer": "gpt2" if fits_gpt2 and not is_stand_in else own_name,
        "stand_in": is_stand_in,
        "source": source.source,
        "revision": source.revision,
        "min_chars": protocol.min_chars,
        "packed": protocol.packed,
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
    return facts | {METADATA_DIGEST: metadata_sha256(facts)}
