"""Writes tables, pictures and page when the session ends, and shows the short table."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path

import pytest

from analysis.report.notices import real_data_hint
from analysis.report.summary import RunSummary, missing_figures
from analysis.report.text_tables import plain_table, terminal_table
from analysis.report.writer import csv_name, write_report
from benchmarks.plugins.session import SESSION, WITHOUT_FIRST_VISIT
from benchmarks.session import Session
from core.guards import sanitized
from core.tasks import title
from fixtures.tasks import TASKS


class ReportPlugin:
    """Writes tables, pictures and page of the session, and shows the short table."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lines: list[str] = []
        self._summary: RunSummary | None = None
        self._tasks = {task: TASKS[task].words for task in session.settings.tasks}

    @pytest.hookimpl(wrapper=True)  # around pytest-benchmark's own, which saves the run
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Write everything when the run has been saved, or could not be; what cannot be written fails the session."""
        folder = self._session.settings.results_dir
        try:
            yield
        finally:  # a limit on the times that was exceeded is raised here too
            try:
                self._write_tables(folder)
                if self._session.missing and not self._session.extra_info:
                    session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
            except OSError as error:
                self._lines.append(f"error: {folder} cannot be written ({error.strerror}); the tables were not saved.")
                session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
            except KeyboardInterrupt:
                self._lines.append(
                    f"error: interrupted while tables and pictures were written: none of {folder} are of this run; "
                    "`python -m analysis report` writes them where the run was saved."
                )
                session.exitstatus = pytest.ExitCode.INTERRUPTED

    def _write_tables(self, folder: Path) -> None:
        session = self._session
        if session.extra_info:
            self._summary = RunSummary(sanitized(session.benchmarks), session.environment, session.missing)
            self._lines += [f"wrote {path}" for path in write_report(folder, self._summary)]
        elif session.missing:
            earlier = any((folder / csv_name(words)).exists() for words in self._tasks.values())
            tables = f": the tables in {folder} are those of an earlier run" if earlier else ""
            self._lines.append(f"error: no benchmark was measured{tables}.{hint(session.missing)}")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the short table, and once more whether it is real."""
        if not self._session.extra_info and not self._lines:
            return
        terminalreporter.section(title(self._tasks))
        if self._summary is not None:
            self._show_table(terminalreporter, self._summary)
        for line in self._lines:
            terminalreporter.write_line(line, red=line.startswith("error"))

    def _show_table(self, terminalreporter: pytest.TerminalReporter, summary: RunSummary) -> None:
        if summary.stand_in:
            terminalreporter.write_line(f"*** {summary.stand_in_notice}", red=True, bold=True)
            for task in summary.stand_in_tasks:
                terminalreporter.write_line(real_data_hint(task))
        for notice in summary.quality_notices:
            terminalreporter.write_line(f"*** {notice}", red=True, bold=True)
        for baseline in summary.baselines:
            terminalreporter.write_line(f"baseline: {baseline}")
        short = terminal_table(summary.frame, summary.catalogue, summary.dominated)
        terminalreporter.write_line(plain_table(short))
        for sentence in [*summary.advice, *summary.published, *summary.gains_and_costs, *summary.crossovers]:
            terminalreporter.write_line(sentence)
        for warning in summary.warnings:
            terminalreporter.write_line(f"warning: {warning}", yellow=True)
        for sentence in missing_figures(summary.frame):
            terminalreporter.write_line(sentence)


def hint(missing: Mapping[str, str]) -> str:
    """Return how a case is measured of which later visits alone were selected, or nothing."""
    name = next((name for name, outcome in missing.items() if outcome == WITHOUT_FIRST_VISIT), None)
    if name is None:
        return ""
    return (
        f" Of {name} the first visit was not selected, which the others are added to; select whole cases, such as with "
        f"-k {name}, and leave --lf out."
    )


def pytest_configure(config: pytest.Config) -> None:
    """Report on this session."""
    config.pluginmanager.register(ReportPlugin(config.stash[SESSION]), "precision-reports")
