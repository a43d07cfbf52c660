"""Reading saved runs: pytest-benchmark's JSON files."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from analysis.runs.time_order import Dated, moment_of
from analysis.runs.validity import judgements
from analysis.runs.visits import identities
from core.case import case_of, is_own
from core.errors import InputError
from core.executions import Executions
from core.files import read_regular
from core.guards import sanitized
from core.metrics import ANY_NUMBER, Catalogue
from core.tasks import tasks_of

#: The key of `machine_info` with the seconds of a session by phase.
SECONDS_KEY = "seconds"
#: What pytest-benchmark calls the commit of a folder that has none.
UNVERSIONED = "unversioned"
#: How a file begins that has `machine_info` first, as pytest-benchmark writes it.
MACHINE_INFO_FIRST = re.compile(r'\s*\{\s*"machine_info"\s*:\s*')


@dataclass(frozen=True)
class Run:
    """One saved run: its file, this suite's benchmarks in it, and the environment it was made in."""

    path: Path
    benchmarks: tuple[dict[str, Any], ...]
    #: The run's `machine_info`, with the one commit and the one time of the run.
    environment: dict[str, Any]

    @cached_property
    def executions(self) -> Executions:
        """What the run says of its executions. Raises `InputError` where that cannot be read."""
        return Executions.of(self.environment)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The metrics that the run describes."""
        return Catalogue.of(self.environment)

    @property
    def dated(self) -> Dated:
        """The run's file, and when the session began; older runs have no more than when it was saved."""
        return Dated(self.path, moment_of(self.environment.get("measured_utc")))

    @cached_property
    def visits(self) -> frozenset[Hashable]:
        """What tells the session from every other: the values of its visits, with their cases and devices."""
        return frozenset(one for item in self.benchmarks for one in identities(item))


def load(path: Path) -> Run:
    """Read one saved run. Raises `InputError` where the file is not a run of this suite."""
    try:
        content = read_regular(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from error
    return of_bytes(path, content)


def of_bytes(path: Path, content: bytes) -> Run:
    """Return the saved run that a file holds. Raises `InputError` where the content is not a run of this suite."""
    with refused(path):
        document = json.loads(content.decode("utf-8"))
    return of_document(path, document)


def of_document(path: Path, value: object) -> Run:
    """Return the saved run that a parsed file is. Raises `InputError` where that is not a run of this suite."""
    with refused(path):
        document = sanitized(value)
    listed = document.get("benchmarks") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise InputError(f"{path} is not a saved run: it holds no list of benchmarks.")
    run = Run(path, own_benchmarks(path, listed), environment_of(document))
    require_readable(run)
    return run


@contextmanager
def refused(path: Path) -> Iterator[None]:
    """Raise an `InputError` where a file is no JSON, or holds what no saved run does."""
    try:
        yield
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path} is not a saved run: {type(error).__name__}: {error}. Delete it where it is half a run, as a full "
            "disk or a kill leaves one; `python -m analysis recover` makes a whole one of the journal."
        ) from error


def own_benchmarks(path: Path, listed: Sequence[Any]) -> tuple[dict[str, Any], ...]:
    """Return those of a saved run's benchmarks that are this suite's.

    Raises `InputError` where none is, and says so where they are of procedure 1, whose benchmarks have no case.
    """
    own = tuple(item for item in listed if is_own(item))
    if own:
        return own
    if any(map(is_of_procedure_1, listed)):
        raise InputError(
            f"{path} was measured by procedure 1, by an earlier version of this suite, and is no longer read; expected "
            "benchmarks with a case. Measure again with `pytest benchmarks --benchmark-autosave`."
        )
    raise InputError(
        f"{path} holds {len(listed)} benchmark(s), but none of this suite; expected extra_info with a case. "
        "Runs are made by `pytest benchmarks --benchmark-autosave`."
    )


def is_of_procedure_1(benchmark: object) -> bool:
    """Tell whether a saved benchmark names its precision and its execution, but has no case."""
    extra_info = benchmark.get("extra_info") if isinstance(benchmark, dict) else None
    return isinstance(extra_info, dict) and {"precision", "execution"} <= extra_info.keys() and "case" not in extra_info


