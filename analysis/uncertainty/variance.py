"""How much of a figure's spread lies between the visits of a session, and how much between sessions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.special import chdtri

from analysis.uncertainty.figures import Visits
from core.case import Case
from core.statistics.intervals import TAIL


@dataclass(frozen=True)
class Spread:
    """A standard deviation of logarithms, which is relative to the figure, and its 95% interval."""

    value: float
    low: float
    high: float
    degrees_of_freedom: int

    @classmethod
    def of(cls, squares: float, degrees_of_freedom: int) -> Spread:
        """Return the standard deviation of a sum of squares, with the interval for values of a normal distribution.

        s sqrt(nu / chi2(nu, 0.975)) to s sqrt(nu / chi2(nu, 0.025)).
        """
        low, high = (float(chdtri(degrees_of_freedom, tail)) for tail in (TAIL, 1 - TAIL))
        return cls(
            math.sqrt(squares / degrees_of_freedom),
            math.sqrt(squares / low),
            math.sqrt(squares / high),
            degrees_of_freedom,
        )

    def __str__(self) -> str:
        return f"{self.value:.2%} ({self.low:.2%} to {self.high:.2%})"


@dataclass(frozen=True)
class Components:
    """The spreads of a figure over an execution's cases, each around its own mean.

    `visits`: of the visits of one session. `session`: of session figures, the means over their visits. `between`: what
    sessions differ by beside what their few visits explain, sqrt(session^2 - visits^2 / V), 0 where that is negative.
    """

    sessions: int
    cases: int
    visits: Spread
    session: Spread
    between: float


def components(sessions: Sequence[Mapping[Case, Visits]]) -> Components | None:
    """Return the components of several sessions' figures, or None with fewer than two sessions or visits.

    Cases of one session share what the session adds, so `session` has as many degrees of freedom as one case alone.
    """
    cases = {case for session in sessions for case in session}
    by_case = {case: [list(session.get(case, {}).values()) for session in sessions] for case in cases}
    visited = {case: [visits for visits in of_case if len(visits) > 1] for case, of_case in by_case.items()}
    whole = {case: of_case for case, of_case in visited.items() if len(of_case) > 1}
    if not whole:
        return None
    within = [(squares(values), len(values) - 1) for of_case in whole.values() for values in of_case]
    visits = Spread.of(sum(square for square, _ in within), sum(freedom for _, freedom in within))
    means = [[statistics.fmean(values) for values in of_case] for of_case in whole.values()]
    freedom = min(map(len, means)) - 1
    mean_square = statistics.fmean(squares(of_case) / (len(of_case) - 1) for of_case in means)
    session = Spread.of(mean_square * freedom, freedom)
    each = statistics.harmonic_mean([len(values) for of_case in whole.values() for values in of_case])
    between = math.sqrt(max(0.0, session.value**2 - visits.value**2 / each))
    return Components(len(sessions), len(whole), visits, session, between)


def squares(values: Sequence[float]) -> float:
    """Return the sum of squares around the mean."""
    mean = statistics.fmean(values)
    return sum((value - mean) ** 2 for value in values)
