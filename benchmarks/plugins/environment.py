"""Writes the environment into pytest-benchmark's machine_info, and compares what matters of it."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.measure.machine import environment
from fixtures.settings import SETTINGS

#: What makes two runs' figures differ by itself. pytest-benchmark compares everything, CPU frequency included.
COMPARED = ("torch", "transformers", "cuda", "device", "gpu", "flags")


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Add versions, GPU, flags and commit."""
    machine_info.update(environment(config.stash[SETTINGS].device))


def pytest_benchmark_compare_machine_info(
    benchmarksession: Any,  # noqa: ANN401
    machine_info: dict[str, Any],
    compared_benchmark: dict[str, Any],
) -> bool:
    """Warn of the differences that matter; returning a value keeps pytest-benchmark from its own comparison."""
    saved = compared_benchmark["machine_info"]
    for key in COMPARED:
        if machine_info.get(key) != saved.get(key):
            benchmarksession.logger.warning(
                f"The run compared against has another {key}: {saved.get(key)!r}, not {machine_info.get(key)!r}."
            )
    return True