def require_readable(run: Run) -> None:
    """Raise `InputError` unless cases, procedure, metrics, tasks and timings of a run can be read, each case once.

    So it does where a figure is no number, or one that its metric cannot have: somebody has made it up or damaged it.

    What works with the run afterwards need not check them again.
    """
    try:
        names = [case_of(item).id for item in run.benchmarks]
        for item in run.benchmarks:
            procedure = item["extra_info"].get("procedure", 0)
            if type(procedure) is not int:
                raise InputError(f"The procedure is {ascii(procedure)[:80]}; expected a whole number.")
            for metric in run.catalogue.metrics:
                if (value := metric.impossible(item["extra_info"])) is not None:
                    within = metric.within or ANY_NUMBER
                    raise InputError(f"{case_of(item).id} has {metric.column} {ascii(value)[:40]}; expected {within}.")
        judgements(run.benchmarks)
        Executions.of(run.environment)
        columns = (*run.catalogue.metrics, *run.catalogue.undescribed)
        numbers = {column.column for column in columns if column.is_number}
        for words in tasks_of(run.environment).values():
            if unknown := {words.headline, words.cost, words.change} - numbers:
                raise InputError(f"A task is told by {', '.join(sorted(unknown))}; expected metrics with numbers.")
    except InputError as error:
        raise InputError(f"{run.path} cannot be read: {error}") from error
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if repeated:
        raise InputError(
            f"{run.path} holds {', '.join(repeated)} more than once; expected each benchmark once. Make several runs "
            "with `python -m benchmarks --repeats N`."
        )


def environment_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return a saved run's `machine_info` with its commit and time, which are pytest-benchmark's where it has none.

    The suite's own commit is that of the suite, with a "+" where files differed from it; pytest-benchmark's is that of
    the working directory. The suite's own time is the session's start; pytest-benchmark's is when the run was saved.
    """
    machine, commit = document.get("machine_info"), document.get("commit_info")
    environment = dict(machine) if isinstance(machine, dict) else {}
    if not environment.get("git_commit") and isinstance(commit, dict) and commit.get("id") != UNVERSIONED:
        environment["git_commit"] = commit.get("id")
    if not environment.get("measured_utc"):
        moment = moment_of(document.get("datetime"))
        environment["measured_utc"] = (
            "" if moment is None else moment.replace(tzinfo=None).isoformat(timespec="seconds")
        )
    return environment


def measured_at(environment: Mapping[str, Any]) -> str | None:
    """Return when a run was measured, from its environment; None where that was not recorded."""
    return _text(environment.get("measured_utc"))


def moment_in_file(path: Path) -> datetime | None:
    """Return when a file says that its run was measured, None where it does not, or cannot be read.

    No more of it is parsed than `machine_info` where that comes first and says it.
    """
    try:
        text = read_regular(path).decode("utf-8")
        beginning, moment = MACHINE_INFO_FIRST.match(text), None
        if beginning is not None:
            machine, _ = json.JSONDecoder().raw_decode(text, beginning.end())
            moment = moment_of(machine.get("measured_utc")) if isinstance(machine, dict) else None
        if moment is None:
            document = json.loads(text)
            moment = moment_of(environment_of(document)["measured_utc"]) if isinstance(document, dict) else None
    except (OSError, ValueError, RecursionError):
        return None
    return moment


def short_commit(environment: Mapping[str, Any], digits: int) -> str:
    """Return the beginning of a run's commit, with the "+" that says that files differed from it, or "unknown"."""
    commit = _text(environment.get("git_commit"))
    if commit is None:
        return "unknown"
    return commit[:digits] + ("+" if commit.endswith("+") else "")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def from_pytest_benchmark(benchmarks: Iterable[Any]) -> list[Any]:
    """Return the benchmarks of saved runs that pytest-benchmark has loaded, safe to print.

    Raises `InputError` where one cannot be printed.
    """
    try:
        listed = [sanitized(item) for item in benchmarks]
        for item in filter(is_own, listed):
            case_of(item)
    except ValueError as error:
        raise InputError(f"A saved run cannot be shown ({error}); leave it out of the comparison.") from error
    return listed
