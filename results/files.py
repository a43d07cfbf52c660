"""Writing files that nobody ever reads half of."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, content: str | bytes) -> Path:
    """Write a file under another name and rename it. Raises `OSError` where the folder cannot be written."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content.encode() if isinstance(content, str) else content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path
