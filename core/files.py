"""Reads of regular files alone, atomic writes, digests of files, a lock on a file, and a lock per folder."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock

if sys.platform != "win32":
    import fcntl


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


class NoLocksError(OSError):
    """The file system, or this system, keeps no locks of the kind that is needed."""


def hold(path: Path) -> BinaryIO:
    """Open a file, made where it is missing, and lock it for as long as it is open.

    The system unlocks it when the process ends, however it ends. It is the file that is locked: other processes see
    that in whatever container, and on other hosts where the file system they share keeps locks. Raises
    `BlockingIOError` where another process holds the file, `NoLocksError`, and `OSError` where it cannot be opened.
    """
    if sys.platform == "win32":
        raise NoLocksError(errno.ENOSYS, "this system has no locks of that kind")
    handle = path.open("ab")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        if isinstance(error, BlockingIOError):
            raise
        raise NoLocksError(error.errno, error.strerror) from error
    return handle


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
