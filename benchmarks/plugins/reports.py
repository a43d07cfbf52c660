"""Writes tables, pictures and page when the session ends, and shows the short table."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path

import pytest

from analysis.report.csv_tables import csv_name
from analysis.report.notices import real_data_hint
from analysis.report.summary import RunSummary, missing_figures
from analysis.report.terminal import table_lines
from analysis.report.writer import write_report
from benchmarks.plugins.lines import width_of, write_wrapped
from benchmarks.plugins.session import SESSION, WITHOUT_FIRST_VISIT
from benchmarks.session import Session
from core.guards import sanitized
from core.tasks import title
from fixtures.tasks import TASKS

#: Why pytest-benchmark's table, above, has another median and may have another winner.
OTHER_MEDIAN = (
    "median ms: mean of the visits' medians; pytest-benchmark's, above, is of all rounds together and follows the "
    "visits that were fast."
)


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

    @pytest.hookimpl(wrapper=True, trylast=True)  # behind pytest-benchmark's table, before what other plugins say
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
        """Show the short table, and once more whether it is real."""
        try:
            yield
        finally:  # pytest-benchmark raises here where a limit on the times was exceeded
            if self._session.extra_info or self._lines:
                self._show(terminalreporter)

    def _show(self, terminalreporter: pytest.TerminalReporter) -> None:
        models = self._summary.models if self._summary is not None else [one.model for one in self._tasks.values()]
        terminalreporter.section(title(models))
        if self._summary is not None:
            self._show_table(terminalreporter, self._summary)
        for line in self._lines:
            if line.startswith("error"):
                write_wrapped(terminalreporter, line, red=True)
            else:  # a path, to be selected in one piece
                terminalreporter.write_line(line)

    def _show_table(self, terminalreporter: pytest.TerminalReporter, summary: RunSummary) -> None:
        for notice in summary.notices:
            write_wrapped(terminalreporter, f"*** {notice}", red=True, bold=True)
        for line in [*map(real_data_hint, summary.stand_in_tasks), *(f"baseline: {one}" for one in summary.baselines)]:
            write_wrapped(terminalreporter, line)
        config = terminalreporter.config
        if config.pluginmanager.getplugin("pytest-benchmark").groups and not config.option.benchmark_quiet:
            write_wrapped(terminalreporter, OTHER_MEDIAN)
        for line in table_lines(summary.frame, summary.catalogue, summary.dominated, width_of(terminalreporter)):
            terminalreporter.write_line(line)
        for sentence in [*summary.advice, *summary.published, *summary.gains_and_costs, *summary.crossovers]:
            write_wrapped(terminalreporter, sentence)
        for warning in summary.warnings:
            write_wrapped(terminalreporter, f"warning: {warning}", yellow=True)
        for sentence in missing_figures(summary.frame):
            write_wrapped(terminalreporter, sentence)


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
