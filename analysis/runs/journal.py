"""The journal of a run in progress, and saved runs recovered from the journals of killed ones."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from analysis.runs.saved import of_bytes
from analysis.runs.selection import STORAGE
from core.errors import InputError
from core.files import NoLocksError, hold, read_regular
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


def recover(journal: Path, storage: Path = STORAGE) -> tuple[Path, int]:
    """Turn a journal into a saved run, remove the journal, and return the run's path and its number of benchmarks.

    A journal of which not every line can be read is kept under another name, `kept_path`. Raises `InputError` where a
    session that is running or another recovery holds the journal, and where it holds no benchmark of this suite, and
    `OSError` where the run cannot be written; the journal stays then.
    """
    if not journal.is_file():  # a pipe would be waited for, a device never end
        raise InputError(
            f"{journal} is no file; expected the journal of a session, as results/{JOURNAL_FOLDER}/ has it."
        )
    with held(journal):
        documents, unreadable = content_of(journal)
        merged = documents[-1] if documents else {}  # its description of the session is the latest
        latest: dict[str, dict[str, Any]] = {}
        for one in documents:
            latest |= {item["fullname"]: item for item in one["benchmarks"]}
            if isinstance(one.get(WITHDRAWN_KEY), str):  # until it is measured again
                latest.pop(one[WITHDRAWN_KEY], None)
        if not latest:
            raise InputError(f"{journal} holds no finished benchmark; nothing can be recovered from it.")
        merged.pop(WITHDRAWN_KEY, None)
        merged["benchmarks"] = in_order_of_cases(list(latest.values()), lookup(merged, f"machine_info.{CASES_KEY}"))
        text = json.dumps(merged, indent=4)
        of_bytes(journal, text.encode())  # raises where it would be no run of this suite
        path = save(storage, f"recovered_{journal.stem}", text)
        if unreadable:
            journal.replace(kept_path(journal))
        else:
            journal.unlink()
    return path, len(merged["benchmarks"])


@contextmanager
def held(journal: Path) -> Iterator[None]:
    """Hold a journal while it is recovered, where its file system has locks.

    Raises `InputError` where a running session does.
    """
    try:
        handle = hold(journal)
    except BlockingIOError as error:
        raise InputError(f"{why_not_orphaned(journal)}; expected one that has ended.") from error
    except NoLocksError:  # it was named by somebody who knows that its session has ended
        yield
        return
    with handle:
        yield


def kept_path(journal: Path) -> Path:
    """Return where a journal is kept of which not every line could be recovered."""
    return journal.with_name(f"{journal.name}.kept")


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
        with unfinished.open("w", encoding="utf-8") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())  # the journal is removed when this returns
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


def recover_all(results_dir: Path, journals: Sequence[Path], storage: Path = STORAGE) -> Iterator[str]:
    """Recover the journals named, or all orphaned ones without a name, and give a line for each.

    One that was not named and cannot be recovered is left out. Raises `InputError` where nothing is recovered, and
    where a journal that was named cannot be.
    """
    folder = results_dir / JOURNAL_FOLDER
    chosen = list(journals) or orphaned_journals(results_dir)
    refused = [] if journals else [why for path in sorted(folder.glob("*.jsonl")) if (why := why_not_orphaned(path))]
    has_recovered = False
    for journal in chosen:
        try:
            path, count = recover(journal, storage)
        except InputError as error:
            if journals:
                raise
            refused.append(str(error))
            continue
        has_recovered = True
        yield f"recovered {count} benchmark(s) of {journal} into {path}"
        if kept_path(journal).exists():
            _, unreadable = content_of(kept_path(journal))
            yield f"{len(unreadable)} line(s) were not recovered ({unreadable[0]}); all are in {kept_path(journal)}"
    if not has_recovered:
        others = f": {'; '.join(refused)}" if refused else ""
        raise InputError(f"There is no journal of a killed run in {folder}{others}.")
    yield from (f"left out: {why}" for why in refused)
