"""Writes each finished benchmark to disk at once: pytest-benchmark saves at the end, a killed run would lose all."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.utils import safe_dumps

from analysis.storage.journal import JOURNAL_FOLDER, append
from analysis.validity import TIMED_AGAIN_KEY
from benchmarks.plugins.session import SESSION
from fixtures.plugin import SETTINGS

KEPT = "What was measured is kept in {path}; `python -m analysis recover` makes a saved run of it."


class JournalPlugin:
    """Appends a document of pytest-benchmark's format, with one benchmark in it, for each that has finished."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._path: Path = (
            config.stash[SETTINGS].results_dir
            / JOURNAL_FOLDER
            / f"{time.strftime('%Y%m%d_%H%M%S')}-{os.getpid()}.jsonl"
        )
        self._environment: dict[str, Any] = {}
        self._lines: list[str] = []

    def pytest_sessionstart(self) -> None:
        """Read the environment and make the folder now: later the first benchmark's line would take 10 ms longer."""
        self._environment = self._config.stash[SESSION].environment
        with suppress(OSError):  # reported where a line cannot be written
            self._path.parent.mkdir(parents=True, exist_ok=True)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Append a benchmark when its test has passed, and the timing of a sentinel."""
        result = yield
        benchmark = getattr(item, "funcargs", {}).get("benchmark")
        if benchmark is not None and benchmark.stats is not None and not benchmark.has_error:
            self._append([benchmark.stats])
        elif getattr(item, "originalname", None) == "test_drift":
            self._append([])
        return result

    def _append(self, measured: list[Any]) -> None:
        timed_again = {TIMED_AGAIN_KEY: self._config.stash[SESSION].timed_again}
        document = self._config.hook.pytest_benchmark_generate_json(
            config=self._config,
            benchmarks=measured,
            include_data=False,
            machine_info=self._environment | timed_again,
            commit_info={"id": self._environment["git_commit"]},
        )
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

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what happened to the journal, where that matters."""
        for line in self._lines:
            terminalreporter.write_line(line, yellow=True)


def pytest_configure(config: pytest.Config) -> None:
    """Keep a journal of this session, unless its benchmarks measure nothing."""
    if not config.option.benchmark_disable:
        config.pluginmanager.register(JournalPlugin(config), "precision-journal")
