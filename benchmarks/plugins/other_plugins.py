"""Ends a session in one sentence where another plugin of pytest would spoil what it measures, before it measures."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import PurePath

import pytest

from benchmarks.plugins.session import MEASURING, makes_visits

#: The file that MEASURING is in.
FILE = "test_forward.py"


class OtherPlugins:
    """Answers the hooks of other plugins."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(optionalhook=True)  # pytest-xdist's, called when a worker has collected and none has begun
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Measure nothing in workers: one's rounds would be timed beside another's."""
        measuring = [test for test in ids if is_measuring(test)]
        if measuring and makes_visits(self._config):
            pytest.exit(
                f"pytest-xdist (-n) runs tests in several processes, and {len(measuring)} of them measure, such as "
                f"{measuring[0]}; expected one process. Leave -n out, or name what measures nothing: `pytest tests -n "
                "auto`.",
                returncode=pytest.ExitCode.USAGE_ERROR,
            )


def is_measuring(test: str) -> bool:
    """Tell whether the test of an id measures, such as benchmarks/test_forward.py::test_visit[fp32-eager-v2]."""
    file, _, name = test.partition("::")
    return PurePath(file).name == FILE and name.partition("[")[0] in MEASURING


def require_pytest_benchmark(config: pytest.Config) -> None:
    """Raise `pytest.UsageError` where pytest-benchmark is switched off, as pytest-codspeed does."""
    if any(map(config.pluginmanager.is_blocked, ("benchmark", "pytest-benchmark"))):
        raise pytest.UsageError(
            "pytest-benchmark, which holds what is measured here, is switched off by --codspeed, CODSPEED_ENV or -p "
            "no:benchmark; leave that out."
        )


def require_histogram(config: pytest.Config) -> None:
    """Raise `pytest.UsageError` where what pytest-benchmark draws its histogram with, at the end, is not installed."""
    if config.option.benchmark_histogram and importlib.util.find_spec("pygal") is None:
        raise pytest.UsageError(
            "--benchmark-histogram draws with pygal, which is not installed; install it with `python -m pip install "
            "'pytest-benchmark[histogram]'`, or leave the option out: the page has pictures of its own."
        )


def pytest_configure(config: pytest.Config) -> None:
    """Check what can be checked now, and answer other plugins later."""
    require_pytest_benchmark(config)
    require_histogram(config)
    config.pluginmanager.register(OtherPlugins(config), "precision-other-plugins")
