"""The journal of a run in progress, and saved runs recovered from the journals of killed ones."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from analysis.runs.selection import STORAGE
from core.case import is_own
from core.errors import InputError
from core.files import read_regular
from core.guards import LIMITS, nesting_levels
from core.metrics import lookup

#: Below the results folder: one file a session, named DATE_TIME-PROCESS.jsonl.
JOURNAL_FOLDER = "journal"
#: The key of `machine_info` with the ids of all cases of a session, in their order.
CASES_KEY = "cases"
#: The key of a journal's document with the full names of benchmarks that must not be recovered: what they had timed was
#: found to be something else.
WITHDRAWN_KEY = "withdrawn"


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
    """Return the journals of sessions that have ended, oldest first."""
    running = {str(number) for number in psutil.pids() if number != os.getpid()}
    journals = sorted((results_dir / JOURNAL_FOLDER).glob("*.jsonl"))
    return [path for path in journals if path.stem.rpartition("-")[2] not in running]


def recover(journal: Path, storage: Path = STORAGE) -> tuple[Path, int]:
    """Turn a journal into a saved run, remove the journal, and return the run's path and its number of benchmarks.

    An incomplete last line is left out. Raises `InputError` where the journal holds no benchmark, and `OSError` where
    the run cannot be written; the journal stays then.
    """
    documents = read(journal)
    merged = documents[-1] if documents else {}  # its description of the session is the latest
    latest: dict[object, dict[str, Any]] = {}
    for one in documents:
        latest |= {item["fullname"]: item for item in one["benchmarks"]}
        if isinstance(one.get(WITHDRAWN_KEY), str):  # until it is measured again
            latest.pop(one[WITHDRAWN_KEY], None)
    if not latest:
        raise InputError(f"{journal} holds no finished benchmark; nothing can be recovered from it.")
    if not any(map(is_own, latest.values())):
        raise InputError(
            f"{journal} holds {len(latest)} benchmark(s), but none of this suite; expected extra_info with a case. "
            "Nothing was saved, and the journal stays."
        )
    merged.pop(WITHDRAWN_KEY, None)
    merged["benchmarks"] = in_order_of_cases(list(latest.values()), lookup(merged, f"machine_info.{CASES_KEY}"))
    path = save(storage, f"recovered_{journal.stem}", json.dumps(merged, indent=4))
    journal.unlink()
    return path, len(merged["benchmarks"])


def in_order_of_cases(benchmarks: list[dict[str, Any]], cases: object) -> list[dict[str, Any]]:
    """Return benchmarks in the order of a session's cases, in which they were not visited; others follow."""
    listed = cases if isinstance(cases, list) else []
    places = {name: place for place, name in enumerate(listed) if isinstance(name, str)}

    def place(benchmark: dict[str, Any]) -> int:
        return places.get(str(lookup(benchmark, "params.case")), len(places))

    return sorted(benchmarks, key=place)


def read(journal: Path) -> list[dict[str, Any]]:
    """Return the complete lines of a journal, parsed. Raises `InputError` where one of them is not a run's document."""
    try:
        lines = read_regular(journal).decode(errors="replace").split("\n")
    except OSError as error:
        raise InputError(f"{journal} cannot be read ({error.strerror}).") from error
    documents = []
    for number, line in enumerate(lines[:-1], start=1):  # the last is empty, or was cut off
        if not line.strip():
            continue
        try:
            document = json.loads(line)
            require_document(document)
        except (ValueError, RecursionError, KeyError, TypeError) as error:
            raise InputError(f"{journal} is not a journal: line {number}: {type(error).__name__}: {error}.") from error
        documents.append(document)
    return documents


def require_document(document: Any) -> None:  # noqa: ANN401
    """Raise one of `LookupError`, `TypeError` and `ValueError` unless a line of a journal is a run's document."""
    if not all(isinstance(item["fullname"], str) for item in document["benchmarks"]):
        raise ValueError("a benchmark's fullname is no text")
    if nesting_levels(document) > LIMITS.json_levels:
        raise ValueError(f"nested in more than {LIMITS.json_levels} levels")


def save(storage: Path, name: str, text: str) -> Path:
    """Write a run under the next free number, in pytest-benchmark's layout, completely or not at all."""
    from pytest_benchmark.utils import get_machine_id

    folder = storage / get_machine_id()
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".{name}.{os.getpid()}"
    try:
        unfinished.write_text(text, encoding="utf-8")
        while True:
            path: Path = folder / f"{next_number(folder):04}_{name}.json"
            try:
                os.link(unfinished, path)  # fails where another process has just taken the name
            except FileExistsError:
                time.sleep(0.01)
                continue
            return path
    finally:
        unfinished.unlink(missing_ok=True)


def next_number(folder: Path) -> int:
    """Return a number above those of all runs in a folder."""
    taken = (path.name.partition("_")[0] for path in folder.glob("*.json"))
    return max((int(number) for number in taken if number.isdecimal()), default=0) + 1


def recover_all(results_dir: Path, journals: Sequence[Path], storage: Path = STORAGE) -> list[str]:
    """Recover the journals named, or all orphaned ones without a name, and return a line for each.

    Raises `InputError` where there is none, and as `recover` does.
    """
    chosen = list(journals) or orphaned_journals(results_dir)
    if not chosen:
        raise InputError(f"There is no journal of a killed run in {results_dir / JOURNAL_FOLDER}.")
    lines = []
    for journal in chosen:
        path, count = recover(journal, storage)
        lines.append(f"recovered {count} benchmark(s) of {journal} into {path}")
    return lines
