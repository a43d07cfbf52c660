"""By how much a metric changed from some runs to others: a process run counts as one observation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from analysis.intervals import welch
from analysis.metrics import METRICS, RATIOS
from analysis.storage.runs import Run
from analysis.table import tables
from data_prep.untrusted import LIMITS

#: Fewer runs a side show a tendency and no more.
RUNS_FOR_VERDICT = 3
#: An interval within this of no change is called the same.
SAME_REL = 0.01


@dataclass(frozen=True)
class Change:
    """A metric of one benchmark on two sides. Relative to the first side; None where it cannot be told."""

    benchmark: str
    metric: str
    better: Literal["lower", "higher"]
    before: float | None
    after: float | None
    change_rel: float | None
    ci95_low: float | None
    ci95_high: float | None
    #: Run-to-run standard deviation within the sides, relative: what a change has to exceed.
    noise_floor_rel: float | None
    runs: tuple[int, int]
    verdict: str

    @property
    def worsening_rel(self) -> float | None:
        """The change counted so that more is worse."""
        if self.change_rel is None:
            return None
        return self.change_rel if self.better == "lower" else -self.change_rel


def changes(before: Sequence[Run], after: Sequence[Run]) -> list[Change]:
    """Return the change of every metric with a better and a worse, of every benchmark that either side has."""
    sides = [tables([run.benchmarks for run in runs]) for runs in (before, after)]
    names = list(dict.fromkeys(name for side in sides for name in side["name"]))
    metrics = [(metric.column, metric.better) for metric in METRICS if metric.better]
    metrics += [(ratio.column, "higher") for ratio in RATIOS]
    found = []
    for name in names:
        rows = [side[side["name"] == name] for side in sides]
        for column, better in metrics:
            values = [row[column].dropna().to_numpy(dtype=float) for row in rows]
            if len(values[0]) or len(values[1]):
                found.append(change(name, column, better, values[0], values[1]))
    return found


def change(
    benchmark: str,
    metric: str,
    better: Literal["lower", "higher"],
    before: np.ndarray[Any, Any],
    after: np.ndarray[Any, Any],
) -> Change:
    """Compare the values of one metric, one a run.

    The change is that of geometric means, its interval Welch's over the logarithms of the runs' values: on no true
    difference it covered 94% where tests over the rounds of single runs cried wolf in 73% of cases. Values that are not
    all above 0 have no relative change.
    """
    runs = (len(before), len(after))
    means = [float(np.mean(side)) if len(side) else None for side in (before, after)]
    found: dict[str, float | None] = dict.fromkeys(("change_rel", "ci95_low", "ci95_high", "noise_floor_rel"))
    if min(runs) and min(before.min(), after.min()) > 0:
        found = log_change(np.log(before), np.log(after))
    verdict = judged(better, runs, **found)
    return Change(benchmark, metric, better, means[0], means[1], runs=runs, verdict=verdict, **found)


def log_change(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> dict[str, float | None]:
    """Return the relative change of logarithms' means, its 95% interval and the spread within the sides."""
    centre = float(after.mean() - before.mean())
    found: dict[str, float | None] = {
        "change_rel": relative(centre),
        "ci95_low": None,
        "ci95_high": None,
        "noise_floor_rel": None,
    }
    sizes = [len(before), len(after)]
    freedom = sum(size - 1 for size in sizes)
    if freedom:
        within = sum(float(((side - side.mean()) ** 2).sum()) for side in (before, after))
        found["noise_floor_rel"] = relative(math.sqrt(within / freedom))
    if min(sizes) >= 2:
        half_width = welch(before, after).half_width
        found |= {"ci95_low": relative(centre - half_width), "ci95_high": relative(centre + half_width)}
    return found


def relative(logarithm: float) -> float | None:
    """Return the relative change that a difference of logarithms is, or None beyond what a float can hold."""
    return math.expm1(logarithm) if logarithm < LIMITS.largest_logarithm else None


def judged(
    better: str,
    runs: tuple[int, int],
    change_rel: float | None,
    ci95_low: float | None,
    ci95_high: float | None,
    noise_floor_rel: float | None,
) -> str:
    """Return better, worse, same or undecided; `indicative` with fewer than three runs a side, `missing` without any.

    Better or worse needs an interval without 0 and a change beyond the noise floor.
    """
    if change_rel is None:
        return "missing" if not min(runs) else "undecided"
    if min(runs) < RUNS_FOR_VERDICT or ci95_low is None or ci95_high is None:
        return "indicative"
    if ci95_low >= -SAME_REL and ci95_high <= SAME_REL:
        return "same"
    if (ci95_low > 0 or ci95_high < 0) and abs(change_rel) > (noise_floor_rel or 0.0):
        return "better" if (change_rel < 0) == (better == "lower") else "worse"
    return "undecided"
