"""Says at the start and at the end what was run and whether it is real, and has the tables written."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.forward_run import ForwardRun
from benchmarks.measure.machine import environment
from data_prep.errors import InputError
from fixtures.checkpoint import find_checkpoint
from fixtures.dataset import dataset_folder
from fixtures.dataset_folder import DatasetFolder, IntegrityError
from fixtures.settings import SETTINGS
from results.diagnosis import explanations, warnings
from results.report import STAND_IN_NOTICE, compact, write_report
from results.table import table

HOW_TO_GET_THE_REAL_THING = (
    "For the real thing: on a machine that reaches the hub run `python -m data_prep --stand-in never`, or use "
    "`python -m data_prep --text-file wiki.test.raw --tokenizer FOLDER` and `pytest benchmarks --model FOLDER`."
)


class ReportPlugin:
    """Collects finished benchmarks, and reports on them when the session ends."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._settings = config.stash[SETTINGS]
        self._benchmarks: list[dict[str, Any]] = []
        self._skipped: dict[str, str] = {}
        self._lines: list[str] = []

    def pytest_report_collectionfinish(self, items: list[pytest.Item]) -> list[str]:
        """Say on which data and weights the tests will run, before the first of them does."""
        needs_data = any("data" in getattr(item, "fixturenames", ()) for item in items)
        if self._config.option.collectonly or not needs_data:
            return []  # nothing will run, so nothing has to be prepared or downloaded
        try:
            folder = dataset_folder(self._settings)
            metadata = DatasetFolder(folder).metadata()
            lines = [f"dataset: {metadata['dataset_name']} in {folder}"]
            stand_in = bool(metadata.get("stand_in", False))
            if any("checkpoint" in getattr(item, "fixturenames", ()) for item in items):
                checkpoint = find_checkpoint(self._settings.model, self._settings.stand_in)
                lines.append(f"model: {checkpoint.name} on {self._settings.device}")
                stand_in = stand_in or checkpoint.stand_in
        except InputError as error:
            pytest.exit(str(error), returncode=pytest.ExitCode.TESTS_FAILED)
        except IntegrityError:
            return []  # an integrity test says it, where it belongs
        return [*lines, *(["*** " + STAND_IN_NOTICE, HOW_TO_GET_THE_REAL_THING] if stand_in else [])]

    @pytest.hookimpl(trylast=True)  # when every other plugin has written its part
    def pytest_forward_timed(self, run: ForwardRun) -> None:
        """Take a finished benchmark."""
        self._benchmarks.append({"name": run.name, "extra_info": run.extra_info})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note why a benchmark did not run."""
        name, bracket, parameters = report.nodeid.rpartition("::")[2].partition("[")
        if report.skipped and name == "test_forward" and bracket and isinstance(report.longrepr, tuple):
            self._skipped[parameters.rstrip("]")] = report.longrepr[2].removeprefix("Skipped: ")

    def pytest_sessionfinish(self) -> None:
        """Write the tables."""
        if not self._benchmarks:
            return
        folder = self._settings.results_dir
        try:
            paths = write_report(folder, self._benchmarks, environment(self._settings.device), self._skipped)
        except OSError as error:
            self._lines.append(f"error: {folder} cannot be written ({error.strerror}); the tables were not saved.")
            return
        self._lines.extend(f"wrote {path}" for path in paths)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the compact table, and once more whether it is real."""
        if not self._benchmarks:
            return
        terminalreporter.section("GPT-2 precision benchmark")
        frame = table(self._benchmarks)
        if frame["stand_in"].any():
            terminalreporter.write_line("*** " + STAND_IN_NOTICE, red=True, bold=True)
            terminalreporter.write_line(HOW_TO_GET_THE_REAL_THING)
        terminalreporter.write_line(compact(frame).to_markdown(index=False, disable_numparse=True, tablefmt="simple"))
        for explanation in explanations(frame):
            terminalreporter.write_line(explanation)
        for warning in warnings(self._benchmarks):
            terminalreporter.write_line(f"warning: {warning}", yellow=True)
        for line in self._lines:
            terminalreporter.write_line(line)


def require_writable(config: pytest.Config) -> None:
    """Raise `pytest.UsageError` unless the results folder can be written: better now than after the measurement."""
    folder = config.stash[SETTINGS].results_dir
    probe = folder / f".writable-{id(config)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise pytest.UsageError(
            f"The results folder {folder} cannot be written ({error.strerror}); choose another with --results-dir."
        ) from error


@pytest.hookimpl(trylast=True)  # after the settings have been checked
def pytest_configure(config: pytest.Config) -> None:
    """Report on this session."""
    require_writable(config)
    config.pluginmanager.register(ReportPlugin(config), "forward-reports")
