"""Where the text comes from: the model hub, its cache on this machine, or a file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import datasets
from huggingface_hub import HfApi, is_offline_mode
from yaml import YAMLError

from core.errors import InputError, first_line
from core.files import read_regular
from data_prep.datasets.spec import DatasetSpec, Text
from data_prep.hub import HUB_ERRORS
from data_prep.hub_cache import is_unwritable, load_rows, rows_folder
from data_prep.plain_text import require_plain_text
from data_prep.protocol import Protocol

#: What the columns of a text may hold: text, or the numbers of classes.
COLUMN_DTYPES = {"text": ("string", "large_string"), "class": ("int64", "int32", "int8")}


def from_hub(spec: DatasetSpec, protocol: Protocol) -> Text:
    """Load a protocol's split from the hub, or, offline, from this machine's cache of it.

    Raises `InputError` when it is not available, or has not the specification's columns.
    """
    dataset, config, split = protocol.dataset, protocol.config, protocol.split
    try:
        rows = load_rows(dataset, config, split)
        revision = None if is_offline_mode() else HfApi().dataset_info(dataset, timeout=10).sha
    except (*HUB_ERRORS, datasets.exceptions.DatasetsError, YAMLError, RuntimeError, json.JSONDecodeError) as error:
        # YAMLError: a damaged dataset card, or one that asks for code; RuntimeError: a dataset that is a script;
        # JSONDecodeError: damaged facts in the cache.
        remedy = f" Name a cache that can be written in place of {rows_folder()} with HF_HOME." * is_unwritable(error)
        sentence = f"The text {dataset} ({config}, {split}) could not be loaded: {first_line(error).removesuffix('.')}."
        raise InputError(sentence + remedy) from error
    except ValueError as error:  # what `datasets` raises for an unknown config or split
        raise InputError(f"{dataset} has no config {config!r} with split {split!r}: {error}") from error
    for column, kind in zip(spec.columns, COLUMN_DTYPES, strict=False):
        if column not in rows.column_names:
            raise InputError(f"{dataset} has the columns {rows.column_names}; expected one named {column!r}.")
        if getattr(rows.features[column], "dtype", None) not in COLUMN_DTYPES[kind]:
            expected = "text" if kind == "text" else "the numbers of classes"
            raise InputError(f"The column {column!r} of {dataset} holds {rows.features[column]}; expected {expected}.")
    own_name, published = dataset.split("/")[-1], spec.protocol
    is_published = (own_name, config, split) == (published.dataset.split("/")[-1], published.config, published.split)
    return Text(
        rows, spec.name if is_published else f"{own_name}/{config}/{split}", f"{dataset} {config} {split}", revision
    )


def from_file(spec: DatasetSpec, path: Path) -> Text:
    """Read a text file as its specification does.

    Raises `InputError` when it is missing, not UTF-8, no plain text (JSON, a page of HTML) or malformed.
    """
    try:
        content = read_regular(path)
        require_plain_text(content, path)
        rows = spec.read_file(content, path)
    except OSError as error:
        raise InputError(f"The text file {path} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"The text file {path} is not UTF-8: byte {error.start} is 0x{content[error.start]:02x}."
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    return Text(rows, spec.name if digest == spec.text_sha256 else path.stem, path.name, f"sha256:{digest}")


def select_rows(rows: datasets.Dataset, *, min_chars: int) -> datasets.Dataset:
    """Keep rows with more than `min_chars` characters (surrounding space not counted), in their order.

    A row that is null has none. Raises `InputError` where none is left.
    """
    long_enough: datasets.Dataset = rows.filter(
        lambda row: len((row["text"] or "").strip()) > min_chars, keep_in_memory=True, desc="Filtering rows"
    )
    if len(long_enough) == 0:
        raise InputError(f"None of the {len(rows)} rows has more than {min_chars} characters; lower --min-chars.")
    return long_enough
