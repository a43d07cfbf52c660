"""Has the run saved whole, by one session at a time, or says why it was not."""

from __future__ import annotations

import os
import time
from collections.abc import Generator

import pytest

from benchmarks.instruments.latency.rounds_file import FOLDER, write_rounds
from benchmarks.plugins.lines import write_wrapped
from benchmarks.plugins.options import saving_places
from benchmarks.plugins.session import SESSION
from benchmarks.session import Session
from core.files import exclusive_access


class SavingPlugin:
    """Stands around pytest-benchmark's own end of the session, which saves the run."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock_timeout_s = session.policies.lock_timeout_s
        self._lines: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Lock the folder while the run is saved; a run that could not be saved fails the session."""
        self._save_rounds()
        forget_failures(session.config)
        try:
            folder, timeout_s = saving_places(session.config).get("--benchmark-storage"), self._lock_timeout_s
            with exclusive_access(folder, timeout_s) as obstacle:
                if obstacle is not None:
                    self._lines.append(f"warning: {obstacle}; a run saved there at this moment may overwrite this one.")
                yield
        except OSError as error:  # one that a full disk causes names no file
            place = error.filename or " or ".join(map(str, saving_places(session.config).values()))
            self._lines.append(f"error: {place} cannot be written ({error.strerror}); the run was not saved.")
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED

    def _save_rounds(self) -> None:
        """Write all rounds before the run that names their file."""
        session = self._session
        measured = [case for name, case in session.measured.items() if name in session.extra_info]
        if not measured:
            return
        name = f"{time.strftime('%Y%m%d_%H%M%S')}-{os.getpid()}.npz"
        path = session.settings.results_dir / FOLDER / name
        try:
            write_rounds(path, measured)
            session.rounds_file = path
        except OSError as error:
            self._lines.append(f"error: {path} cannot be written ({error.strerror}); the single rounds were not saved.")

    @pytest.hookimpl(wrapper=True, trylast=True)  # below the tables, before what became of the journal
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
        """Say what went wrong while the run was saved."""
        try:
            yield
        finally:
            self._show(terminalreporter)

    def _show(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self._lines:
            write_wrapped(terminalreporter, line, red=line.startswith("error"))


def forget_failures(config: pytest.Config) -> None:
    """Have pytest-benchmark save no run without a benchmark, as it does where every one has failed."""
    timed = config.pluginmanager.getplugin("pytest-benchmark").benchmarks
    if all(benchmark.has_error for benchmark in timed):
        timed.clear()


def pytest_configure(config: pytest.Config) -> None:
    """Stand around the saving."""
    config.pluginmanager.register(SavingPlugin(config.stash[SESSION]), "precision-saving")
