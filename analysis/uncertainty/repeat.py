"""The interval of a repeat: where the figure of another session of the same thing will lie, 19 times in 20.

In logarithms, so relative to the figure. With V visits of a case, their standard deviation s_visits drawn to that of
the session's other cases of the execution (or pooled with them, by an assumed floor), and s_session of the noise floor
of the case:

    u^2 = max(s_session^2, s_visits^2 / V)
    half-width = t(nu) u sqrt(1/N + 1/M)

for N sessions against M; a repeat is one against one, sqrt(2). nu are the degrees of freedom of whichever u is made of.
Session figures scatter by what their visits explain and by what a session adds, and s_session holds both already.
Energy at reference has the error of its slopes beside u.
Sources: Kalibera and Jones, Rigorous benchmarking in reasonable time, 2013; JCGM 100:2008, sections 4.3 and G.3.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from scipy.special import stdtr

from analysis.runs.saved import Run
from analysis.uncertainty.chosen_floors import Floors, floors_of
from analysis.uncertainty.figures import Visits
from analysis.uncertainty.noise_floor import AT_REFERENCE, Floor, Pooled, shrunk, visits_by_figure
from analysis.uncertainty.slopes import rows_of
from analysis.uncertainty.variance import squares
from core.case import Case
from core.statistics.intervals import student_t

#: The figure whose logarithm is that of a gain.
SAVING = "energy saving"


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
    """Return by figure the repeat of each case that has one; `floors` are the run's own by default."""
    floors = floors or floors_of(run)
    found = {}
    for figure, by_case in visits_by_figure(run, floors.slopes).items():
        known = {}
        for case, visits in by_case.items():
            floor = floors.of(case, figure)
            # Where nobody measured how sessions differ, visits decide, and a case's own are too few to.
            spread = pooled_visits(by_case, case) if floor.assumed else spread_of_visits(by_case, case)
            known[case] = repeat(list(visits.values()), spread, floor)
        found[figure] = {case: one for case, one in known.items() if one is not None}
    rows = rows_of(run)
    found[AT_REFERENCE] = {
        case: replace(one, u=math.hypot(one.u, floors.slopes[case.execution].u(list(rows[case].values()))))
        for case, one in found[AT_REFERENCE].items()
    }
    return found


def spread_of_visits(by_case: Mapping[Case, Visits], case: Case) -> Pooled | None:
    """Return the variance of a case's visits around their mean, drawn to that of the execution's other cases."""
    others = [one for one in by_case if one.execution == case.execution and one != case]
    return shrunk(_of_visits([by_case[case]]), _of_visits([by_case[one] for one in others]))


def pooled_visits(by_case: Mapping[Case, Visits], case: Case) -> Pooled | None:
    """Return the variance of visits around their case's mean over all cases of an execution."""
    return _of_visits([by_case[one] for one in by_case if one.execution == case.execution])


def _of_visits(cases: Iterable[Visits]) -> Pooled | None:
    known = [list(visits.values()) for visits in cases]
    freedom = sum(len(visits) - 1 for visits in known)
    return Pooled(sum(map(squares, known)) / freedom, freedom, None) if freedom else None


def repeat(visits: Sequence[float], spread: Pooled | None, floor: Floor) -> Repeat | None:
    """Return the repeat of one case, from the logarithms of its visits, their variance, and the floor.

    With one visit the floor alone says it, by the spread of visits that it found; None where that is assumed.
    """
    centre, source, freedom = statistics.fmean(visits), floor.source, floor.degrees_of_freedom
    if spread is None:
        if floor.assumed or floor.visits is None:
            return None
        u = math.sqrt(max(floor.visits**2 / len(visits), floor.session**2))
        return Repeat(centre, u, freedom, f"{source}, for one visit", floor.assumed)
    of_visits = spread.variance / len(visits)
    if of_visits > floor.session**2:
        return Repeat(centre, math.sqrt(of_visits), spread.freedom, "this session's visits", floor.assumed)
    return Repeat(centre, floor.session, freedom, source, floor.assumed)


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
