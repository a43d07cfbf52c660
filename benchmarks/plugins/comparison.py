"""Compares with a saved run (`--benchmark-compare`): warns of other conditions, and fails beyond `--metric-fail`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis.comparison.changes import changes
from analysis.comparison.comparability import differences
from analysis.comparison.gates import Gate, Outcome, judge, parse_gate
from analysis.runs.saved import Run, environment_of, from_pytest_benchmark, own_benchmarks, require_readable
from benchmarks.plugins.session import SESSION
from benchmarks.session import Session
from core.errors import InputError
from core.guards import sanitized
from core.metrics import CATALOGUE_KEY, Catalogue

THIS_RUN = "this run"


class ComparisonPlugin:
    """Keeps the saved runs that pytest-benchmark compares this session with."""

    def __init__(self, session: Session, gates: list[Gate]) -> None:
        self._session = session
        self._gates = gates
        self._saved: list[Run] = []
        self._unreadable: list[str] = []
        self._outcome = Outcome((), ())

    @pytest.hookimpl(tryfirst=True)  # pytest-benchmark's own comes after it
    def pytest_benchmark_compare_machine_info(
        self, machine_info: dict[str, Any], compared_benchmark: dict[str, Any]
    ) -> None:
        """Keep a saved run, and keep pytest-benchmark from a warning: of the CPU's clock, and of every timing in it."""
        name = f"the run of {sanitized(str(compared_benchmark.get('datetime')))}"
        try:
            own = own_benchmarks(Path(name), from_pytest_benchmark(compared_benchmark["benchmarks"]))
            run = Run(Path(name), own, environment_of(compared_benchmark))
            require_readable(run)
        except InputError as error:
            self._unreadable.append(f"{name} is not compared: {error}")
        else:
            self._saved.append(run)
        compared_benchmark["machine_info"] = machine_info

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Refuse, before anything is measured, the name of a saved run that pytest-benchmark has not found."""
        named = session.config.option.benchmark_compare
        if isinstance(named, str) and not self._saved and not self._unreadable:
            storage = session.config.option.benchmark_storage
            raise pytest.UsageError(
                f"--benchmark-compare found no saved run {named!r} in {storage}; expected the number or the beginning "
                "of the name of one. `pytest-benchmark list` shows them."
            )

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Compare the changes with the limits."""
        if not self._gates or session.config.option.collectonly:
            return
        this_run = Run(Path(THIS_RUN), tuple(self._session.benchmarks), self._session.environment)
        if self._saved:
            self._outcome = judge(changes(self._saved, [this_run]), self._gates)
        else:
            self._outcome = Outcome(
                ("--metric-fail found no saved run of this suite to compare with; expected one.",), ()
            )
        if self._outcome.failed:
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say which conditions differ, and which limits were exceeded."""
        if self._saved and self._session.extra_info:
            saved = [(str(run.path), item["extra_info"]) for run in self._saved for item in run.benchmarks]
            own = [(THIS_RUN, item["extra_info"]) for item in self._session.benchmarks]
            for line in differences([*own, *saved]):
                terminalreporter.write_line(f"warning: {line}", yellow=True)
        for line in self._unreadable:
            terminalreporter.write_line(f"warning: {line}", yellow=True)
        for line in self._outcome.undecided:
            terminalreporter.write_line(f"undecided: {line}", yellow=True)
        for line in self._outcome.failed:
            terminalreporter.write_line(f"failed: {line}", red=True)
        if self._gates:
            terminalreporter.write_line(self._outcome.closing_line)


def pytest_configure(config: pytest.Config) -> None:
    """Check the limits, and compare this session with the saved runs that pytest-benchmark loads."""
    catalogue = Catalogue.of({CATALOGUE_KEY: config.stash[SESSION].catalogue})
    try:
        gates = [parse_gate(expression).resolved(catalogue) for expression in config.option.metric_fail]
    except InputError as error:
        raise pytest.UsageError(f"--metric-fail: {error}") from error
    if gates and not config.option.benchmark_compare:
        raise pytest.UsageError("--metric-fail needs a saved run to compare with; add --benchmark-compare.")
    config.pluginmanager.register(ComparisonPlugin(config.stash[SESSION], gates), "precision-comparison")
