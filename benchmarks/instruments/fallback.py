"""Whether a case ran kernels that its precision is not known for: it is then far slower than in its base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from benchmarks.instruments.base import AfterLastVisit, AfterVisits
from benchmarks.measured_case import MeasuredCase
from core.metrics import FAR_SLOWER
from core.metrics.figures import Figure, Interval, Reason
from core.metrics.ranges import POSITIVE, SHARE
from core.metrics.records import Record, metric
from core.statistics.ratios import ratio_of_times
from fixtures.precisions import base_of, emulation_reason

#: Kernels' names hold whole signatures.
LONGEST_NAME = 200


@dataclass(frozen=True, kw_only=True)
class FallbackRecord(Record):
    """How a case's latency compares with that in its base, and what takes longest where it is slower."""

    section: ClassVar[str] = "fallback"
    base: str | None = metric(
        "", None, "the precision that a case's latency is compared with", column="fallback_base", place=450
    )
    #: Its interval is of this session's visits; tables judge whether a repeat would find it too.
    slower_than_base: Figure[float] = metric(
        "",
        None,
        "times the latency of the same case in the precision's base",
        within=POSITIVE,
        interval=Interval(stem="slower_than_base", is_in_tables=False),
        reason=Reason("reason", column="fallback_reason", words="why the latency is not compared with the base's"),
    )
    #: None where there is nothing to check: in the base itself, and where the precision is emulated, which is marked.
    checked: bool | None = metric(
        "", None, "false where the case could not be compared with its base", column="fallback_checked"
    )
    longest_kernel: str | None = metric(
        "", None, "the kernel, on a CPU the operator, that takes longest where the case is far slower than its base"
    )
    longest_kernel_share: float | None = metric("", None, "its share of the time of all", within=SHARE, form=".0%")


class Fallback(AfterVisits):
    """Compares a case with the same one in the precision's base, and names what takes longest where it is slower."""

    name = "fallback"
    description = "whether a precision is far slower than its base, and which kernel that is due to"
    record = FallbackRecord

    def measure(self, case: MeasuredCase, after: AfterLastVisit) -> Record:
        """Return the comparison; null with a reason where there is nothing to compare with."""
        base = base_of(case.precision, case.settings.device)
        name = None if base is None else base.name
        emulated = emulation_reason(case.precision, case.settings.device)
        if base is None or emulated is not None:
            return not_compared(name, None, emulated or "this is what the others are compared with")
        partner = case.case.partner(precision=base.name)
        others = next((one.done for one in after.measured if one.case == partner), None)
        if others is None:
            return not_compared(name, False, f"not checked: {partner.id} was not measured")
        medians = ([visit.latency.median_ms for visit in visits] for visits in (case.done, others))
        ratio = Figure.estimated(*ratio_of_times(*medians))
        if ratio.low is None:
            return not_compared(name, False, f"not checked: a single visit does not tell how far off {partner.id} is")
        kernel, share = None, None
        if ratio.low > FAR_SLOWER:
            with case.phase("limits"):
                kernel, share = longest(times_ms(case, after))
        return FallbackRecord(
            base=name, slower_than_base=ratio, checked=True, longest_kernel=kernel, longest_kernel_share=share
        )


def not_compared(base: str | None, checked: bool | None, reason: str) -> FallbackRecord:
    """Return the record of a case that was not compared."""
    missing: Figure[float] = Figure(None, reason=reason)
    return FallbackRecord(
        base=base, slower_than_base=missing, checked=checked, longest_kernel=None, longest_kernel_share=None
    )


def times_ms(case: MeasuredCase, after: AfterLastVisit) -> Mapping[str, float]:
    """Return the time of each kernel of a forward, of each operator on a CPU; empty where the profiler saw none."""
    example = case.data.examples[-1]
    if case.settings.device.type != "cuda":
        return after.operators(example).times_ms
    kernels = after.kernels(example)
    return {} if kernels is None else kernels.times_ms


def longest(times: Mapping[str, float]) -> tuple[str, float | None]:
    """Return the name that takes the longest, cut short, and its share of all."""
    if not sum(times.values()) > 0:
        return "unknown: the profiler saw no kernel (CUPTI)", None
    name = max(times, key=lambda one: times[one])
    return name[:LONGEST_NAME], times[name] / sum(times.values())
