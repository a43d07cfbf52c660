"""The dataset folder: which files it holds, how they are written, hashed and described."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from data_prep.folders import replaced_folder

DATASETS_FOLDER = Path("datasets")
DEFAULT_FOLDER = DATASETS_FOLDER / "gpt2_tokenized_data"
STAND_IN_FOLDER = DATASETS_FOLDER / "gpt2_stand_in_data"

TENSOR_NAMES = ("input_ids", "attention_mask", "labels")
METADATA_FILE = "metadata.json"
FILE_NAMES = (*(f"{name}.pt" for name in TENSOR_NAMES), METADATA_FILE)
#: Under this key the metadata holds the digest of all its others.
METADATA_DIGEST = "metadata_sha256"
REQUIRED_METADATA = ("num_samples", "max_length", "dataset_name", "model", "task", "seed", "tokenizer")

VOCABULARY_SIZE = 50_257
PADDING_ID = 50_256

#: Metadata that tables show.
NAMES = ("dataset_name", "model", "task", "tokenizer")

#: sha256 of the little-endian int64 bytes of the WikiText-2 test set prepared with every option at its default.
PUBLISHED_SHA256 = {
    "input_ids": "1b8a04513f3873f537633c991c379b80eb9744748b9001e111c378846c14a6c8",
    "attention_mask": "fc9f40e99933bd0c22bd0520f221838e926b548d01a405f5b14b7fc48149f5fe",
    "labels": "1b8a04513f3873f537633c991c379b80eb9744748b9001e111c378846c14a6c8",
}
#: What metadata.json says when the options above were at their defaults.
PUBLISHED_PROTOCOL = {
    "dataset_name": "wikitext-2",
    "max_length": 128,
    "seed": 42,
    "tokenizer": "gpt2",
}


def tensor_sha256(tensor: torch.Tensor) -> str:
    """Return the sha256 of an integer tensor's values as little-endian int64 in C order, whatever the machine."""
    return hashlib.sha256(tensor.cpu().contiguous().numpy().astype("<i8").tobytes()).hexdigest()


def metadata_sha256(metadata: Mapping[str, Any]) -> str:
    """Return the sha256 of everything that metadata says, its own digest left out, as JSON with sorted keys.

    Raises `RecursionError` where it is nested too deeply.
    """
    others = {key: value for key, value in metadata.items() if key != METADATA_DIGEST}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()


def dataset_sha256(digests: Mapping[str, str]) -> str:
    """Return one digest for a dataset: the sha256 of its tensors' hex digests in the order of `TENSOR_NAMES`."""
    return hashlib.sha256("".join(digests[name] for name in TENSOR_NAMES).encode()).hexdigest()


def write_dataset(folder: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, Any]) -> None:
    """Write the four files of a dataset so that a killed run leaves the old dataset or none, never a mixture.

    `tensors` maps each of `TENSOR_NAMES` to an int64 tensor [samples, tokens]. Raises `InputError` when the folder
    holds files that are not a dataset's, or cannot be written.
    """
    with replaced_folder(folder, FILE_NAMES) as unfinished:
        for name in TENSOR_NAMES:
            serialized = io.BytesIO()
            torch.save(tensors[name].contiguous(), serialized)
            # Not torch.save to a path: a full disk is a RuntimeError there, and an OSError with its reason here.
            (unfinished / f"{name}.pt").write_bytes(serialized.getvalue())
        (unfinished / METADATA_FILE).write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
