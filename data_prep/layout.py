"""The dataset folder: which files it holds, how they are written, hashed and described."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from core.folders import replaced_folder

DATASETS_FOLDER = Path("datasets")

TENSOR_NAMES = ("input_ids", "attention_mask", "labels")
#: The bytes of text that each token completes, which folders made by others do not have.
TEXT_BYTES = "text_bytes"
METADATA_FILE = "metadata.json"
#: The files that a folder must have, and all that it may have.
FILE_NAMES = (*(f"{name}.pt" for name in TENSOR_NAMES), METADATA_FILE)
ALL_FILE_NAMES = (*FILE_NAMES, f"{TEXT_BYTES}.pt")
#: Under this key the metadata holds the digest of all its others.
METADATA_DIGEST = "metadata_sha256"


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


def rows_sha256(texts: Iterable[str], seed: int) -> str:
    """Return one digest for rows of text that `seed` puts in order, whatever they are tokenized with."""
    digest = hashlib.sha256(str(seed).encode())
    for text in texts:
        digest.update(hashlib.sha256(text.encode()).digest())
    return digest.hexdigest()


def elsewhere(command: str = "python -m data_prep") -> str:
    """Return how another folder is chosen for what a command prepares, as the end of a sentence."""
    return (
        f"choose another place with --output: `{command} --output FOLDER`, and measure it with `pytest benchmarks "
        "--dataset-dir=FOLDER`"
    )


def write_dataset(
    folder: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, Any], command: str = "python -m data_prep"
) -> None:
    """Write the files of a dataset so that a killed run leaves the old dataset or none, never a mixture.

    `tensors` maps each of `TENSOR_NAMES`, and `TEXT_BYTES` where it is known, to an int64 tensor [samples, tokens], or
    labels to one of [samples]. `command` is the one that prepares it.

    Raises `InputError` when the folder holds files that are not a dataset's, or cannot be written.
    """
    with replaced_folder(folder, ALL_FILE_NAMES, elsewhere(command)) as unfinished:
        for name in tensors:
            serialized = io.BytesIO()
            torch.save(tensors[name].contiguous(), serialized)
            # Not torch.save to a path: a full disk is a RuntimeError there, and an OSError with its reason here.
            (unfinished / f"{name}.pt").write_bytes(serialized.getvalue())
        (unfinished / METADATA_FILE).write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
