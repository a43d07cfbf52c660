"""Writes each visit to disk at once: pytest-benchmark saves at the end, a killed run would lose all."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from pytest_benchmark.stats import Metadata, Stats
from pytest_benchmark.utils import safe_dumps

from analysis.report.missing_cases import MISSING_KEY
from analysis.runs.journal import JOURNAL_FOLDER, WITHDRAWN_KEY, append, begin, orphaned_journals, recovery_command
from analysis.runs.selection import storage_folder
from benchmarks.plugins.lines import write_wrapped
from benchmarks.plugins.session import OWNERS, SESSION, makes_visits, name_of
from benchmarks.plugins.termination import Terminated
from core.errors import InputError
from core.files import NoLocksError
from fixtures.plugin import SETTINGS

NOTHING = "Nothing had been measured."


class JournalPlugin:
    """Appends a document of pytest-benchmark's format for each visit, with the case in it as it stands then.

    The file is locked until the session has ended, by which others know that it has not.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        results_dir = config.stash[SETTINGS].results_dir
        self._path: Path = results_dir / JOURNAL_FOLDER / f"{time.strftime('%Y%m%d_%H%M%S')}-{os.getpid()}.jsonl"
        self._lock: BinaryIO | None = None
        self._is_terminated = False
        self._environment: dict[str, Any] = {}
        self._names: dict[str, str | None] = {}
        self._lines: list[str] = []

    @property
    def _command(self) -> str:
        """The command that makes a saved run of the journal, where this session would have saved it."""
        try:
            storage = storage_folder(str(self._config.option.benchmark_storage))
        except InputError:  # it is not on this machine
            storage = None
        return recovery_command(self._config.stash[SETTINGS].results_dir, storage)

    @property
    def _kept(self) -> str:
        return f"What was measured is kept in {self._path}; `{self._command}` makes a saved run of it."

    @property
    def _is_to_be_saved(self) -> bool:
        options = self._config.option
        return bool(options.benchmark_autosave or options.benchmark_save or options.benchmark_json)

    def pytest_report_collectionfinish(self) -> list[str]:
        """Name the journals that sessions have left which were killed."""
        left = orphaned_journals(self._config.stash[SETTINGS].results_dir)
        return [f"note: a session that was killed has left {path}; `{self._command}` saves it" for path in left]

    def pytest_sessionstart(self) -> None:
        """Read the environment and make the folder now: later the first benchmark's line would take 10 ms longer."""
        self._environment = self._config.stash[SESSION].environment
        with suppress(OSError):  # reported where a line cannot be written
            self._path.parent.mkdir(parents=True, exist_ok=True)

    @pytest.hookimpl(tryfirst=True)  # before the terminal says that a visit has passed
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Append a case as it stands after each of its visits, and after what follows them; or withdraw it."""
        name = self._names.get(report.nodeid)
        owner = self._config.stash[OWNERS].get(name or "")
        if report.when == "call" and not report.skipped and owner is not None:
            self._append(owner)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which tests measure which cases."""
        self._names = {item.nodeid: name_of(item) for item in session.items}

    def _append(self, owner: BenchmarkFixture) -> None:
        benchmark = as_it_stands(owner)
        document = self._config.hook.pytest_benchmark_generate_json(
            config=self._config,
            benchmarks=[benchmark],
            include_data=True,
            machine_info=self._environment | {MISSING_KEY: self._config.stash[SESSION].missing},
            commit_info={"id": self._environment["git_commit"]},
        )
        if owner.has_error:  # pytest-benchmark leaves it out
            document[WITHDRAWN_KEY] = benchmark.fullname
        try:
            self._write(safe_dumps(document))
        except OSError as error:
            self._lines = [f"warning: {self._path} cannot be written ({error.strerror}): a killed run would lose all."]

    def _write(self, line: str) -> None:
        """Append a line to the journal, which is locked from its first one on. Raises `OSError`."""
        if not self._path.exists():
            try:
                self._lock = begin(self._path, line)
            except NoLocksError as error:
                self._lines = [
                    f"warning: {self._path} cannot be locked ({error.strerror}): `python -m analysis recover` cannot "
                    "tell when this session has ended, and takes the journal where it is named alone."
                ]
            else:
                return
        append(self._path, line)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Say at once, before the run is saved, where it is if that does not come to an end."""
        self._is_terminated = isinstance(excinfo.value, Terminated)
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        if not self._is_terminated or terminal is None:
            return
        saves = ", which saves its run. Until then: " if self._is_to_be_saved else ". "
        kept = f"{saves}{self._kept}" if self._path.exists() else f". {NOTHING}"
        terminal.write_line(f"\nSIGTERM ends the session{kept}", yellow=True)

    @pytest.hookimpl(wrapper=True)  # around pytest-benchmark's own, which saves the run
    def pytest_sessionfinish(self) -> Generator[None, None, None]:
        """Remove the journal when the run has been saved, or was not to be; keep it when that failed or was ended."""
        try:
            yield
        except OSError:
            if self._path.exists():
                self._lines.append(self._kept)
            raise
        if self._is_terminated and not self._is_to_be_saved and self._path.exists():
            self._lines.append(self._kept)
            return
        self._path.unlink(missing_ok=True)

    def pytest_unconfigure(self) -> None:
        """Unlock the journal."""
        if self._lock is not None:
            self._lock.close()

    @pytest.hookimpl(wrapper=True)  # below the tables
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
        """Say what happened to the journal, where that matters."""
        try:
            yield
        finally:
            self._show(terminalreporter)

    def _show(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self._lines:
            write_wrapped(terminalreporter, line, yellow=True)


def as_it_stands(owner: BenchmarkFixture) -> Metadata:
    """Return a benchmark with the rounds that it has by now; its own figures must not be computed before the last."""
    benchmark = copy.copy(owner.stats)
    benchmark.stats = Stats()
    benchmark.stats.data = list(owner.stats.stats.data)
    return benchmark


def pytest_configure(config: pytest.Config) -> None:
    """Keep a journal of this session, unless its benchmarks measure nothing."""
    if makes_visits(config):
        config.pluginmanager.register(JournalPlugin(config), "precision-journal")
