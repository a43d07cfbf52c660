"""Writing files that nobody ever reads half of, nor overwrites unawares."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

#: Another session saves within a second; one that takes longer has been stopped.
LONGEST_WAIT_S = 30.0


def write(path: Path, content: str | bytes) -> Path:
    """Write a file under another name and rename it. Raises `OSError` where the folder cannot be written."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content.encode() if isinstance(content, str) else content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


@contextmanager
def alone_in(folder: Path | None) -> Iterator[str | None]:
    """Let no other session save runs to a folder meanwhile; give why that cannot be kept from happening, or None.

    pytest-benchmark counts what is there and takes the next number. Were two sessions to do so at the same time, two
    runs would have one number, and of sessions that began within one second one would overwrite the other's run.
    """
    if folder is None:
        yield None
        return
    lock, obstacle = FileLock(folder / ".lock", timeout=LONGEST_WAIT_S, mode=0o666), None
    try:
        lock.acquire()
    except (OSError, NotImplementedError) as error:  # a session that hangs, another's file, a system without locks
        obstacle = f"{folder} cannot be locked ({type(error).__name__})"
    try:
        yield obstacle
    finally:
        lock.release()
