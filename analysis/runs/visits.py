"""The visits of a saved benchmark, as far as the analysis reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.guards import finite_number


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


def _positive(value: object) -> float | None:
    number = finite_number(value)
    return number if number is not None and number > 0 else None
