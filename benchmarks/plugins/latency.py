"""Writes the latency of the timed rounds."""

from __future__ import annotations

from benchmarks.forward_run import ForwardRun
from benchmarks.measure.timing import latency_statistics


def pytest_forward_timed(run: ForwardRun) -> None:
    """Summarize the rounds that pytest-benchmark has timed."""
    text_tokens = run.loop.text_tokens(0, len(run.durations_s))
    run.extra_info["latency"] = {
        **latency_statistics(run.durations_s, run.dataset.batch_size, text_tokens),
        "warmup_rounds": run.settings.warmup_rounds,
    }
