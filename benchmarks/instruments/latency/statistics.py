"""What the timed rounds of one benchmark say."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from analysis.intervals import quantile_interval
from benchmarks.instruments.base import InVisit, Record, metric
from benchmarks.instruments.latency.noise import noise
from benchmarks.run import BenchmarkRun
from benchmarks.steady_state import converged

#: The smallest sample whose largest value lies above the true 99th percentile with 95% confidence: 1 - 0.99^n >= 0.95.
ROUNDS_FOR_P99 = 299


@dataclass(frozen=True, kw_only=True)
class LatencyRecord(Record):
    """Times in ms. The order of the fields is that of the tables."""

    section: ClassVar[str] = "latency"
    median_ms: float = metric(
        "ms",
        "lower",
        "median time of a forward",
        column="median_latency_ms",
        interval_of="this run's median, if its rounds were independent",
        low_column="median_ci95_low_ms",
        high_column="median_ci95_high_ms",
        heading="median ms",
        in_terminal=True,
        form=".3f",
    )
    mean_ms: float = metric(
        "ms", "lower", "mean time of a forward", column="mean_latency_ms", heading="mean ms", form=".3f"
    )
    std_ms: float | None = metric("ms", "lower", "standard deviation of the rounds", column="std_latency_ms")
    std_reason: str | None
    throughput_samples_per_s: float = metric(
        "samples/s",
        "higher",
        "samples a second of forward",
        column="throughput",
        heading="samples/s",
        in_terminal=True,
        form=".1f",
    )
    tokens_per_s: float = metric(
        "tokens/s",
        "higher",
        "text tokens a second, padding not counted",
        column="tokens_per_sec",
        heading="tokens/s",
        form=",.0f",
    )
    ci95_low_ms: float | None = metric(
        "ms", None, "lower end of the median's 95% interval", column="median_ci95_low_ms"
    )
    ci95_high_ms: float | None = metric(
        "ms", None, "upper end of the median's 95% interval", column="median_ci95_high_ms"
    )
    ci95_reason: str | None
    p95_ms: float = metric("ms", "lower", "95th percentile of the rounds", column="p95_latency_ms")
    p95_ci95_low_ms: float | None
    p95_ci95_high_ms: float | None
    p99_ms: float | None = metric("ms", "lower", "99th percentile of the rounds", column="p99_latency_ms")
    p99_ci95_low_ms: float | None
    p99_ci95_high_ms: float | None
    p99_reason: str | None
    rounds: int = metric("", None, "timed rounds")
    warmup_rounds: int = metric("", None, "untimed rounds before the first of them")
    warmup_steady: bool
    converged: bool = metric("", None, "whether the median's interval is within 1% of it")
    noise_rel: float | None = metric("", "lower", "standard deviation of block medians over their mean")
    noise_reason: str | None
    outlier_share: float = metric("", "lower", "rounds far outside the others (5 MAD)")
    series_ms: Sequence[float]


class Latency(InVisit):
    """Summarizes the rounds: arithmetic on what has been timed already."""

    record = LatencyRecord

    def measure(self, run: BenchmarkRun) -> Record:
        """Return latency, throughput, noise and how the rounds were begun and ended."""
        text_tokens = run.loop.text_tokens(0, len(run.durations_s))
        return LatencyRecord(
            **latency_statistics(run.durations_s, run.case.batch_size, text_tokens),
            **noise(run.durations_s),
            converged=converged(run.durations_s),
            warmup_rounds=run.warm_up.rounds,
            warmup_steady=run.warm_up.steady,
        )


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
