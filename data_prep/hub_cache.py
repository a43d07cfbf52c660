"""What of the hub is kept on this machine, and how it is read where its folder cannot be written."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import datasets
from datasets.naming import camelcase_to_snakecase
from huggingface_hub import constants, is_offline_mode, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

from core.errors import InputError
from data_prep.protocol import Protocol
from data_prep.tokenizer import VOCABULARY_FILES, TokenizerError

#: What a file system says where something may be read and not written.
UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)
#: What `datasets` writes beside the rows when it has all of them.
COMPLETE = "dataset_info.json"


def load_rows(dataset: str, config: str, split: str) -> datasets.Dataset:
    """Load a split as `datasets` does: from the hub or, offline, from the rows that it keeps on this machine.

    It locks these even to read them. Where their folder cannot be written, as on a read-only disk, they are read
    through links in a temporary folder. Where there are none, and the hub's own files are kept here, offline they are
    made of these. Raises what `datasets` raises.
    """
    try:
        return datasets.load_dataset(dataset, config, split=split)
    except (OSError, ValueError) as error:
        if are_rows_cached(dataset, config):
            if not is_unwritable(error):
                raise
            source, linked = dataset, rows_of(dataset)
        else:
            files = downloaded_files(dataset) if is_offline_mode() else None
            if files is None:
                raise
            source, linked = str(files), None
    with writable_cache(linked) as cache:
        return datasets.load_dataset(source, config, split=split, cache_dir=cache, keep_in_memory=True)


def is_unwritable(error: BaseException) -> bool:
    """Tell whether an error is of something that may be read and not written."""
    return isinstance(error, OSError) and error.errno in UNWRITABLE


@contextmanager
def writable_cache(folder: Path | None) -> Iterator[str]:
    """Give a cache that can be written, empty or with a dataset's folder, each file of it but its locks as a link."""
    with tempfile.TemporaryDirectory() as cache:
        paths = [] if folder is None else [folder, *sorted(folder.rglob("*"))]
        copies = {path: cache / path.relative_to(paths[0].parent) for path in paths}
        for path, copy in copies.items():
            if path.is_dir():
                copy.mkdir()
            elif path.suffix != ".lock":
                copy.symlink_to(path)
        for path in filter(Path.is_dir, copies):  # of several revisions the newest is read
            os.utime(copies[path], ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
        yield cache


def rows_of(dataset: str) -> Path:
    """Return the folder that `datasets` keeps the rows of a dataset in, whether it is there or not."""
    *namespace, name = dataset.split("/")
    return rows_folder() / "___".join([*namespace, camelcase_to_snakecase(name)])


def are_rows_cached(dataset: str, config: str) -> bool:
    """Tell whether `datasets` keeps rows of a dataset on this machine, readable or not."""
    return any((rows_of(dataset) / config).glob(f"*/*/{COMPLETE}"))


def downloaded_files(dataset: str) -> Path | None:
    """Return the folder with a dataset's files as the hub has them, or None where this machine has none."""
    try:
        folder = Path(snapshot_download(dataset, repo_type="dataset", local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None
    return folder if any(folder.rglob("*.parquet")) else None


def rows_folder() -> Path:
    """Return the folder of the rows of all datasets."""
    return Path(datasets.config.HF_DATASETS_CACHE).expanduser().resolve()


def tokenizers_folder() -> Path:
    """Return the folder of the tokenizers, and of all other files of the hub."""
    return Path(constants.HF_HUB_CACHE).expanduser().resolve()


def is_tokenizer_cached(name: str) -> bool:
    """Tell whether a vocabulary of a tokenizer on the hub is kept on this machine, readable or not."""
    try:
        return any(isinstance(try_to_load_from_cache(name, file), str) for file in VOCABULARY_FILES)
    except HFValidationError:  # no name on the hub
        return False


def missing_from_cache(protocol: Protocol, error: InputError) -> str | None:
    """Return what of a protocol's text and tokenizer is not kept on this machine, as a clause, or None where it is.

    `error` is what loading them raised.
    """
    if isinstance(error, TokenizerError):
        is_cached, name, folder = is_tokenizer_cached(protocol.tokenizer), protocol.tokenizer, tokenizers_folder()
    else:
        is_cached = are_rows_cached(protocol.dataset, protocol.config) or downloaded_files(protocol.dataset) is not None
        name, folder = protocol.dataset, rows_folder()
    return None if is_cached else f"{name} is not cached in {folder}"
