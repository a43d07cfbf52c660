"""Has the run saved whole, by one session at a time, or says why it was not."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from benchmarks.instruments.latency.rounds_file import FOLDER, write_rounds
from benchmarks.plugins.lines import write_wrapped
from benchmarks.plugins.session import SESSION
from benchmarks.session import Session
from core.files import exclusive_access
from fixtures.plugin import SETTINGS


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

    @pytest.hookimpl(wrapper=True)  # below the tables
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
    """Raise `pytest.UsageError` unless every output folder can be written: better now than after the measurement."""
    places = {"--results-dir": config.stash[SETTINGS].results_dir, **saving_places(config)}
    for option, folder in places.items():
        probe = folder / f".writable-{os.getpid()}"
        try:
            if option == "--benchmark-json" and config.option.benchmark_json.exists():
                require_writable_file(config.option.benchmark_json)
                continue
            folder.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise pytest.UsageError(
                f"The folder {folder} cannot be written ({error.strerror}); choose another with {option}."
            ) from error


def require_writable_file(path: Path) -> None:
    """Raise `pytest.UsageError` where what --benchmark-json names, and is there, cannot be written.

    It may be a device or a pipe, such as /dev/stdout, in whose folder no file can be made.
    """
    if path.is_dir() or not os.access(path, os.W_OK):
        kind = "is a folder" if path.is_dir() else "cannot be written"
        raise pytest.UsageError(f"--benchmark-json names {path}, which {kind}; expected a file that can be written.")


def pytest_configure(config: pytest.Config) -> None:
    """Check the folders now, and stand around the saving later."""
    require_writable(config)
    config.pluginmanager.register(SavingPlugin(config.stash[SESSION]), "precision-saving")
