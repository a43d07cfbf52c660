"""Says what is being measured and how long it still takes: on a terminal one line that changes, in a log a line a step.

Nothing is written while rounds run. What is not timed says every ten seconds that it goes on.
"""

from __future__ import annotations

import contextlib
import os
from typing import IO, Any

import pytest
from rich.console import Console
from rich.live import Live
from rich.text import Text

from benchmarks.instruments.energy.records import VisitEnergy
from benchmarks.plugins.heartbeat import Heartbeat
from benchmarks.plugins.session import (
    AFTER_VISITS,
    COMPILATION,
    SESSION,
    function_of,
    makes_visits,
    name_of,
    visit_of,
)
from benchmarks.session import Session
from benchmarks.time_left import CLOSING, VISIT, TimeLeft
from benchmarks.time_left import COMPILATION as COMPILING
from benchmarks.visit import Visit

#: Phases that are long and in which no round is timed; the profiler, which one of them uses, sees the device alone.
UNTIMED = ("tuning", "compilation", "quality", "numerics")
#: Those that come before the first visit.
BEFORE_VISITS = ("tuning", "compilation")


class ProgressPlugin:
    """Follows a session's tests."""

    def __init__(self, config: pytest.Config, session: Session) -> None:
        self._config, self._session = config, session
        self._stream: IO[str] | None = None
        self._items: dict[str, pytest.Item] = {}
        self._left = TimeLeft([])
        self._visits = 0
        #: The tests that have made a visit, each once: what reruns tests reports one several times.
        self._visited: set[str] = set()
        self._is_closing = self._is_line_open = False
        self._live: Live | None = None
        self._now = ""
        self._heartbeat = Heartbeat(self._still)
        session.on_phase = self._on_phase

    def pytest_sessionstart(self) -> None:
        """Take hold of where pytest writes, before tests are captured."""
        self._stream = past_capture(self._terminal)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count what is to be done."""
        self._items = {item.nodeid: item for item in session.items if name_of(item) is not None}
        self._visits = sum(visit_of(item) is not None for item in self._items.values())
        self._left = TimeLeft([(kind_of(item), str(name_of(item))) for item in self._items.values()])

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Have pytest print no dot for what has a line of its own."""
        is_own = report.nodeid in self._items
        return ("passed", "", "") if is_own and report.when == "call" and report.passed else None

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Say in a log what comes after the last visit."""
        item = self._items.get(nodeid)
        if item is not None and function_of(item) == AFTER_VISITS and not self._is_closing:
            self._is_closing = True
            self._write(f"the visits are over; quality, numerics and limits of every case follow{self._about()}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the line of a step that was made, in a log."""
        item = self._items.get(report.nodeid)
        if item is None or report.when != "call":
            return
        self._heartbeat.stop()
        number, name = visit_of(item), str(name_of(item))
        if number is not None:
            self._visited.add(report.nodeid)
        self._left.over(kind_of(item), name, report.duration)
        if number is not None:
            self._left.expect(self._session.measured.values())
        if not report.passed:
            return
        if number is not None:
            self._write(f"visit {len(self._visited)} of {self._visits}: {self._figures(name)}{self._about()}")
        else:
            done = {AFTER_VISITS: "after the visits", COMPILATION: "compilation"}[function_of(item)]
            self._write(f"{done}: {name}, {report.duration:.1f} s{self._about()}")

    def pytest_sessionfinish(self) -> None:
        """Clear the line."""
        self._heartbeat.stop()
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _on_phase(self, name: str, number: int, phase: str) -> None:
        """Change the line on a terminal, and have the phase say that it goes on where it may be long.

        What stands behind a comma says more of the phase.
        """
        self._heartbeat.stop()
        planned = self._session.planned_visits.get(name, 1)
        where = f"visit {number} of {planned}" if number else "after the visits"
        kind = phase.partition(",")[0]
        if kind in BEFORE_VISITS:
            where = "before the visits"
        self._now = f"{name}, {where}: {phase.replace('_', '-')}"
        if self._is_terminal:
            self._show(f"{self._now} ({len(self._visited)} of {self._visits} visits made{self._about()})")
        if kind in UNTIMED and self._stream is not None:
            self._heartbeat.start()

    def _still(self, seconds: float) -> None:
        """Say that a phase goes on."""
        text = f"{self._now}, {seconds:.0f} s so far{self._about(seconds)}"
        if self._is_terminal:
            self._show(text)
        elif self._stream is not None:
            with contextlib.suppress(OSError, ValueError):  # whoever reads may be gone
                # Past pytest, which captures what is written during a test.
                self._stream.write(f"\n{text}")
                self._stream.flush()
            self._is_line_open = True

    def _show(self, text: str) -> None:
        """Change the line on a terminal, past pytest, which captures what is written during a test."""
        if self._stream is None:
            return
        if self._live is None:
            console = Console(file=self._stream, force_terminal=True)
            self._live = Live(
                console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
            )
            self._live.start()
        self._live.update(Text(text, overflow="ellipsis", no_wrap=True), refresh=True)

    def _write(self, line: str) -> None:
        """Write a line in a log."""
        if self._terminal is None or self._is_terminal:
            return
        writer = self._terminal._tw  # not by `write_line`, behind which pytest names the test's file once more
        if writer.width_of_current_line or self._is_line_open:
            writer.line()
        self._is_line_open = False
        writer.line(line)
        writer.flush()

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

    def _about(self, spent_s: float = 0.0) -> str:
        """Return how long the rest of the session takes, of whose next test some seconds have been spent."""
        seconds = self._left.seconds
        return "" if seconds is None else f", about {max(0.0, seconds - spent_s):.0f} s left"

    @property
    def _terminal(self) -> Any:  # noqa: ANN401 - pytest does not export its type's attributes
        """The reporter of pytest, or None in a worker of pytest-xdist."""
        return self._config.pluginmanager.getplugin("terminalreporter")

    @property
    def _is_terminal(self) -> bool:
        return self._terminal is not None and bool(self._terminal.isatty)


def kind_of(item: pytest.Item) -> str:
    """Return what a test that measures does."""
    return {AFTER_VISITS: CLOSING, COMPILATION: COMPILING}.get(function_of(item), VISIT)


def past_capture(terminal: Any) -> IO[str] | None:  # noqa: ANN401 - pytest does not export its type's attributes
    """Return a stream to where pytest writes that its capturing of tests leaves alone; None where there is none."""
    try:
        return os.fdopen(os.dup(terminal._tw._file.fileno()), "w", encoding="utf-8", errors="replace")
    except (AttributeError, OSError, ValueError):  # a worker of pytest-xdist, or a test's own stream without a file
        return None


def pytest_configure(config: pytest.Config) -> None:
    """Show the progress, unless pytest is asked for more lines, or fewer."""
    if config.option.verbose == 0 and makes_visits(config):
        config.pluginmanager.register(ProgressPlugin(config, config.stash[SESSION]), "precision-progress")
