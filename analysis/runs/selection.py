"""Which files of saved runs a command means: by path, number, glob or folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from analysis.runs.time_order import as_number, number_of
from core.errors import InputError

STORAGE = Path(".benchmarks")
SELECTORS = "a path, a number such as 0001 or a glob"
#: What makes a selector a pattern.
WILDCARDS = frozenset("*?[")


def storage_folder(text: str) -> Path:
    """Return the folder that a storage of saved runs is, given as pytest-benchmark's `--benchmark-storage` is.

    Raises `InputError` where it is not one of this machine.
    """
    folder = text.removeprefix("file://")
    if not folder.strip() or "://" in folder:
        raise InputError(f"The storage is {text[:80]!r}; expected a folder, as a path or after file://.")
    return Path(folder)


def select(selectors: Sequence[str], storage: Path = STORAGE) -> dict[Path, bool]:
    """Return the files that paths, run numbers (0001), globs and folders choose, in order and without repetition.

    Each with whether it was named: by its path, its number or how its name begins. Without selectors these are all
    saved runs. Raises `InputError` where a selector matches nothing, is the number of several files or begins their
    names, or cannot be a name.
    """
    chosen: dict[str, tuple[Path, bool]] = {}
    for selector in selectors or ["*"]:
        try:
            matches = matching(selector, storage)
            is_named = not (WILDCARDS & set(selector) or Path(selector).is_dir())
        except (OSError, ValueError) as error:  # a name that is too long, a malformed pattern
            raise InputError(f"{selector!r} names no saved run: {error}; expected {SELECTORS}.") from error
        if not matches:
            raise InputError(
                f"No saved run matches {selector!r} in {storage}; expected {SELECTORS}. {how_to_find(storage)}"
            )
        for path in matches:
            file = os.path.realpath(path)
            known, was_named = chosen.get(file, (path, False))
            chosen[file] = known, was_named or is_named or Path(selector).is_file()
    return dict(chosen.values())


def matching(selector: str, storage: Path) -> list[Path]:
    """Return the files that one path, run number, glob or folder chooses. Raises as `select` does."""
    path = Path(selector)
    if path.is_file():
        return [path]
    if path.is_dir():
        return sorted(path.glob("*.json"))
    if len(path.parts) > 1:
        return sorted(Path(path.anchor or ".").glob(str(path.relative_to(path.anchor))))
    if (number := as_number(selector)) is not None:
        return numbered(number, storage.glob("*/*.json"))
    matches = sorted(storage.glob(f"*/{selector.rstrip('*')}*.json"))
    return matches if WILDCARDS & set(selector) else only_one(f"{selector!r} begins the names", matches)


def numbered(number: int, paths: Iterable[Path]) -> list[Path]:
    """Return the file that has a number, or none. Raises `InputError` where several have it."""
    having = sorted(path for path in paths if number_of(path) == number)
    return only_one(f"{number:04} is the number", having)


def only_one(what: str, paths: Sequence[Path]) -> list[Path]:
    """Return the one file that paths lead to, or none. Raises `InputError` where they are several files."""
    found = {os.path.realpath(path): path for path in paths}
    if len(found) > 1:
        raise InputError(
            f"{what} of {len(found)} saved runs: {', '.join(map(str, found.values()))}; expected one. Name it by its "
            "path."
        )
    return list(found.values())


def how_to_find(storage: Path) -> str:
    """Return which commands list the saved runs of a storage and make one there."""
    listing, making = ("", "") if storage == STORAGE else (f" --storage={storage}", f" --benchmark-storage={storage}")
    return (
        f"`pytest-benchmark{listing} list` shows the saved runs, `pytest benchmarks --benchmark-autosave{making}` "
        "makes one."
    )
