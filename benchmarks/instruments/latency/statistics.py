"""What the timed rounds of one benchmark say."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.intervals import quantile_interval
from benchmarks.instruments.base import Instrument, Record
from benchmarks.instruments.latency.noise import noise
from benchmarks.run import BenchmarkRun
from benchmarks.steady_state import converged

#: The smallest sample whose largest value lies above the true 99th percentile with 95% confidence: 1 - 0.99^n >= 0.95.
ROUNDS_FOR_P99 = 299


class Latency(Instrument):
    """Summarizes the rounds: arithmetic on what has been timed already."""

    def measure(self, run: BenchmarkRun) -> Record:
        """Return latency, throughput, noise and how the rounds were begun and ended."""
        text_tokens = run.loop.text_tokens(0, len(run.durations_s))
        return {
            "latency": {
                **latency_statistics(run.durations_s, run.dataset.batch_size, text_tokens),
                **noise(run.durations_s),
                "converged": converged(run.durations_s),
                "warmup_rounds": run.warm_up.rounds,
                "warmup_steady": run.warm_up.steady,
            }
        }


def latency_statistics(durations_s: Sequence[float], batch_size: int, text_tokens: int) -> dict[str, Any]:
    """Return what the rounds of one benchmark say, in milliseconds and per second.

    `durations_s`: seconds of each round, one at least; `text_tokens`: real tokens that all rounds together read.
    Throughput is over the summed rounds, so that it is per second of forward, not of bookkeeping between rounds.
    """
    rounds_ms = sorted(1000 * duration for duration in durations_s)
    total_s = sum(durations_s)
    low, high = quantile_interval(rounds_ms, 0.5)
    p95_low, p95_high = quantile_interval(rounds_ms, 0.95)
    p99_low, p99_high = quantile_interval(rounds_ms, 0.99)
    enough_for_p99 = len(rounds_ms) >= ROUNDS_FOR_P99
    too_few = "fewer than 2 rounds" if len(rounds_ms) < 2 else None
    return {
        "mean_ms": statistics.fmean(rounds_ms),
        "std_ms": None if too_few else statistics.stdev(rounds_ms),
        "std_reason": too_few,
        "median_ms": statistics.median(rounds_ms),
        "p95_ms": float(np.quantile(rounds_ms, 0.95)),
        "p95_ci95_low_ms": p95_low,
        "p95_ci95_high_ms": p95_high,
        "p99_ms": float(np.quantile(rounds_ms, 0.99)) if enough_for_p99 else None,
        "p99_ci95_low_ms": p99_low if enough_for_p99 else None,
        "p99_ci95_high_ms": p99_high if enough_for_p99 else None,
        "p99_reason": None if enough_for_p99 else f"{len(rounds_ms)} rounds; a 99th percentile needs {ROUNDS_FOR_P99}",
        "ci95_low_ms": low,
        "ci95_high_ms": high,
        "ci95_reason": None
        if low is not None
        else f"{len(rounds_ms)} rounds are too few for an interval of the median",
        "rounds": len(rounds_ms),
        "throughput_samples_per_s": batch_size * len(rounds_ms) / total_s,
        "tokens_per_s": text_tokens / total_s,
    }
