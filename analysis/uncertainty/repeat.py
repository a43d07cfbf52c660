"""The interval of a repeat: where the figure of another session of the same thing will lie, 19 times in 20.

In logarithms, so relative to the figure. With V visits of a case, their standard deviation s_visits pooled over the
cases of an execution, and s_session of the noise floor:

    u^2 = max(s_session^2, s_visits^2 / V)
    half-width = t(nu) u sqrt(1/N + 1/M)

for N sessions against M; a repeat is one against one, sqrt(2). nu are the degrees of freedom of whichever u is made of.
Session figures scatter by what their visits explain and by what a session adds, and s_session holds both already.
Sources: Kalibera and Jones, Rigorous benchmarking in reasonable time, 2013; JCGM 100:2008, sections 4.3 and G.3.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.special import stdtr

from analysis.runs.saved import Run
from analysis.uncertainty.chosen_floors import Floors, floors_of
from analysis.uncertainty.noise_floor import Floor
from analysis.uncertainty.variance import FIGURES, Visits, squares
from core.case import Case, case_of, is_own
from core.statistics.intervals import student_t

#: The figure whose logarithm is that of a gain.
SAVING = "energy saving"
#: Why a figure has no interval of a repeat.
ONE_VISIT = "one visit, and no noise floor of this machine was measured"


@dataclass(frozen=True)
class Repeat:
    """A session's figure as the logarithm of its mean over visits, and the standard uncertainty of a session's figure.

    `assumed` says that nobody measured how sessions differ; `source` is what the uncertainty is made of.
    """

    centre: float
    u: float
    degrees_of_freedom: float
    source: str
    assumed: bool = False

    def half_width(self, ours: float = 1, theirs: float = 1) -> float:
        """Return how far the interval reaches to either side, for means of so many sessions."""
        return student_t(self.degrees_of_freedom) * self.u * math.sqrt(1 / ours + 1 / theirs)

    def value(self, figure: str) -> float:
        """Return the figure itself: of `energy saving` the share that is saved, 1 - 1 / gain."""
        return -math.expm1(-self.centre) if figure == SAVING else math.exp(self.centre)

    def ends(self, figure: str) -> tuple[float, float]:
        """Return the ends of the interval of a repeat, in the figure's unit."""
        low, high = (self.centre + side * self.half_width() for side in (-1, 1))
        return (-math.expm1(-low), -math.expm1(-high)) if figure == SAVING else (math.exp(low), math.exp(high))

    def p_value(self, difference: float, ours: float, theirs: float) -> float:
        """Return how probable a difference of means so large or larger is between sessions of the same thing."""
        scale = self.u * math.sqrt(1 / ours + 1 / theirs)
        if scale == 0:
            return float(difference == 0)
        return float(2 * stdtr(self.degrees_of_freedom, -abs(difference) / scale))


def repeats(run: Run, floors: Floors | None = None) -> dict[str, dict[Case, Repeat]]:
    """Return by figure (`FIGURES`) the repeat of each case that has one; `floors` are the run's own by default."""
    floors = floors or floors_of(run)
    found = {}
    for figure, visits in FIGURES.items():
        by_case = visits(run)
        spreads = {execution: pooled(by_case, execution) for execution in {case.execution for case in by_case}}
        known = {
            case: repeat(list(of_case.values()), spreads[case.execution], floors.of(case.execution, figure))
            for case, of_case in by_case.items()
        }
        found[figure] = {case: one for case, one in known.items() if one is not None}
    return found


def pooled(by_case: Mapping[Case, Visits], execution: str) -> tuple[float, int] | None:
    """Return the variance of visits around their case's mean over an execution's cases, and its degrees of freedom."""
    chosen = [list(visits.values()) for case, visits in by_case.items() if case.execution == execution]
    freedom = sum(len(visits) - 1 for visits in chosen)
    return (sum(map(squares, chosen)) / freedom, freedom) if freedom else None


def repeat(visits: Sequence[float], spread: tuple[float, int] | None, floor: Floor) -> Repeat | None:
    """Return the repeat of one case, from the logarithms of its visits, the variance of visits, and the floor.

    With one visit the floor alone says it, by the spread of visits that it found; None where that is assumed.
    """
    source, freedom = floor.source, floor.degrees_of_freedom
    if spread is None:
        if floor.assumed or floor.visits is None:
            return None
        spread, source = (floor.visits**2, 0), f"{source}, for one visit"
    of_visits = spread[0] / len(visits)
    if of_visits > floor.session**2 and spread[1]:
        return Repeat(statistics.fmean(visits), math.sqrt(of_visits), spread[1], "this session's visits", floor.assumed)
    u = math.sqrt(max(of_visits, floor.session**2))
    return Repeat(statistics.fmean(visits), u, freedom, source, floor.assumed)


def joint_repeat(found: Iterable[Repeat | None]) -> Repeat | None:
    """Return what several sessions say of one figure: the mean of their variances; None where one of them has none."""
    listed = list(found)
    known = [one for one in listed if one is not None]
    if not known or len(known) < len(listed):
        return None
    return Repeat(
        centre=statistics.fmean(one.centre for one in known),
        u=math.sqrt(statistics.fmean(one.u**2 for one in known)),
        degrees_of_freedom=min(one.degrees_of_freedom for one in known),
        source="; ".join(dict.fromkeys(one.source for one in known)),
        assumed=any(one.assumed for one in known),
    )


def repeat_intervals(run: Run) -> dict[str, dict[str, dict[str, Any]]]:
    """Return for each benchmark of a run what its JSON holds of repeats, by section of `extra_info`.

    Where there is no interval its ends are null and `repeat95_reason` says why.
    """
    found = repeats(run)
    by_name: dict[str, dict[str, dict[str, Any]]] = {}
    for item in filter(is_own, run.benchmarks):
        case, sections = case_of(item), {}
        for section, unit, figure in (("latency", "ms", "median_ms"), ("energy", "mj", "energy_per_sample_mj")):
            one, value = found[section].get(case), item["extra_info"].get(section, {}).get(figure)
            low, high = (None, None) if one is None or value is None else one.ends(section)
            sections[section] = {
                f"repeat95_low_{unit}": low,
                f"repeat95_high_{unit}": high,
                "repeat95_source": None if low is None or one is None else one.source,
                "repeat95_assumed": None if low is None or one is None else one.assumed,
                "repeat95_reason": None if low is not None else "there is no figure" if value is None else ONE_VISIT,
            }
        by_name[case.id] = sections
    return by_name
