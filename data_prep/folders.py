"""Where the dataset of a tokenizer lies: the published one's in its own folder, any other's in one named after it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from core.errors import InputError
from core.files import read_regular
from core.tasks import DEFAULT_TASK
from data_prep.datasets import DatasetSpec
from data_prep.layout import DATASETS_FOLDER, METADATA_FILE
from data_prep.tokenizer import Tokenizer

#: Characters of a tokenizer's name, and of its digest, in the name of a folder.
NAME_CHARACTERS, DIGEST_CHARACTERS = 60, 8
REAL, GENERATED = "tokenized_data", "stand_in_data"


def folder_of(spec: DatasetSpec, tokenizer: Tokenizer, *, text: str | None = None, is_stand_in: bool = False) -> Path:
    """Return the folder of a dataset in a tokenizer's tokens, whether it is there or not.

    `text` names another one that takes the place of the published text. Models that share a tokenizer share the folder,
    which is called after the first of them. Raises `InputError` where something else has its name.
    """
    is_published = text is None and not is_stand_in
    if tokenizer.sha256 == spec.tokenizer_sha256 and is_published:
        return spec.folder
    kind = REAL if is_published else GENERATED if is_stand_in else f"{text}_data"
    ending = f"-{tokenizer.sha256[:DIGEST_CHARACTERS]}_{kind}"
    own = spec.is_default and spec.task == DEFAULT_TASK
    first = DATASETS_FOLDER / f"{'' if own else f'{spec.name}-'}{slug(tokenizer.short_name)}{ending}"
    named = text or spec.name
    others = sorted(path for path in DATASETS_FOLDER.glob(f"*{ending}") if is_dataset_of(spec, tokenizer, path, named))
    if others or not has_files(first):
        return next(iter(others), first)
    raise InputError(
        f"{first} does not hold {spec.description.partition(' for ')[0]} in the tokens of {tokenizer.name}, as it was "
        f"published; expected that or nothing there. Delete {first}."
    )


def has_files(folder: Path) -> bool:
    """Tell whether there is a folder that is not empty."""
    return folder.is_dir() and any(folder.iterdir())


def is_dataset_of(spec: DatasetSpec, tokenizer: Tokenizer, folder: Path, text: str) -> bool:
    """Tell whether a folder says that it holds a text, laid out as a dataset, in a tokenizer's tokens."""
    try:
        metadata = json.loads(read_regular(folder / METADATA_FILE).decode("utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    if not isinstance(metadata, dict):
        return False
    of_spec = metadata.get("dataset_name") == text or metadata.get("stand_in") is True
    protocol = {"max_length": spec.protocol.max_length, "seed": spec.protocol.seed}
    protocol |= {name: getattr(spec.protocol, name) for name in spec.options}
    is_same = metadata.get("task") == spec.task and all(metadata.get(key) == one for key, one in protocol.items())
    return of_spec and is_same and metadata.get("tokenizer_sha256") == tokenizer.sha256


def slug(name: str) -> str:
    """Return a name as the beginning of a folder's name: lower-case letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")[:NAME_CHARACTERS] or "tokenizer"
