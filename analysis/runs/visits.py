"""The visits of a saved benchmark, as far as the analysis reads them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from core.case import case_of
from core.guards import finite_number
from core.metrics import lookup

#: What pytest-benchmark saves of all rounds of a benchmark, by which one without visits is told from others.
STATS = ("min", "max", "mean", "median", "stddev", "rounds")


@dataclass(frozen=True)
class SavedVisit:
    """One visit; None for what a saved run does not say, and for what is not a positive number."""

    number: int | None
    #: Seconds from the session's beginning to that of the rounds; may be 0.
    started_s: float | None
    median_ms: float | None
    #: The 5% quantile of its rounds.
    fast_ms: float | None
    energy_mj: float | None
    temperature_c: float | None
    #: The share of the time that lies between rounds; may be 0.
    gap_share: float | None

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> SavedVisit:
        """Read one entry of a benchmark's `visits`."""
        number, started_s, gap_share = (finite_number(entry.get(name)) for name in ("number", "started_s", "gap_share"))
        positive = ("median_ms", "fast_ms", "energy_mj", "temperature_c")
        return cls(
            number=None if number is None else int(number),
            started_s=started_s,
            gap_share=gap_share,
            **{name: _positive(entry.get(name)) for name in positive},
        )


def was_visited(extra_info: Mapping[str, Any]) -> bool:
    """Tell whether a benchmark says that it was measured in visits."""
    return isinstance(extra_info.get("visits"), list)


def saved_visits(extra_info: Mapping[str, Any]) -> list[SavedVisit]:
    """Return a benchmark's visits in their order; what is no visit is left out."""
    visits = extra_info["visits"] if was_visited(extra_info) else []
    return [SavedVisit.from_json(entry) for entry in visits if isinstance(entry, Mapping)]


def identities(benchmark: Mapping[str, Any]) -> Iterator[Hashable]:
    """Give for each timed visit of one of this suite's benchmarks what no other visit has, on any device.

    That is its case, its device and its values, but for the 5% quantile, which is made of its rounds where their file
    is there. Of a benchmark without visits pytest-benchmark's figures stand for one.
    """
    extra_info = benchmark["extra_info"]
    device = tuple(str(lookup(extra_info, f"environment.{key}")) for key in ("device_name", "device_uuid"))
    case = case_of(benchmark).id
    for visit in saved_visits(extra_info):
        if visit.median_ms is not None:
            yield case, device, replace(visit, fast_ms=None)
    if not was_visited(extra_info):
        figures = tuple(finite_number(lookup(benchmark, f"stats.{name}")) for name in STATS)
        if any(figures):
            yield case, device, figures


def _positive(value: object) -> float | None:
    number = finite_number(value)
    return number if number is not None and number > 0 else None
