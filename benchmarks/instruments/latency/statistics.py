"""What the timed rounds of one benchmark's visits say."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from benchmarks.instruments.base import InVisit
from benchmarks.instruments.latency.noise import outlier_share
from benchmarks.run import BenchmarkRun, TimedRounds
from core.metrics.records import Record, metric
from core.statistics.intervals import block_medians, mean_interval, quantile_interval
from fixtures.dataset.batches import FULL, PADDED

#: The smallest sample whose largest value lies above the true 99th percentile with 95% confidence: 1 - 0.99^n >= 0.95.
ROUNDS_FOR_P99 = 299
#: What a plot of the rounds in their order shows at most.
BLOCKS_OF_SERIES = 200
#: A median has converged when its 95% interval is within this of it.
TARGET_RATIO = 0.01


@dataclass(frozen=True, kw_only=True)
class VisitLatency(Record):
    """Medians of one visit's rounds by variant, in ms; null for a variant that did not occur in it."""

    full_ms: float | None
    padded_ms: float | None
    median_ms: float
    mean_ms: float
    rounds: int
    full_rounds: int
    #: Rounds that ran and are not timed, for something was read from the device meanwhile.
    disturbed_rounds: int
    warmup_rounds: int
    warmup_steady: bool


@dataclass(frozen=True, kw_only=True)
class LatencyRecord(Record):
    """Times in ms. Tables show the metrics by their places; one without a place follows the one before it."""

    section: ClassVar[str] = "latency"
    median_ms: float = metric(
        "ms",
        "lower",
        "time of a forward: the medians of full and padded rounds, weighted by their share of the dataset",
        column="median_latency_ms",
        repeat="latency",
        heading="median ms",
        in_terminal=True,
        form=".3f",
        place=100,
    )
    full_median_ms: float | None = metric(
        "ms", "lower", "median of the rounds whose masks are all ones, so that no mask is prepared", place=900
    )
    padded_median_ms: float | None = metric("ms", "lower", "median of the other rounds")
    full_share: float = metric("", None, "share of the dataset's batches whose masks are all ones")
    variant_reason: str | None
    mean_ms: float = metric(
        "ms",
        "lower",
        "mean time of a forward, weighted in the same way",
        column="mean_latency_ms",
        place=110,
        heading="mean ms",
        form=".3f",
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
        "ms",
        None,
        "lower end of the 95% interval of this session's centre",
        column="median_ci95_low_ms",
        place=400,
    )
    ci95_high_ms: float | None = metric(
        "ms",
        None,
        "upper end of the 95% interval of this session's centre",
        column="median_ci95_high_ms",
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
    warmup_rounds: int = metric("", None, "untimed rounds before them, in all visits together")
    warmup_steady: bool
    converged: bool = metric("", None, "whether the median's interval is within 1% of it")
    noise_rel: float | None = metric("", "lower", "standard deviation of the visits' medians, relative")
    noise_reason: str | None
    outlier_share: float = metric("", "lower", "rounds far outside those of their variant (5 MAD)")
    series_ms: Sequence[float]


class Latency(InVisit):
    """Summarizes the rounds: arithmetic on what has been timed already."""

    name = "latency"
    description = "medians of the rounds by visit and variant, with intervals"
    record = LatencyRecord

    def visited(self, run: BenchmarkRun) -> Record:
        """Return the medians of the visit's rounds."""
        timed = run.timed[max(run.timed)]
        full_ms, padded_ms = (variant_median_ms(timed, variant) for variant in (FULL, PADDED))
        return VisitLatency(
            full_ms=full_ms,
            padded_ms=padded_ms,
            median_ms=weighted({FULL: full_ms, PADDED: padded_ms}, run.data.variant_shares),
            mean_ms=weighted(variant_means_ms(timed), run.data.variant_shares),
            rounds=len(timed.durations_s),
            full_rounds=timed.variants.count(FULL),
            disturbed_rounds=timed.disturbed,
            warmup_rounds=run.warm_up.rounds,
            warmup_steady=run.warm_up.steady,
        )

    def measure(self, run: BenchmarkRun) -> Record:
        """Return latency, throughput, noise and how the rounds were begun."""
        visits, everything = run.done, TimedRounds(run.durations_s, run.variants)
        shares = run.data.variant_shares
        return LatencyRecord(
            **medians(visits, shares),
            **rounds_statistics(everything.durations_s),
            **throughput(variant_means_ms(everything), shares, run.case.batch_size, run.tokens_per_round),
            outlier_share=outlier_share(everything.durations_s, everything.variants),
            warmup_rounds=sum(visit["warmup_rounds"] for visit in visits),
            warmup_steady=all(visit["warmup_steady"] for visit in visits),
            series_ms=[1000 * median for median in block_medians(everything.durations_s, BLOCKS_OF_SERIES)],
        )


def variant_median_ms(timed: TimedRounds, variant: str) -> float | None:
    """Return the median of the rounds of a variant, or None where there are none."""
    return 1000 * statistics.median(values) if (values := of_variant(timed, variant)) else None


def variant_means_ms(timed: TimedRounds) -> dict[str, float | None]:
    """Return the mean of the rounds of each variant, None where there are none."""
    grouped = {variant: of_variant(timed, variant) for variant in (FULL, PADDED)}
    return {variant: 1000 * statistics.fmean(values) if values else None for variant, values in grouped.items()}


def of_variant(timed: TimedRounds, variant: str) -> list[float]:
    """Return the seconds of the rounds of one variant."""
    return [duration for duration, one in zip(timed.durations_s, timed.variants, strict=True) if one == variant]


def weighted(by_variant: Mapping[str, float | None], shares: Mapping[str, float]) -> float:
    """Return the mean of one value a variant, weighted by the share of the dataset's batches that are of it.

    Not by the share of the rounds: that differs from case to case, and with it the mean of the same latencies. A
    variant of which no round was timed has no weight.
    """
    known = {variant: value for variant, value in by_variant.items() if value is not None}
    total = sum(shares[variant] for variant in known)
    return sum(shares[variant] / total * value for variant, value in known.items())


def medians(visits: Sequence[Mapping[str, Any]], shares: Mapping[str, float]) -> dict[str, Any]:
    """Return the medians over the visits, one at least, by variant and weighted, with the interval of the latter.

    Each is the geometric mean of the visits' medians, and the interval is Student's over their logarithms: a visit is
    one draw of buffers, capture and moment, and its rounds resemble each other more than those of the next visit.
    """
    full, padded = ([visit[name] for visit in visits if visit[name] is not None] for name in ("full_ms", "padded_ms"))
    logs = [math.log(visit["median_ms"]) for visit in visits]
    centre, half_width = mean_interval(logs)
    too_few = "one visit has no spread" if half_width is None else None
    absent = [f"no {name} batch" for name, values in (("full", full), ("padded", padded)) if not values]
    width = half_width or 0.0
    return {
        "median_ms": math.exp(centre),
        "full_median_ms": statistics.geometric_mean(full) if full else None,
        "padded_median_ms": statistics.geometric_mean(padded) if padded else None,
        "full_share": shares.get(FULL, 0.0),
        "variant_reason": f"{absent[0]} was timed" if absent else None,
        "ci95_low_ms": None if too_few else math.exp(centre - width),
        "ci95_high_ms": None if too_few else math.exp(centre + width),
        "ci95_reason": too_few,
        "converged": too_few is None and math.expm1(width) <= TARGET_RATIO,
        "noise_rel": None if too_few else statistics.stdev(logs),
        "noise_reason": too_few,
    }


def throughput(
    means_ms: Mapping[str, float | None], shares: Mapping[str, float], batch_size: int, text_tokens_per_batch: float
) -> dict[str, Any]:
    """Return the mean time of a forward, and samples and text tokens a second of forward, not of what lies between."""
    mean_ms = weighted(means_ms, shares)
    return {
        "mean_ms": mean_ms,
        "throughput_samples_per_s": 1000 * batch_size / mean_ms,
        "tokens_per_s": 1000 * text_tokens_per_batch / mean_ms,
    }


def rounds_statistics(durations_s: Sequence[float]) -> dict[str, Any]:
    """Return what all rounds say together, in milliseconds: their number, spread and tail. One round at least."""
    rounds_ms = sorted(1000 * duration for duration in durations_s)
    p95_low, p95_high = quantile_interval(rounds_ms, 0.95)
    p99_low, p99_high = quantile_interval(rounds_ms, 0.99)
    enough_for_p99 = len(rounds_ms) >= ROUNDS_FOR_P99
    too_few = "fewer than 2 rounds" if len(rounds_ms) < 2 else None
    return {
        "std_ms": None if too_few else statistics.stdev(rounds_ms),
        "std_reason": too_few,
        "p95_ms": float(np.quantile(rounds_ms, 0.95)),
        "p95_ci95_low_ms": p95_low,
        "p95_ci95_high_ms": p95_high,
        "p99_ms": float(np.quantile(rounds_ms, 0.99)) if enough_for_p99 else None,
        "p99_ci95_low_ms": p99_low if enough_for_p99 else None,
        "p99_ci95_high_ms": p99_high if enough_for_p99 else None,
        "p99_reason": None if enough_for_p99 else f"{len(rounds_ms)} rounds; a 99th percentile needs {ROUNDS_FOR_P99}",
        "rounds": len(rounds_ms),
    }
