"""Has the tables written when the session ends, and shows the short one."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from analysis.report.notices import REAL_DATA_HINT, STAND_IN_NOTICE, TITLE
from analysis.report.summary import RunSummary, missing_figures
from analysis.report.text_tables import terminal_table
from analysis.report.writer import CSV_NAME, write_report
from analysis.storage.files import exclusive_access
from benchmarks.instruments.machine.environment import environment
from benchmarks.run import ForwardRun
from fixtures.settings import SETTINGS


class ReportPlugin:
    """Collects finished benchmarks, why the others are missing, and reports when the session ends."""

    def __init__(self, config: pytest.Config) -> None:
        self._settings = config.stash[SETTINGS]
        self._benchmarks: list[dict[str, Any]] = []
        #: Every benchmark that was to run, and what became of it where it was not measured.
        self._fates: dict[str, str] = {}
        self._lines: list[str] = []
        self._findings: RunSummary | None = None

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what is to run; where tests are collected alone, nothing is."""
        if session.config.option.collectonly:
            return
        forwards = [item for item in session.items if isinstance(item, pytest.Function)]
        names = [item.callspec.id for item in forwards if item.originalname == "test_forward"]
        self._fates = dict.fromkeys(names, "was not run: the session ended before it")

    @pytest.hookimpl(trylast=True)  # when every other plugin has written its part
    def pytest_forward_timed(self, run: ForwardRun) -> None:
        """Take a finished benchmark."""
        self._benchmarks.append({"name": run.name, "extra_info": run.extra_info})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note why a benchmark was not measured."""
        name, _, parameters = report.nodeid.rpartition("::")[2].partition("[")
        benchmark = parameters.rstrip("]")
        if name != "test_forward" or benchmark not in self._fates:
            return
        if report.skipped and isinstance(report.longrepr, tuple):
            self._fates[benchmark] = f"was not run: {report.longrepr[2].removeprefix('Skipped: ')}"
        elif report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            message = crash.message if crash else report.longreprtext
            self._fates[benchmark] = f"failed: {message.splitlines()[0].removeprefix('Failed: ')}"

    @pytest.hookimpl(wrapper=True)  # around pytest-benchmark's own, which saves the run
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Have the run saved, then write tables and pictures; what cannot be written is said and fails the session."""
        folder = self._settings.results_dir
        try:
            with exclusive_access(saving_places(session.config).get("--benchmark-storage")) as obstacle:
                if obstacle is not None:
                    self._lines.append(f"warning: {obstacle}; a run saved there at this moment may overwrite this one.")
                yield
        except OSError as error:  # one that a full disk causes names no file
            place = error.filename or " or ".join(map(str, saving_places(session.config).values()))
            self._fail(session, f"{place} cannot be written ({error.strerror}); the run was not saved")
        finally:  # a limit on the times that was passed is raised here too
            try:
                self._write_tables(folder)
            except OSError as error:
                self._fail(session, f"{folder} cannot be written ({error.strerror}); the tables were not saved")

    def _write_tables(self, folder: Path) -> None:
        measured = {benchmark["name"] for benchmark in self._benchmarks}
        missing = {name: fate for name, fate in self._fates.items() if name not in measured}
        if self._benchmarks:
            self._findings = RunSummary(self._benchmarks, environment(self._settings.device), missing)
            self._lines += [f"wrote {path}" for path in write_report(folder, self._findings)]
        elif missing and (folder / CSV_NAME).exists():
            self._lines.append(f"No benchmark was measured: the tables in {folder} are those of an earlier run.")

    def _fail(self, session: pytest.Session, sentence: str) -> None:
        self._lines.append(f"error: {sentence}.")
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the short table, and once more whether it is real."""
        if not self._benchmarks and not self._lines:
            return
        terminalreporter.section(TITLE)
        if self._findings is not None:
            self._show_table(terminalreporter, self._findings)
        for line in self._lines:
            terminalreporter.write_line(line, red=line.startswith("error"))

    def _show_table(self, terminalreporter: pytest.TerminalReporter, findings: RunSummary) -> None:
        if findings.stand_in:
            terminalreporter.write_line("*** " + STAND_IN_NOTICE, red=True, bold=True)
            terminalreporter.write_line(REAL_DATA_HINT)
        short = terminal_table(findings.frame, findings.dominated)
        terminalreporter.write_line(short.to_markdown(index=False, disable_numparse=True, tablefmt="simple"))
        for sentence in findings.advice:
            terminalreporter.write_line(sentence)
        for warning in findings.warnings:
            terminalreporter.write_line(f"warning: {warning}", yellow=True)
        for sentence in missing_figures(findings.frame):
            terminalreporter.write_line(sentence)


def saving_places(config: pytest.Config) -> dict[str, Path]:
    """Return the folders on this machine that pytest-benchmark will save the run to, by the option that names each."""
    options, places = config.option, {}
    storage = str(options.benchmark_storage).removeprefix("file://")
    if (options.benchmark_autosave or options.benchmark_save) and "://" not in storage:
        places["--benchmark-storage"] = Path(storage)
    if options.benchmark_json:
        places["--benchmark-json"] = Path(options.benchmark_json).parent
    return places


def require_writable(config: pytest.Config) -> None:
    """Raise `pytest.UsageError` unless what will be written can be: better now than after the measurement."""
    places = {"--results-dir": config.stash[SETTINGS].results_dir, **saving_places(config)}
    for option, folder in places.items():
        probe = folder / f".writable-{os.getpid()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise pytest.UsageError(
                f"The folder {folder} cannot be written ({error.strerror}); choose another with {option}."
            ) from error


def pytest_configure(config: pytest.Config) -> None:
    """Report on this session."""
    require_writable(config)
    config.pluginmanager.register(ReportPlugin(config), "forward-reports")
