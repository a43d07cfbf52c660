"""Writes the environment: whole into pytest-benchmark's machine_info, what decides a figure beside each figure."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.instruments.machine.environment import environment, essentials
from benchmarks.run import ForwardRun
from fixtures.settings import SETTINGS


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Add versions, GPU, flags and commit."""
    machine_info.update(environment(config.stash[SETTINGS].device))


def pytest_forward_starting(run: ForwardRun) -> None:
    """Write what has to be the same where figures are compared: pytest-benchmark's compare sees no machine_info."""
    run.extra_info["environment"] = essentials(run.settings.device)
