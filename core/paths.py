"""Paths as outputs show them: a page that is sent says nothing of its author's folders."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath, PureWindowsPath

#: An absolute path in an argument: all of it, or what follows the sign before a value.
ABSOLUTE = re.compile(r"(?:^|(?<=[=,])|(?<=file://))/[^,=]*")
#: Stands for the folders that are left out.
SOMEWHERE = "…"


def without_home(argument: str, here: Path, home: Path) -> str:
    """Return an argument of a command with its absolute paths made relative to the folder `here`.

    Of others, those below `home` begin with ~, and the rest keep their last part alone.
    """
    return ABSOLUTE.sub(lambda path: shortened(Path(path[0]), here, home), argument)


def shortened(path: Path, here: Path, home: Path) -> str:
    """Return an absolute path relative to a folder, from the home folder on, or as its last part."""
    if path.is_relative_to(here):
        return str(path.relative_to(here))
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else without_folders(str(path))


def without_folders(text: str) -> str:
    """Return the last part of an absolute path, behind a sign for the others; any other text as it is."""
    for kind in (PurePosixPath, PureWindowsPath):
        path = kind(text)
        if path.is_absolute() and path.name:
            return f"{SOMEWHERE}/{path.name}"
    return text
