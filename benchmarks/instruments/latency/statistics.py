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
from benchmarks.measured_case import MeasuredCase
from benchmarks.timed_rounds import VisitLatency
from core.metrics.figures import NOT_IN_TABLES, Figure, Interval, Reason
from core.metrics.known import FAST_LATENCY
from core.metrics.ranges import NOT_NEGATIVE, POSITIVE, SHARE
from core.metrics.records import Record, metric
from core.statistics.intervals import block_medians, mean_interval, quantile_interval
from core.statistics.rounds import NOT_REPLAYED, TOO_FEW_ROUNDS, weighted
from fixtures.dataset.batches import FULL

#: The smallest sample whose largest value lies above the true 99th percentile with 95% confidence: 1 - 0.99^n >= 0.95.
ROUNDS_FOR_P99 = 299
#: What a plot of the rounds in their order shows at most.
BLOCKS_OF_SERIES = 200
#: A median has converged when its 95% interval is within this of it.
TARGET_RATIO = 0.01
NO_SPREAD = "one visit has no spread"
NO_SUCH_BATCH = Reason("variant_reason", after="full_share")


@dataclass(frozen=True, kw_only=True)
class LatencyRecord(Record):
    """Times in ms. Tables show the metrics by their places; one without a place follows the one before it."""

    section: ClassVar[str] = "latency"
    median_ms: Figure[float] = metric(
        "ms",
        "lower",
        "time of a forward: the medians of full and padded rounds, weighted by their share of the dataset",
        within=POSITIVE,
        column="median_latency_ms",
        interval=Interval(
            stem="",
            column_stem="median",
            words=(
                "lower end of the 95% interval of this session's centre",
                "upper end of the 95% interval of this session's centre",
            ),
            place=400,
            after="tokens_per_s",
        ),
        reason=Reason("ci95_reason", after="tokens_per_s"),
        repeat="latency",
        heading="median ms",
        in_terminal=True,
        form=".3f",
        place=100,
    )
    fast_ms: Figure[float] = metric(**FAST_LATENCY, interval=NOT_IN_TABLES, reason=Reason("fast_reason"))
    full_median_ms: Figure[float] = metric(
        "ms",
        "lower",
        "median of the rounds whose masks are all ones, so that no mask is prepared",
        within=POSITIVE,
        reason=NO_SUCH_BATCH,
        place=900,
    )
    padded_median_ms: Figure[float] = metric(
        "ms", "lower", "median of the other rounds", within=POSITIVE, reason=NO_SUCH_BATCH
    )
    full_share: float = metric("", None, "share of the dataset's batches whose masks are all ones", within=SHARE)
    mean_ms: float = metric(
        "ms",
        "lower",
        "mean time of a forward, weighted in the same way",
        within=POSITIVE,
        column="mean_latency_ms",
        place=110,
        heading="mean ms",
        form=".3f",
    )
    std_ms: Figure[float] = metric(
        "ms",
        "lower",
        "standard deviation of the rounds",
        within=NOT_NEGATIVE,
        column="std_latency_ms",
        reason=Reason("std_reason"),
    )
    throughput_samples_per_s: float = metric(
        "samples/s",
        "higher",
        "samples a second of forward",
        within=NOT_NEGATIVE,
        column="throughput",
        heading="samples/s",
        in_terminal=True,
        form=".1f",
    )
    tokens_per_s: float = metric(
        "tokens/s",
        "higher",
        "text tokens a second, padding not counted",
        within=NOT_NEGATIVE,
        column="tokens_per_sec",
        heading="tokens/s",
        form=",.0f",
    )
    p95_ms: Figure[float] = metric(
        "ms", "lower", "95th percentile of the rounds", within=POSITIVE, column="p95_latency_ms", interval=NOT_IN_TABLES
    )
    p99_ms: Figure[float] = metric(
        "ms",
        "lower",
        "99th percentile of the rounds",
        within=POSITIVE,
        column="p99_latency_ms",
        interval=NOT_IN_TABLES,
        reason=Reason("p99_reason"),
    )
    rounds: int = metric("", None, "timed rounds", within=NOT_NEGATIVE)
    warmup_rounds: int = metric("", None, "untimed rounds before them, in all visits together", within=NOT_NEGATIVE)
    warmup_steady: bool
    converged: bool = metric("", None, "whether the median's interval is within 1% of it")
    noise_rel: Figure[float] = metric(
        "",
        "lower",
        "standard deviation of the visits' medians, relative",
        within=NOT_NEGATIVE,
        reason=Reason("noise_reason"),
    )
    outlier_share: float = metric("", "lower", "rounds far outside those of their variant (5 MAD)", within=SHARE)
    series_ms: Sequence[float]


