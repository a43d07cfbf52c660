"""Warns where a run that is compared with by `--benchmark-compare` was made under other conditions."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.forward_run import ForwardRun
from results.comparability import differences


class ComparisonPlugin:
    """Keeps the saved runs that pytest-benchmark compares with, and this run's benchmarks."""

    def __init__(self) -> None:
        self._benchmarks: list[tuple[str, dict[str, Any]]] = []
        self._saved: list[tuple[str, dict[str, Any]]] = []

    def pytest_benchmark_compare_machine_info(self, compared_benchmark: dict[str, Any]) -> bool:
        """Keep a saved run; returning a value keeps pytest-benchmark from a warning at every change of CPU clock."""
        side = f"the run of {compared_benchmark.get('datetime')}"
        self._saved += [(side, item.get("extra_info", {})) for item in compared_benchmark["benchmarks"]]
        return True

    def pytest_forward_timed(self, run: ForwardRun) -> None:
        """Keep a benchmark of this run; it is read when all of it has been written."""
        self._benchmarks.append(("this run", run.extra_info))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what makes the figures differ by itself."""
        if self._saved and self._benchmarks:
            for line in differences([*self._benchmarks, *self._saved]):
                terminalreporter.write_line(f"warning: {line}", yellow=True)


def pytest_configure(config: pytest.Config) -> None:
    """Watch over comparisons."""
    config.pluginmanager.register(ComparisonPlugin(), "forward-comparison")
