"""Writing a whole folder, or all files of a kind in one, or nothing: a killed run leaves the old ones, or none."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from core.errors import InputError

UNFINISHED, PREVIOUS = "unfinished", "previous"
#: What helps where a folder has a fixed place below the current one.
RUN_ELSEWHERE = "run in another folder"


@contextmanager
def replaced_folder(folder: Path, expected_names: tuple[str, ...], elsewhere: str = RUN_ELSEWHERE) -> Iterator[Path]:
    """Give an empty folder to fill; on success it takes the place of `folder`, on any failure it disappears.

    A link is followed. What killed runs have left is cleared away first. Of two processes that make a new folder at the
    same time the first wins, for it may be reading the folder already. Raises `InputError` where `folder` holds files
    whose names are not among `expected_names`, which belong to somebody else, or cannot be written; `elsewhere` is the
    end of its sentence: how another place is chosen.
    """
    refuse_foreign_files(folder, expected_names, elsewhere)
    try:
        folder = folder.resolve()
        if folder == Path.cwd():
            raise InputError(f"{folder} is the folder that this runs in; {elsewhere}.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        clear_after_killed_runs(folder)
        unfinished, is_new = beside(folder, UNFINISHED), not folder.exists()
        unfinished.mkdir()
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror}); {elsewhere}.") from error
    try:
        yield unfinished
        for path in unfinished.iterdir():
            with path.open("rb") as handle:
                os.fsync(handle.fileno())
        if not (is_new and folder.exists()):
            replace(unfinished, folder)
    except OSError as error:
        if is_new and folder.exists():
            return  # it was made between the last look and the renaming
        raise InputError(
            f"{folder} could not be written ({error.strerror or error}); what was there before is untouched. "
            f"Free some space or {elsewhere}."
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def replaced_files(folder: Path, manifest: str) -> Iterator[Path]:
    """Give an empty folder to fill; on success its files take the place of all that were last written to `folder` so.

    Which those were is in the file `manifest` there, a name a line; no other file is removed. On any failure, and where
    Ctrl-C interrupts the filling, everything stays as it was. Raises `OSError` where the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clear_after_killed_runs(folder / manifest)
    unfinished = beside(folder / manifest, UNFINISHED)
    unfinished.mkdir()
    try:
        yield unfinished
        names = sorted(path.name for path in unfinished.iterdir())
        earlier = names_in(folder / manifest)
        (unfinished / manifest).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
        for name in (*names, manifest):
            (unfinished / name).replace(folder / name)
        for name in earlier - {*names, manifest}:
            (folder / name).unlink(missing_ok=True)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def names_in(manifest: Path) -> set[str]:
    """Return the names of files beside a manifest that it lists; what is no such name is nobody's to remove."""
    try:
        listed = manifest.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return set()
    return {name for name in listed if Path(name).name == name and (manifest.parent / name).is_file()}


def is_folder(path: str) -> bool:
    """Tell whether a path is that of a folder; what is too long for the file system is none."""
    try:
        return Path(path).is_dir()
    except OSError:
        return False


def refuse_foreign_files(folder: Path, expected_names: tuple[str, ...], elsewhere: str = RUN_ELSEWHERE) -> None:
    """Raise `InputError` when `folder` is a file, cannot be read, or holds anything but `expected_names`.

    `elsewhere` is the end of its sentence: how another place is chosen.
    """
    try:
        names = sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{folder} cannot be used as a folder ({error.strerror}); {elsewhere}.") from error
    foreign = [name for name in names if name not in expected_names]
    if foreign:
        raise InputError(
            f"{folder} holds {foreign[0]!r}, which is not part of what is written there and would be lost; {elsewhere}."
        )


def beside(folder: Path, state: str) -> Path:
    """Return where this process keeps a folder's new content (unfinished) or its old one (previous)."""
    return folder.with_name(f"{prefix(folder, state)}{os.getpid()}")


def prefix(folder: Path, state: str) -> str:
    """Return how names made by `beside` begin on this machine, before the number of the process."""
    return f".{folder.name}.{state}-{platform.node()}-"


def clear_after_killed_runs(folder: Path) -> None:
    """Remove what processes that are gone have left; put back the old folder of one that died between two renames."""
    # What has this process's own number was left by an earlier one: a container gives the same numbers again.
    others = {str(number) for number in psutil.pids() if number != os.getpid()}
    for state in (PREVIOUS, UNFINISHED):
        beginning = prefix(folder, state)
        for left in [path for path in folder.parent.iterdir() if path.name.startswith(beginning)]:
            process = left.name.removeprefix(beginning)
            if not process.isdecimal() or process in others:
                continue
            if state == PREVIOUS and not folder.exists():
                left.rename(folder)
            else:
                shutil.rmtree(left)


def replace(unfinished: Path, folder: Path) -> None:
    """Rename `unfinished` to `folder`, putting an old one aside first: a folder cannot be renamed over a full one."""
    if not folder.exists():
        unfinished.rename(folder)
        return
    previous = beside(folder, PREVIOUS)
    folder.rename(previous)
    try:
        unfinished.rename(folder)
    except OSError:
        previous.rename(folder)
        raise
    shutil.rmtree(previous, ignore_errors=True)  # the new one is in place: what is left of the old one does no harm
