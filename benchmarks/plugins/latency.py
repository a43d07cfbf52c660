"""Writes the latency of the timed rounds, how noisy they were, and the proof of their precision."""

from __future__ import annotations

from benchmarks.instruments.latency.noise import noise
from benchmarks.instruments.numerics import proof
from benchmarks.loop import latency_statistics
from benchmarks.run import ForwardRun
from benchmarks.steady_state import converged


def pytest_forward_timed(run: ForwardRun) -> None:
    """Summarize the rounds, after making sure that they computed what their name says."""
    run.extra_info["numerics"] = proof(run.model, run.eager, run.dataset.batches[0]) | {
        "difference_from_eager": run.difference_from_eager(),
    }
    text_tokens = run.loop.text_tokens(0, len(run.durations_s))
    run.extra_info["latency"] = {
        **latency_statistics(run.durations_s, run.dataset.batch_size, text_tokens),
        **noise(run.durations_s),
        "converged": converged(run.durations_s),
        "warmup_rounds": run.warm_up.rounds,
        "warmup_steady": run.warm_up.steady,
    }
