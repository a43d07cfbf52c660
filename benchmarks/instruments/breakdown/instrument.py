"""Where the time of a forward goes: what each group of kernels takes of it, and the gaps between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from benchmarks.instruments.base import AfterLastVisit, AfterVisits
from benchmarks.instruments.breakdown.groups import FUSED, OTHER, fused_name, groups_of
from benchmarks.kernels import Timeline
from benchmarks.measured_case import MeasuredCase
from core.metrics.figures import Figure, Reason
from core.metrics.ranges import POSITIVE, SHARE
from core.metrics.records import Record, metric

GAPS = "gaps"


@dataclass(frozen=True)
class Part:
    """What takes a part of a forward's span: its name, milliseconds, share of the span, and how often it runs."""

    name: str
    ms: float
    share: float
    count: float


@dataclass(frozen=True, kw_only=True)
class BreakdownRecord(Record):
    """Where the time of a forward goes, in the profiler, weighted by variant like the median latency."""

    section: ClassVar[str] = "breakdown"
    span_ms: Figure[float] = metric(
        "ms",
        "lower",
        "from the beginning of a forward's first kernel to the end of its last, in the profiler",
        within=POSITIVE,
        column="forward_span_ms",
        reason=Reason(
            "reason", column="breakdown_reason", words="why it is not known where the time of a forward goes"
        ),
        place=425,
    )
    gap_share: float | None = metric(
        "",
        "lower",
        "share of that in which no kernel ran, on a CPU no operator",
        within=SHARE,
        column="kernel_gap_share",
        default=None,
    )
    other_share: float | None = metric(
        "", None, "share of that in kernels of no known group", within=SHARE, column="kernel_other_share", default=None
    )
    #: The groups, with the gaps, the largest first: their shares add up to 1.
    groups: Sequence[Part] = ()
    #: The fused kernels by name, which together are a group.
    fused: Sequence[Part] = ()


class Breakdown(AfterVisits):
    """Groups what the profiler sees of a forward."""

    name = "breakdown"
    description = "what groups of kernels, and the gaps between them, take of a forward"
    record = BreakdownRecord

    def measure(self, case: MeasuredCase, after: AfterLastVisit) -> Record:
        """Return the groups; null with a reason where the profiler sees no kernel."""
        with case.phase("limits"):
            timelines = timelines_of(case, after)
        return timelines if isinstance(timelines, Record) else breakdown(timelines, case.data.variant_shares)


def timelines_of(case: MeasuredCase, after: AfterLastVisit) -> Mapping[str, Timeline] | BreakdownRecord:
    """Return what is done in a forward of each variant, or the record that says why it is not known."""
    timelines: dict[str, Timeline] = {}
    for example in case.data.examples:
        if case.settings.device.type != "cuda":
            timelines[example.variant] = after.operators(example)
            continue
        kernels = after.kernels(example)
        if kernels is None:
            return BreakdownRecord(span_ms=Figure(None, reason="the profiler saw no kernel (CUPTI)"))
        if kernels.timeline is None:
            reason = "the profiler did not see where forwards begin and end"
            return BreakdownRecord(span_ms=Figure(None, reason=reason))
        timelines[example.variant] = kernels.timeline
    return timelines


def breakdown(timelines: Mapping[str, Timeline], shares: Mapping[str, float]) -> BreakdownRecord:
    """Return the record of a forward's timelines by variant, each weighted by its share of the rounds."""
    groups, fused = Weighted(), Weighted()
    for variant, timeline in timelines.items():
        weight = shares[variant]
        for (name, ms), group in zip(timeline.parts, groups_of([name for name, _ in timeline.parts]), strict=True):
            groups.add(group, ms, weight)
            if group == FUSED:
                fused.add(fused_name(name), ms, weight)
        groups.add(GAPS, timeline.gaps_ms, weight)
    span_ms = sum(shares[variant] * timeline.span_ms for variant, timeline in timelines.items())
    if not span_ms > 0:
        return BreakdownRecord(span_ms=Figure(None, reason="the profiler saw no time pass"))
    return BreakdownRecord(
        span_ms=Figure(span_ms),
        gap_share=groups.ms[GAPS] / span_ms,
        other_share=groups.ms[OTHER] / span_ms,
        groups=groups.parts(span_ms),
        fused=fused.parts(span_ms),
    )


class Weighted:
    """Milliseconds and numbers by name, of variants with their weights."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = defaultdict(float)
        self._counts: dict[str, float] = defaultdict(float)

    def add(self, name: str, ms: float, weight: float) -> None:
        """Add a part of one variant's forward."""
        self.ms[name] += weight * ms
        self._counts[name] += weight

    def parts(self, span_ms: float) -> list[Part]:
        """Return the parts, the largest first."""
        largest_first = sorted(self.ms.items(), key=lambda item: -item[1])
        return [Part(name, ms, ms / span_ms, self._counts[name]) for name, ms in largest_first]
