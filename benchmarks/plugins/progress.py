"""Says what is being measured: on a terminal one line that changes, in a log one line for each visit."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from rich.live import Live
from rich.text import Text

from benchmarks.instruments.energy.records import VisitEnergy
from benchmarks.plugins.session import AFTER_VISITS, COMPILATION, SESSION, function_of, name_of, visit_of
from benchmarks.session import Session
from benchmarks.visit import Visit


class ProgressPlugin:
    """Follows a session's visits. It writes between the phases of a visit, never while rounds run."""

    def __init__(self, config: pytest.Config, session: Session) -> None:
        self._config, self._session = config, session
        self._items: dict[str, pytest.Item] = {}
        self._begun_s: float | None = None
        self._visits = self._visited = 0
        self._is_closing = False
        self._live: Live | None = None
        session.on_phase = self._on_phase

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count the visits."""
        self._items = {item.nodeid: item for item in session.items if name_of(item) is not None}
        self._visits = sum(visit_of(item) is not None for item in self._items.values())

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Have pytest print no dot for what has a line of its own."""
        is_own = report.nodeid in self._items
        return ("passed", "", "") if is_own and report.when == "call" and report.passed else None

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Begin to count the time with the first visit, and say in a log what comes after the last."""
        item = self._items.get(nodeid)
        if item is None:
            return
        if self._begun_s is None and visit_of(item) is not None:
            self._begun_s = time.perf_counter()
        if function_of(item) == AFTER_VISITS and not self._is_closing:
            self._is_closing = True
            if self._terminal is not None and not self._terminal.isatty:
                self._terminal.ensure_newline()
                self._terminal.write_line("the visits are over; quality, numerics and limits of every case follow")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the line of a visit that was made, in a log."""
        item = self._items.get(report.nodeid)
        if item is None or report.when != "call" or self._terminal is None:
            return
        number = visit_of(item)
        self._visited += number is not None
        if not self._terminal.isatty and report.passed:
            name = str(name_of(item))
            if number is not None:
                self._terminal.ensure_newline()
                self._terminal.write_line(f"visit {self._visited} of {self._visits}: {self._figures(name)}{self._left}")
            elif function_of(item) in (AFTER_VISITS, COMPILATION):
                done = {AFTER_VISITS: "after the visits: ", COMPILATION: "compiled: "}[function_of(item)]
                self._terminal.ensure_newline()
                self._terminal.write_line(f"{done}{name}, {report.duration:.1f} s")

    def pytest_sessionfinish(self) -> None:
        """Clear the line."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _on_phase(self, name: str, number: int, phase: str) -> None:
        """Change the line on a terminal."""
        if self._terminal is None or not self._terminal.isatty:
            return
        planned = self._session.planned_visits.get(name, 1)
        where = f"visit {number} of {planned}" if number else "after the visits"
        text = f"{name}, {where}: {phase.replace('_', '-')} ({self._visited} of {self._visits} visits made{self._left})"
        with self._uncaptured():
            if self._live is None:
                self._live = Live(auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False)
                self._live.start()
            self._live.update(Text(text, overflow="ellipsis", no_wrap=True), refresh=True)

    def _figures(self, name: str) -> str:
        """Return what the last visit of a case found."""
        measured = self._session.measured.get(name)
        last = measured.visits[-1] if measured is not None and measured.visits else None
        if not isinstance(last, Visit):
            return name
        energy = last.of(VisitEnergy).energy_mj.value
        return f"{name} v{last.number} {last.latency.median_ms:.3f} ms" + (
            "" if energy is None else f", {energy:.1f} mJ"
        )

    @property
    def _left(self) -> str:
        """How long the other visits will take if they take as long as those that were made."""
        remaining = self._visits - self._visited
        if not self._visited or not remaining or self._begun_s is None:
            return ""
        each_s = (time.perf_counter() - self._begun_s) / self._visited
        return f", about {each_s * remaining:.0f} s of visits left"

    @property
    def _terminal(self) -> Any:  # noqa: ANN401 - pytest does not export its type's attributes
        """The reporter of pytest, or None in a worker of pytest-xdist."""
        return self._config.pluginmanager.getplugin("terminalreporter")

    def _uncaptured(self) -> AbstractContextManager[None]:
        capture = self._config.pluginmanager.getplugin("capturemanager")
        uncaptured: AbstractContextManager[None] = capture.global_and_fixture_disabled() if capture else nullcontext()
        return uncaptured


def pytest_configure(config: pytest.Config) -> None:
    """Show the progress, unless pytest is asked for more lines, or fewer."""
    if config.option.verbose == 0 and not config.option.benchmark_disable:
        config.pluginmanager.register(ProgressPlugin(config, config.stash[SESSION]), "precision-progress")