class Latency(InVisit):
    """Summarizes the rounds: arithmetic on what has been timed already."""

    name = "latency"
    description = "medians of the rounds by visit and variant, with intervals"
    record = LatencyRecord

    def measure(self, case: MeasuredCase) -> Record:
        """Return latency, throughput, noise and how the rounds were begun."""
        visits, everything = [visit.latency for visit in case.done], case.timed
        shares = case.data.variant_shares
        return LatencyRecord(
            **medians(visits, shares),
            fast_ms=fast(visits, is_replayed=case.is_replayed),
            **rounds_statistics(everything.durations_s),
            **throughput(everything.means_ms, shares, case.case.batch_size, case.tokens_per_round),
            outlier_share=outlier_share(everything.durations_s, everything.variants),
            warmup_rounds=sum(visit.warmup_rounds for visit in visits),
            warmup_steady=all(visit.warmup_steady for visit in visits),
            series_ms=[1000 * median for median in block_medians(everything.durations_s, BLOCKS_OF_SERIES)],
        )


def medians(visits: Sequence[VisitLatency], shares: Mapping[str, float]) -> dict[str, Any]:
    """Return the medians over the visits, one at least, by variant and weighted, with the interval of the latter.

    Each is the geometric mean of the visits' medians, and the interval is Student's over their logarithms: a visit is
    one draw of buffers, capture and moment, and its rounds resemble each other more than those of the next visit.
    """
    full = [visit.full_ms for visit in visits if visit.full_ms is not None]
    padded = [visit.padded_ms for visit in visits if visit.padded_ms is not None]
    logs = [math.log(visit.median_ms) for visit in visits]
    centre, half_width = mean_interval(logs)
    median, noise = Figure(math.exp(centre), reason=NO_SPREAD), Figure[float](None, reason=NO_SPREAD)
    if half_width is not None:
        median = Figure(math.exp(centre), math.exp(centre - half_width), math.exp(centre + half_width))
        noise = Figure(statistics.stdev(logs))
    absent = next(
        (f"no {name} batch was timed" for name, values in (("full", full), ("padded", padded)) if not values), None
    )
    return {
        "median_ms": median,
        "full_median_ms": Figure(statistics.geometric_mean(full)) if full else Figure(None, reason=absent),
        "padded_median_ms": Figure(statistics.geometric_mean(padded)) if padded else Figure(None, reason=absent),
        "full_share": shares.get(FULL, 0.0),
        "converged": half_width is not None and math.expm1(half_width) <= TARGET_RATIO,
        "noise_rel": noise,
    }


def fast(visits: Sequence[VisitLatency], *, is_replayed: bool) -> Figure[float]:
    """Return the geometric mean of the visits' 5% quantiles, with Student's interval over their logarithms."""
    known = [visit.fast_ms for visit in visits if visit.fast_ms is not None]
    if len(known) < len(visits):
        return Figure(None, reason=TOO_FEW_ROUNDS if is_replayed else NOT_REPLAYED)
    centre, half_width = mean_interval([math.log(value) for value in known])
    if half_width is None:
        return Figure(math.exp(centre))
    return Figure(math.exp(centre), math.exp(centre - half_width), math.exp(centre + half_width))


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
    count = len(rounds_ms)
    p99: Figure[float] = Figure(None, reason=f"{count} rounds; a 99th percentile needs {ROUNDS_FOR_P99}")
    if count >= ROUNDS_FOR_P99:
        p99 = Figure(float(np.quantile(rounds_ms, 0.99)), *quantile_interval(rounds_ms, 0.99))
    return {
        "std_ms": Figure(statistics.stdev(rounds_ms)) if count > 1 else Figure(None, reason="fewer than 2 rounds"),
        "p95_ms": Figure(float(np.quantile(rounds_ms, 0.95)), *quantile_interval(rounds_ms, 0.95)),
        "p99_ms": p99,
        "rounds": count,
    }
