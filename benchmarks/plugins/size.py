"""Writes how large the model is, and how much memory the rounds needed."""

from __future__ import annotations

import pytest

from benchmarks.instruments.size import BYTES_PER_MB, model_bytes, parameter_count, peak_memory, start_peak_memory
from benchmarks.run import ForwardRun


def pytest_forward_starting(run: ForwardRun) -> None:
    """Begin the maximum before anything runs."""
    start_peak_memory(run.settings.device)


@pytest.hookimpl(tryfirst=True)  # before other plugins run passes of their own
def pytest_forward_timed(run: ForwardRun) -> None:
    """Write the sizes."""
    run.extra_info["size"] = {
        "model_size_mb": model_bytes(run.model) / BYTES_PER_MB,
        "parameters": parameter_count(run.model),
        "checkpoint_size_mb": run.checkpoint.size_bytes / BYTES_PER_MB,
        **peak_memory(run.settings.device),
    }
