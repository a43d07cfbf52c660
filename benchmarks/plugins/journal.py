"""Writes each visit to disk at once: pytest-benchmark saves at the end, a killed run would lose all."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from pytest_benchmark.stats import Metadata, Stats
from pytest_benchmark.utils import safe_dumps

from analysis.report.missing_cases import MISSING_KEY
from analysis.runs.journal import JOURNAL_FOLDER, WITHDRAWN_KEY, append
from benchmarks.plugins.lines import write_wrapped
from benchmarks.plugins.session import OWNERS, SESSION, makes_visits, name_of
from fixtures.plugin import SETTINGS

KEPT = "What was measured is kept in {path}; `python -m analysis recover` makes a saved run of it."


class JournalPlugin:
    """Appends a document of pytest-benchmark's format for each visit, with the case in it as it stands then."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._path: Path = (
            config.stash[SETTINGS].results_dir
            / JOURNAL_FOLDER
            / f"{time.strftime('%Y%m%d_%H%M%S')}-{os.getpid()}.jsonl"
        )
        self._environment: dict[str, Any] = {}
        self._names: dict[str, str | None] = {}
        self._lines: list[str] = []

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
            append(self._path, safe_dumps(document))
        except OSError as error:
            self._lines = [f"warning: {self._path} cannot be written ({error.strerror}): a killed run would lose all."]

    @pytest.hookimpl(wrapper=True)  # around pytest-benchmark's own, which saves the run
    def pytest_sessionfinish(self) -> Generator[None, None, None]:
        """Remove the journal when the run has been saved; keep it when that failed."""
        try:
            yield
        except OSError:
            if self._path.exists():
                self._lines.append(KEPT.format(path=self._path))
            raise
        self._path.unlink(missing_ok=True)

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
