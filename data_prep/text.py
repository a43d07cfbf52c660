"""Where the text comes from: the model hub, its cache on this machine, or a wiki.test.raw file."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import datasets
from huggingface_hub import HfApi, is_offline_mode
from yaml import YAMLError

from data_prep.errors import InputError, first_line
from data_prep.hub import HUB_ERRORS

#: The WikiText-2 test text as its authors published it (wiki.test.raw, 1,290,590 bytes).
WIKI_TEST_RAW_SHA256 = "173c87a53759e0201f33e0ccf978e510c2042d7f2cb78229d9a50d79b9e7dd08"


@dataclass(frozen=True)
class Text:
    """Rows of text (a dataset with one column, `text`), a short name for tables, and where they came from."""

    rows: datasets.Dataset
    name: str
    source: str
    revision: str | None


def from_hub(dataset: str, config: str, split: str) -> Text:
    """Load a split from the hub, or, offline, from this machine's cache of it.

    Raises `InputError` when it is not available.
    """
    try:
        rows = datasets.load_dataset(dataset, config, split=split)
        revision = None if is_offline_mode() else HfApi().dataset_info(dataset, timeout=10).sha
    except ValueError as error:  # what `datasets` raises for an unknown config or split
        raise InputError(f"{dataset} has no config {config!r} with split {split!r}: {error}") from error
    except (*HUB_ERRORS, datasets.exceptions.DatasetsError, YAMLError, RuntimeError) as error:
        # YAMLError: a damaged dataset card, or one that asks for code; RuntimeError: a dataset that is a script.
        raise InputError(f"The text {dataset} ({config}, {split}) could not be loaded: {first_line(error)}") from error
    if "text" not in rows.column_names:
        raise InputError(f"{dataset} has the columns {rows.column_names}; expected one named 'text'.")
    if getattr(rows.features["text"], "dtype", None) not in ("string", "large_string"):
        raise InputError(f"The column 'text' of {dataset} holds {rows.features['text']}; expected text.")
    is_wikitext2 = (dataset.split("/")[-1], config, split) == ("wikitext", "wikitext-2-raw-v1", "test")
    name = "wikitext-2" if is_wikitext2 else f"{dataset.split('/')[-1]}/{config}/{split}"
    return Text(rows, name, f"{dataset} {config} {split}", revision)


def from_file(path: Path) -> Text:
    """Read a text file, one row a line. Raises `InputError` when it is missing or not UTF-8."""
    try:
        content = path.read_bytes()
        # Only "\n" ends a row, and stays part of it: str.splitlines would also cut at separators inside the text.
        lines = list(io.StringIO(content.decode("utf-8"), newline="\n"))
    except OSError as error:
        raise InputError(f"The text file {path} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"The text file {path} is not UTF-8: byte {error.start} is 0x{content[error.start]:02x}."
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    name = "wikitext-2" if digest == WIKI_TEST_RAW_SHA256 else path.stem
    return Text(datasets.Dataset.from_dict({"text": lines}), name, path.name, f"sha256:{digest}")


def select_rows(rows: datasets.Dataset, *, min_chars: int) -> datasets.Dataset:
    """Keep rows with more than `min_chars` characters (surrounding space not counted), in their order.

    A row that is null has none. Raises `InputError` where none is left.
    """
    kept: datasets.Dataset = rows.filter(
        lambda row: len((row["text"] or "").strip()) > min_chars, keep_in_memory=True, desc="Filtering rows"
    )
    if len(kept) == 0:
        raise InputError(f"None of the {len(rows)} rows has more than {min_chars} characters; lower --min-chars.")
    return kept
