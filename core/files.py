"""Reads of regular files alone, atomic writes, digests of files, and a lock per folder."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock


def read_regular(path: Path) -> bytes:
    """Return the content of a regular file, which a link may lead to.

    Raises `OSError` where it cannot be read, and where it is something else: a device may have no end, and a pipe waits
    for somebody who writes.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return path.read_bytes()


def write(path: Path, content: str | bytes) -> Path:
    """Write a file under another name and rename it. Raises `OSError` where the folder cannot be written."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content.encode() if isinstance(content, str) else content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def sha256_of(*paths: Path) -> str:
    """Return the sha256 of the bytes of files, one after another, which of one file is what `sha256sum` shows.

    Raises `OSError` where one cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


@contextmanager
def exclusive_access(folder: Path | None, timeout_s: float) -> Iterator[str | None]:
    """Lock a folder against other sessions that save runs; yield why that took longer than `timeout_s`, or None.

    pytest-benchmark counts the runs in the folder and takes the next number. Two sessions that do so at the same time
    would give two runs one number, and one that began in the same second would overwrite the other's run.
    """
    if folder is None:
        yield None
        return
    lock, obstacle = FileLock(folder / ".lock", timeout=timeout_s, mode=0o666), None
    try:
        lock.acquire()
    except (OSError, NotImplementedError) as error:  # a session that hangs, another's file, a system without locks
        obstacle = f"{folder} cannot be locked ({type(error).__name__})"
    try:
        yield obstacle
    finally:
        lock.release()
