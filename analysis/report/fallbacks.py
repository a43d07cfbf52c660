"""Cases that a repeat too would find far slower than in their base, and what takes longest in them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import pandas as pd

from core.case import Case
from core.metrics import FAR_SLOWER, REPEAT_COLUMNS

#: Of a kernel's name, in a sentence.
LONGEST_NAME = 60
Row: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class FarSlower:
    """By how much a case is slower than in its base, with the ends of a repeat's interval, and what takes longest."""

    name: str
    base: str
    ratio: float
    low: float
    high: float
    longest: str
    share: float

    @property
    def sentence(self) -> str:
        """What there is to say of it."""
        longest = self.longest if len(self.longest) <= LONGEST_NAME else f"{self.longest[:LONGEST_NAME]}…"
        share = "" if math.isnan(self.share) else f" ({self.share:.0%} of a forward)"
        return (
            f"{self.name}: takes {self.ratio:.1f} times as long as {self.base} ({self.low:.1f} to {self.high:.1f}), "
            f"the longest part of it {longest}{share}: a fallback may have run in place of what the precision stands "
            "for."
        )


def fallbacks(frame: pd.DataFrame) -> Iterator[FarSlower]:
    """Give each row of a run's table that a repeat too would find more than 1.5 times as slow as in its base.

    The interval of the ratio is that of two latencies of a repeat: their relative widths are added as squares.
    """
    rows: dict[Case, Row] = {row["case"]: row for row in frame.to_dict("records")}  # type: ignore[misc]
    for case, row in rows.items():
        if not isinstance(row["longest_kernel"], str) or not isinstance(row["fallback_base"], str):
            continue
        base = rows.get(case.partner(precision=row["fallback_base"]))
        own_ms, own_width = latency_of(row)
        base_ms, base_width = (math.nan, math.nan) if base is None else latency_of(base)
        ratio, width = own_ms / base_ms, math.exp(math.hypot(own_width, base_width))
        if base is not None and ratio / width > FAR_SLOWER:
            part = row["longest_kernel"], row["longest_kernel_share"]
            yield FarSlower(row["name"], base["name"], ratio, ratio / width, ratio * width, *part)


def latency_of(row: Row) -> tuple[float, float]:
    """Return a row's latency in ms and the half-width of its logarithm in a repeat; NaN where there is none."""
    low, high = (row[column] for column in REPEAT_COLUMNS["latency"])
    return row["median_latency_ms"], math.log(high / low) / 2 if 0 < low <= high else math.nan
