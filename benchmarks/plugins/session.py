"""Opens the session, and notes what becomes of each case that is to run."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from analysis.runs.journal import in_order_of_cases
from benchmarks.extra_info import with_repeats
from benchmarks.policies import Policies
from benchmarks.session import Session
from benchmarks.session_time import COLLECTION, IMPORTS, INTEGRITY, LOADING
from core.paths import without_home
from fixtures.plugin import SETTINGS

SESSION = pytest.StashKey[Session]()
#: The outcome of a case that nothing has happened to yet, and of one whose later visits alone were selected.
NOT_REACHED = "was not run: the session ended before it"
WITHOUT_FIRST_VISIT = "was not run: its first visit was not selected"
#: How the outcome of a case begins that failed.
FAILED = "failed: "
#: Other policies than the suite's own, put here before this plugin is configured.
POLICIES = pytest.StashKey[Policies]()
#: pytest-benchmark's benchmark of each case that has had its first visit, by the case's id.
OWNERS = pytest.StashKey[dict[str, BenchmarkFixture]]()
#: The place of each visit in the session's order, from 1 on, by the case's id and the visit's number.
POSITIONS = pytest.StashKey[dict[tuple[str, int], int]]()
#: The tests that measure, in the order in which they belong to a case.
COMPILATION, FIRST_VISIT, FURTHER_VISIT, AFTER_VISITS = MEASURING = (
    "test_compilation",
    "test_forward",
    "test_visit",
    "test_after_visits",
)


def function_of(item: pytest.Item) -> str:
    """Return the name of a test's function."""
    return str(getattr(item, "originalname", item.name))


def name_of(item: pytest.Item) -> str | None:
    """Return the id of the case that a test measures; whatever else it is parametrized by plays no part."""
    is_measuring = isinstance(item, pytest.Function) and function_of(item) in MEASURING
    return str(item.callspec.params["case"]) if is_measuring else None  # type: ignore[attr-defined]


def visit_of(item: pytest.Item) -> int | None:
    """Return the number of the visit that a test makes, or None for any other test."""
    if name_of(item) is None or function_of(item) not in (FIRST_VISIT, FURTHER_VISIT):
        return None
    return int(item.callspec.params.get("number", 1))  # type: ignore[attr-defined]


def makes_visits(config: pytest.Config) -> bool:
    """Tell whether visits are made: pytest-benchmark may be told to run each benchmark once, untimed, or none."""
    option = config.option
    is_disabled = option.benchmark_disable and not option.benchmark_enable
    return not is_disabled and (option.benchmark_only or not option.benchmark_skip)


class SessionPlugin:
    """Keeps the ledger of cases that were to run and were not measured, or not wholly."""

    def __init__(self, session: Session) -> None:
        self._session = session
        #: When the phase began that is not over.
        self._phase_s = time.perf_counter()
        session.spent.add(IMPORTS, self._phase_s - session.spent.begun_s)
        #: The tests that measure, by their id.
        self._items: dict[str, pytest.Item] = {}

    @pytest.hookimpl(tryfirst=True)  # the data and the weights are found in the same hook
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what is to run; where tests are only collected, or not measured, nothing is."""
        self._enter(COLLECTION)
        if session.config.option.collectonly or not makes_visits(session.config):
            return
        self._items = {item.nodeid: item for item in session.items if name_of(item) is not None}
        tests = [(str(name_of(item)), function_of(item)) for item in self._items.values()]
        begun = {name for name, function in tests if function == FIRST_VISIT}
        names = dict.fromkeys(name for name, function in tests if function != COMPILATION)
        self._session.outcomes = {name: NOT_REACHED if name in begun else WITHOUT_FIRST_VISIT for name in names}
        visits = [name_of(item) for item in self._items.values() if visit_of(item) is not None]
        self._session.planned_visits = {name: visits.count(name) for name in self._session.outcomes}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> None:
        """Note how long it took to find the data and the weights."""
        self._enter(LOADING)

    def _enter(self, phase: str) -> None:
        """Note that a phase is over."""
        now_s = time.perf_counter()
        self._session.spent.add(phase, now_s - self._phase_s)
        self._phase_s = now_s

    @pytest.hookimpl(wrapper=True)  # before any other plugin reads what is noted
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, None, None]:
        """Note why a case was not measured, or what it lacks."""
        item = self._items.get(report.nodeid)
        if item is None:
            self._session.spent.add(INTEGRITY, report.duration)
        elif report.when == "setup":
            self._session.spent.add(LOADING, report.duration)
        name = name_of(item) if item is not None else None
        if item is not None and name is not None:
            self._note(item, name, report)
        yield

    def _note(self, item: pytest.Item, name: str, report: pytest.TestReport) -> None:
        has_failed = self._session.outcomes.get(name, "").startswith(FAILED)
        if report.skipped and isinstance(report.longrepr, tuple) and function_of(item) == FIRST_VISIT:
            if not has_failed:  # its compilation, before
                self._session.outcomes[name] = f"was not run: {report.longrepr[2].removeprefix('Skipped: ')}"
        elif report.failed:
            self._failed(item, name, report)

    def _failed(self, item: pytest.Item, name: str, report: pytest.TestReport) -> None:
        crash = getattr(report.longrepr, "reprcrash", None)
        message = crash.message if crash else report.longreprtext
        sentence = message.splitlines()[0].removeprefix("Failed: ")
        if name not in self._session.extra_info:
            self._session.outcomes[name] = f"{FAILED}{sentence}"
            return
        number = visit_of(item)
        what = "what follows the visits" if number is None else f"visit {number}"
        self._session.failures.setdefault(name, []).append(f"{what} failed: {sentence}")
        self._session.note_visits(self._session.measured[name])

    def pytest_benchmark_update_json(self, output_json: dict[str, Any]) -> None:
        """Put this suite's benchmarks in the order of the cases, each with its intervals of a repeat; others follow."""
        benchmarks = in_order_of_cases(output_json["benchmarks"], list(self._session.cases))
        output_json["benchmarks"] = with_repeats(benchmarks, self._session.as_run)


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Add versions, GPU, flags, commit and the catalogue of metrics to what pytest-benchmark saves of the machine."""
    machine_info.update(config.stash[SESSION].environment)


def command_line(config: pytest.Config) -> str:
    """Return the command that pytest was started with, the options that the environment adds before those given.

    No absolute path is in it: it stands on pages that are sent.
    """
    added = shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))
    arguments = [*added, *map(str, config.invocation_params.args)]
    here = config.invocation_params.dir
    return shlex.join(["pytest", *(without_home(argument, here, Path.home()) for argument in arguments)])


def pytest_configure(config: pytest.Config) -> None:
    """Open the session."""
    session = Session.open(config.stash[SETTINGS], config.stash.get(POLICIES, Policies()), command_line(config))
    config.stash[SESSION] = session
    config.stash[OWNERS], config.stash[POSITIONS] = {}, {}
    config.pluginmanager.register(SessionPlugin(session), "precision-session")
