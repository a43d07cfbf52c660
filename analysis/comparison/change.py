"""A change of a metric of one benchmark, and what is said of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

from core.metrics import SAME_REL, Direction
from core.statistics.intervals import CONFIDENCE

#: In place of a verdict, for the reason that goes with it.
NO_VERDICT = "no verdict"
#: In place of a verdict where a side lacks the metric.
MISSING = "missing"
#: In place of a verdict where a metric has no interval.
INDICATIVE = "indicative"
#: What an interval is of.
REPEAT, ASSUMED_REPEAT, MEAN_OVER_RUNS = "a repeat", "a repeat (assumed)", "the mean over runs"


class ChangeInterval(NamedTuple):
    """The 95% interval of a relative change, and what it is of; the ends are None beyond what a float can hold."""

    low_rel: float | None
    high_rel: float | None
    of: str
    #: How probable so large a change is where nothing changed.
    p_value: float


@dataclass(frozen=True)
class Change:
    """A metric of one benchmark on two sides. Relative to the first side; None where it is unknown."""

    benchmark: str
    metric: str
    better: Direction
    before: float | None
    after: float | None
    change_rel: float | None
    interval: ChangeInterval | None
    runs: tuple[int, int]
    verdict: str
    #: Why there is no verdict, or why a side lacks the figure by chance.
    reason: str | None = None
    #: How far drift during the runs may have moved the logarithm of the change, None where nobody knows. Where it is 0
    #: nothing drifted.
    drift_log: float | None = 0.0

    @property
    def worsening_rel(self) -> float | None:
        """The change counted so that more is worse."""
        if self.change_rel is None:
            return None
        return self.change_rel if self.better == "lower" else -self.change_rel

    @property
    def worsening_interval_rel(self) -> tuple[float, float] | None:
        """The ends of the interval, counted so that more is worse."""
        if self.interval is None or self.interval.low_rel is None or self.interval.high_rel is None:
            return None
        low, high = self.interval.low_rel, self.interval.high_rel
        return (low, high) if self.better == "lower" else (-high, -low)

    @property
    def beyond_drift(self) -> Change:
        """The change with an interval that holds it wherever the runs' drift has moved it; without one if unknown."""
        found, drift = self.interval, self.drift_log
        if found is None or found.low_rel is None or found.high_rel is None or drift is None:
            return replace(self, interval=None)
        low, high = ((1 + end) * math.exp(by) - 1 for end, by in ((found.low_rel, -drift), (found.high_rel, drift)))
        return replace(self, interval=found._replace(low_rel=low, high_rel=high))


def change_verdict(better: str, runs: tuple[int, int], change: float | None, interval: ChangeInterval | None) -> str:
    """Return better, worse, same or undecided; `indicative` without an interval, `missing` where a side has no run.

    Better or worse needs a change that is improbable where nothing changed; the same, an interval within 1%.
    """
    if change is None:
        return "undecided" if min(runs) else MISSING
    if interval is None:
        return INDICATIVE
    low, high = interval.low_rel, interval.high_rel
    if low is not None and high is not None and low >= -SAME_REL and high <= SAME_REL:
        return "same"
    if interval.p_value > 1 - CONFIDENCE:
        return "undecided"
    return "better" if (change < 0) == (better == "lower") else "worse"
