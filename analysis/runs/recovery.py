"""Saved runs recovered from the journals of killed ones."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from analysis.runs.journal import (
    CASES_KEY,
    JOURNAL_FOLDER,
    WITHDRAWN_KEY,
    content_of,
    in_order_of_cases,
    orphaned_journals,
    why_not_orphaned,
)
from analysis.runs.saved import of_bytes
from analysis.runs.selection import STORAGE
from core.errors import InputError
from core.files import NoLocksError, hold
from core.metrics import lookup


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
