"""What the commands of this folder share: their errors are a sentence and exit code 1."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from core.errors import InputError


def exit_code(work: Callable[[], None], folder: Path | None = None, expected: str = "") -> int:
    """Do a command's work and return its exit code: 0, or 1 after an error, which is printed.

    `folder` is where files are read and written, and named where an error of the system names none; `expected` says
    what should be there and which option to use. Without a folder such an error is raised.
    """
    try:
        work()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if folder is None:
            raise
        place = error.filename2 or error.filename or folder  # an error of a full disk names no file
        print(f"error: {place} cannot be read or written ({error.strerror}); expected {expected}", file=sys.stderr)
        return 1
    return 0
