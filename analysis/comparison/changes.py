"""By how much a metric changed from some runs to others: a process run counts as one observation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.metrics import SAME_REL, Catalogue, Direction
from analysis.storage.runs import Run
from analysis.table import tables
from analysis.uncertainty.intervals import welch
from data_prep.untrusted import LIMITS

#: Fewer runs a side show a tendency and no more.
RUNS_FOR_VERDICT = 3
#: In place of a verdict where the runs were measured by different procedures.
NO_VERDICT = "no verdict"
#: In place of a verdict where a side lacks the metric.
MISSING = "missing"


@dataclass(frozen=True)
class Change:
    """A metric of one benchmark on two sides. Relative to the first side; None where it is unknown."""

    benchmark: str
    metric: str
    better: Direction
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


class RelativeChange(NamedTuple):
    """A relative change, its 95% interval and the noise floor; None where they are unknown."""

    change_rel: float | None = None
    ci95_low: float | None = None
    ci95_high: float | None = None
    noise_floor_rel: float | None = None


def changes(before: Sequence[Run], after: Sequence[Run]) -> list[Change]:
    """Return the change of every metric that can get better and worse, of every benchmark that either side has.

    Runs of different measuring procedures get no verdict.
    """
    runs = (*before, *after)
    catalogue = Catalogue.joined(run.catalogue for run in runs)
    has_verdict = len({item["extra_info"].get("procedure") for run in runs for item in run.benchmarks}) < 2
    sides = [tables(side) for side in (before, after)]
    by_name = [{str(name): rows for name, rows in side.groupby("name", sort=False)} for side in sides]
    compared = []
    for name in dict.fromkeys(name for side in by_name for name in side):
        for metric in catalogue.compared:
            first, second = (values_of(side.get(name), metric.column) for side in by_name)
            if metric.better and (len(first) or len(second)):
                compared.append(change(name, metric.column, metric.better, first, second))
    return compared if has_verdict else [without_verdict(change) for change in compared]


def without_verdict(change: Change) -> Change:
    """Return a change of which nothing is said but the figures."""
    return change if change.verdict == MISSING else replace(change, verdict=NO_VERDICT)


def values_of(rows: pd.DataFrame | None, column: str) -> npt.NDArray[Any]:
    """Return a metric's values in a benchmark's rows; none where there are no rows."""
    if rows is None or column not in rows:
        return np.empty(0)
    values: npt.NDArray[Any] = rows[column].dropna().to_numpy(dtype=float)
    return values


def change(
    benchmark: str,
    metric: str,
    better: Direction,
    before: npt.NDArray[Any],
    after: npt.NDArray[Any],
) -> Change:
    """Compare the values of one metric, one a run.

    The change is that of geometric means, its interval Welch's over the logarithms of the runs' values: on no true
    difference it covered 94% where tests over the rounds of single runs had a false-positive rate of 73%. Values that
    are not all above 0 have no relative change.
    """
    runs = (len(before), len(after))
    means = [float(side.mean()) if len(side) else None for side in (before, after)]
    relative = RelativeChange()
    if min(runs) and min(before.min(), after.min()) > 0:
        relative = relative_change(np.log(before), np.log(after))
    return Change(
        benchmark,
        metric,
        better,
        means[0],
        means[1],
        *relative,
        runs,
        verdict(better, runs, relative),
    )


def relative_change(before: npt.NDArray[Any], after: npt.NDArray[Any]) -> RelativeChange:
    """Return the relative change from logarithms of values to others, its 95% interval and the spread within sides."""
    centre = float(after.mean() - before.mean())
    low = high = noise_floor = None
    degrees_of_freedom = len(before) + len(after) - 2
    if degrees_of_freedom:
        within = sum(float(((side - side.mean()) ** 2).sum()) for side in (before, after))
        noise_floor = expm1(math.sqrt(within / degrees_of_freedom))
    if min(len(before), len(after)) >= 2:
        half_width = welch(before, after).half_width
        low, high = expm1(centre - half_width), expm1(centre + half_width)
    return RelativeChange(expm1(centre), low, high, noise_floor)


def expm1(logarithm: float) -> float | None:
    """Return the relative change that a difference of logarithms is, or None beyond what a float can hold."""
    return math.expm1(logarithm) if logarithm < LIMITS.largest_logarithm else None


def verdict(better: str, runs: tuple[int, int], change: RelativeChange) -> str:
    """Return better, worse, same or undecided; `indicative` with fewer than three runs a side, `missing` without any.

    Better or worse needs an interval without 0 and a change beyond the noise floor.
    """
    if change.change_rel is None:
        return "undecided" if min(runs) else MISSING
    if min(runs) < RUNS_FOR_VERDICT or change.ci95_low is None or change.ci95_high is None:
        return "indicative"
    if change.ci95_low >= -SAME_REL and change.ci95_high <= SAME_REL:
        return "same"
    excludes_zero = change.ci95_low > 0 or change.ci95_high < 0
    if not excludes_zero or abs(change.change_rel) <= (change.noise_floor_rel or 0.0):
        return "undecided"
    return "better" if (change.change_rel < 0) == (better == "lower") else "worse"
