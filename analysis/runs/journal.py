"""The journal of a run in progress: written, held for as long as its session runs, and read again."""

from __future__ import annotations

import json
import os
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from analysis.runs.selection import STORAGE
from core.errors import InputError
from core.files import hold, read_regular
from core.guards import LIMITS, nesting_levels
from core.metrics import lookup

#: Where results are kept unless another folder is named.
RESULTS = Path("results")
#: Below the results folder: one file a session, named DATE_TIME-PROCESS.jsonl, which the session holds locked.
JOURNAL_FOLDER = "journal"
#: The key of `machine_info` with the ids of all cases of a session, in their order.
CASES_KEY = "cases"
#: The key of a journal's document with the full names of benchmarks that must not be recovered: what they had timed was
#: found to be something else.
WITHDRAWN_KEY = "withdrawn"


def begin(path: Path, line: str) -> BinaryIO:
    """Make a journal of one line and hold it for as long as what is returned is open.

    It gets its name when it is locked and the line is in it: nobody takes it for that of a session that has ended.
    Raises `NoLocksError`, and `OSError` where it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".begun")
    handle = hold(unfinished)
    try:
        append(unfinished, line)
        unfinished.rename(path)
    except OSError:
        handle.close()
        unfinished.unlink(missing_ok=True)
        raise
    return handle


def append(path: Path, line: str) -> None:
    """Append a whole line or nothing, and wait until the line is on the disk. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole_bytes = path.stat().st_size if path.exists() else 0
    try:
        with path.open("a", encoding="utf-8") as handle:
            handle.write(line + "\n")
            handle.flush()
            os.fsync(handle.fileno())
    except OSError:
        with suppress(OSError):
            os.truncate(path, whole_bytes)  # half a line on a full disk would spoil the next one
        raise


def orphaned_journals(results_dir: Path) -> list[Path]:
    """Return the journals of sessions that have ended for certain and left something, oldest first."""
    journals = sorted((results_dir / JOURNAL_FOLDER).glob("*.jsonl"))
    return [path for path in journals if path.is_file() and why_not_orphaned(path) is None and path.stat().st_size]


def why_not_orphaned(journal: Path) -> str | None:
    """Return why a journal may be of a session that is running, or None: a running one holds its journal's lock."""
    try:
        hold(journal).close()
    except BlockingIOError:
        return f"{journal} is of a session that is running, which saves what it measures when it ends"
    except OSError as error:  # or it belongs to somebody else
        return (
            f"{journal} cannot be locked ({error.strerror}), so that nothing tells whether its session has ended; name "
            "it where it has"
        )
    return None


def recovery_command(results_dir: Path, storage: Path | None = None) -> str:
    """Return the command that recovers all orphaned journals of a folder of results, into a storage on this machine."""
    options = [] if results_dir == RESULTS else ["--results-dir", str(results_dir)]
    options += [] if storage in (None, STORAGE) else ["--storage", str(storage)]
    return shlex.join(["python", "-m", "analysis", "recover", *options])


def in_order_of_cases(benchmarks: list[dict[str, Any]], cases: object) -> list[dict[str, Any]]:
    """Return benchmarks in the order of a session's cases, in which they were not visited; others follow."""
    listed = cases if isinstance(cases, list) else []
    places = {name: place for place, name in enumerate(listed) if isinstance(name, str)}

    def place(benchmark: dict[str, Any]) -> int:
        return places.get(str(lookup(benchmark, "params.case")), len(places))

    return sorted(benchmarks, key=place)


def read(journal: Path) -> list[dict[str, Any]]:
    """Return the lines of a journal that can be read, parsed. Raises `InputError` where none can."""
    return content_of(journal)[0]


def content_of(journal: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the lines of a journal that are a run's document, parsed, and for each other one a sentence on it.

    Raises `InputError` where there are lines and none is a document.
    """
    try:
        lines = read_regular(journal).decode(errors="replace").split("\n")
    except OSError as error:
        raise InputError(f"{journal} cannot be read ({error.strerror}).") from error
    documents, unreadable = [], []
    for number, line in enumerate(lines[:-1], start=1):
        if not line.strip():
            continue
        try:
            documents.append(document_of(line))
        except (ValueError, RecursionError, KeyError, TypeError) as error:
            unreadable.append(f"line {number}: {type(error).__name__}: {error}")
    if unreadable and not documents:
        raise InputError(f"{journal} is not a journal: {unreadable[0]}.")
    if lines[-1]:
        unreadable.append(f"line {len(lines)}: it was cut off")
    return documents, unreadable


def document_of(line: str) -> dict[str, Any]:
    """Return a run's document. Raises `ValueError`, `KeyError`, `TypeError` or `RecursionError` for anything else."""
    document: dict[str, Any] = json.loads(line)
    for item in document["benchmarks"]:
        if not isinstance(item["fullname"], str):
            raise TypeError(f"a benchmark is named {item['fullname']!r:.40}")
    if nesting_levels(document) > LIMITS.json_levels:
        raise ValueError(f"nested in more than {LIMITS.json_levels} levels")
    return document
