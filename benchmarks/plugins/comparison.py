"""Compares with a saved run (`--benchmark-compare`): warns of other conditions, and fails beyond `--metric-fail`."""

from __future__ import annotations

import argparse
from collections.abc import Generator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.utils import get_machine_id

from analysis.comparison.changes import changes
from analysis.comparison.comparability import differences
from analysis.comparison.gates import Gate, Outcome, judge, parse_gate
from analysis.runs.copies import without_copies
from analysis.runs.quick import is_quick
from analysis.runs.saved import Run, from_pytest_benchmark, is_of_procedure_1, of_document
from analysis.runs.selection import numbered, storage_folder
from analysis.runs.storage import NoRunError, Storage
from analysis.runs.time_order import as_number
from benchmarks.plugins.lines import write_wrapped
from benchmarks.plugins.session import SESSION
from benchmarks.session import Session
from core.case import is_own
from core.errors import InputError
from core.metrics import CATALOGUE_KEY, Catalogue
from core.safe_text import one_line

THIS_RUN = "this run"


class ComparisonPlugin:
    """Keeps the saved runs that pytest-benchmark compares this session with."""

    def __init__(self, session: Session, gates: list[Gate], notes: list[str]) -> None:
        self._session = session
        self._gates = gates
        self._saved: list[Run] = []
        #: What there is to say of the saved runs.
        self._notes = notes
        #: Why some of them cannot be read.
        self._unreadable: list[str] = []
        #: Whether those are other projects'.
        self._are_of_others = True
        self._outcome = Outcome((), ())

    @pytest.hookimpl(tryfirst=True)  # pytest-benchmark's own comes after it
    def pytest_benchmark_compare_machine_info(
        self, machine_info: dict[str, Any], compared_benchmark: dict[str, Any]
    ) -> None:
        """Keep a saved run, and keep pytest-benchmark from a warning: of the CPU's clock, and of every timing in it."""
        name = f"the run of {one_line(str(compared_benchmark.get('datetime')))}"
        listed = compared_benchmark["benchmarks"]
        try:
            shown = from_pytest_benchmark(listed)
            run = of_document(Path(name), {**compared_benchmark, "benchmarks": shown})
        except InputError as error:
            self._unreadable.append(f"{name} is not compared: {error}")
            self._are_of_others &= not any(is_own(item) or is_of_procedure_1(item) for item in listed)
        else:
            self._saved.append(run)
        compared_benchmark["machine_info"] = machine_info

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Count copies once; refuse, before measuring, to compare with what is not there or no run of this suite."""
        self._saved, copies = without_copies(self._saved)
        self._notes += copies
        if self._saved:
            return
        named, storage = (getattr(session.config.option, f"benchmark_{name}") for name in ("compare", "storage"))
        has_limits = bool(self._gates or session.config.option.benchmark_compare_fail)
        if self._unreadable and (has_limits or self._are_of_others):
            raise pytest.UsageError(
                f"{'; '.join(self._unreadable)} Choose another with --benchmark-compare=NUMBER; `pytest-benchmark "
                "list` shows them."
            )
        if isinstance(named, str) and not self._unreadable:
            raise pytest.UsageError(
                f"--benchmark-compare found no saved run {named!r} in {storage}; expected the number or the beginning "
                "of the name of one. `pytest-benchmark list` shows them."
            )
        if has_limits:
            raise pytest.UsageError(
                f"The limits need a saved run to compare with; found none in {storage}. `pytest benchmarks "
                "--benchmark-autosave` makes one."
            )

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Compare the changes with the limits."""
        if not self._gates or session.config.option.collectonly:
            return
        this_run = Run(Path(THIS_RUN), tuple(self._session.benchmarks), self._session.environment)
        self._outcome = judge(changes(self._saved, [this_run]), self._gates)
        if self._outcome.failed:
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(wrapper=True)  # below the tables
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
        """Say which conditions differ, and which limits were exceeded."""
        try:
            yield
        finally:
            self._show(terminalreporter)

    def _show(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._saved and self._session.extra_info:
            saved = [(str(run.path), item["extra_info"]) for run in self._saved for item in run.benchmarks]
            own = [(THIS_RUN, item["extra_info"]) for item in self._session.benchmarks]
            for line in differences([*own, *saved]):
                write_wrapped(terminalreporter, f"warning: {line}", yellow=True)
        for line in (*self._notes, *self._unreadable):
            write_wrapped(terminalreporter, f"warning: {line}", yellow=True)
        for line in self._outcome.undecided:
            write_wrapped(terminalreporter, f"undecided: {line}", yellow=True)
        for line in self._outcome.failed:
            write_wrapped(terminalreporter, f"failed: {line}", red=True)
        if self._gates:
            write_wrapped(terminalreporter, self._outcome.closing_line)


def choose_saved_run(option: argparse.Namespace) -> list[str]:
    """Have `--benchmark-compare` without a name compare with the run that was measured last, not the last by name.

    Return what there is to say of the runs. A number names one run: raises `InputError` where several of this kind of
    machine have it, and where all are dated ahead of this clock. A storage that is not on this machine
    is left to pytest-benchmark.
    """
    named, notes = option.benchmark_compare, list[str]()
    try:
        storage = Storage(storage_folder(str(option.benchmark_storage)), notes.append)
    except InputError:
        return []
    folders = [folder for folder in (storage.folder, storage.folder / get_machine_id()) if any(folder.glob("*.json"))]
    if named is True and folders:
        with suppress(NoRunError):  # what pytest-benchmark chooses then is said not to be compared
            names = [*map(str, folders)]
            whole = storage.last(1, names, usable=lambda run: None if is_quick(run) else run)
            option.benchmark_compare = str((whole or [storage.newest(names)])[0].path.resolve())
    elif isinstance(named, str) and (number := as_number(named)) is not None:
        for path in numbered(number, chain.from_iterable(folder.glob("*.json") for folder in folders)):
            option.benchmark_compare = str(path.resolve())
    return notes


def pytest_configure(config: pytest.Config) -> None:
    """Check the limits' metrics, and compare this session with the saved runs that pytest-benchmark loads."""
    catalogue = Catalogue.of({CATALOGUE_KEY: config.stash[SESSION].catalogue})
    try:
        gates = [parse_gate(expression).resolved(catalogue) for expression in config.option.metric_fail]
    except InputError as error:
        raise pytest.UsageError(f"--metric-fail: {error}") from error
    try:
        notes = choose_saved_run(config.option)
    except InputError as error:
        raise pytest.UsageError(f"--benchmark-compare: {error}") from error
    config.pluginmanager.register(ComparisonPlugin(config.stash[SESSION], gates, notes), "precision-comparison")
