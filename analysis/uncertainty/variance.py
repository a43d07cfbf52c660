"""How much of a figure's spread lies between the visits of a session, and how much between sessions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from scipy.special import chdtri

from analysis.case import BASELINE, Case, case_of, is_own
from analysis.metrics import lookup
from analysis.report.text_tables import markdown_table
from analysis.storage.runs import Run
from analysis.uncertainty.intervals import TAIL
from data_prep.errors import InputError
from data_prep.untrusted import finite_number

#: Logarithms of a figure of one session's visits, by the visit's number.
Visits = Mapping[int, float]


@dataclass(frozen=True)
class Spread:
    """A standard deviation of logarithms, which is relative to the figure, and its 95% interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, squares: float, degrees_of_freedom: int) -> Spread:
        """Return the standard deviation of a sum of squares, with the interval for values of a normal distribution.

        s sqrt(nu / chi2(nu, 0.975)) to s sqrt(nu / chi2(nu, 0.025)).
        """
        low, high = (float(chdtri(degrees_of_freedom, tail)) for tail in (TAIL, 1 - TAIL))
        return cls(math.sqrt(squares / degrees_of_freedom), math.sqrt(squares / low), math.sqrt(squares / high))

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
    by_case = {case: [list(session[case].values()) for session in sessions if case in session] for case in cases}
    whole = {case: of_case for case, of_case in by_case.items() if len(of_case) > 1 and min(map(len, of_case)) > 1}
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


def visits_of(run: Run, name: str) -> dict[Case, dict[int, float]]:
    """Return the logarithms of one figure of a run's visits (`median_ms`, `energy_mj`), for cases that have some."""
    found: dict[Case, dict[int, float]] = {}
    for item in run.benchmarks:
        visits = item["extra_info"].get("visits") if is_own(item) else None
        for visit in visits if isinstance(visits, list) else ():
            number, value = (finite_number(visit.get(key)) for key in ("number", name))
            if number is not None and value is not None and value > 0:
                found.setdefault(case_of(item), {})[int(number)] = math.log(value)
    return found


def gains(visits: Mapping[Case, Visits]) -> dict[Case, dict[int, float]]:
    """Return the logarithms of baseline / value, visit by visit, for each case but the baseline's own."""
    found: dict[Case, dict[int, float]] = {}
    for case, own in visits.items():
        baseline = visits.get(case.partner(precision=BASELINE), {})
        paired = {number: baseline[number] - value for number, value in own.items() if number in baseline}
        if case.precision != BASELINE and paired:
            found[case] = paired
    return found


#: The figures whose components are told, and how they come from a run.
FIGURES: dict[str, Callable[[Run], Mapping[Case, Visits]]] = {
    "latency": lambda run: visits_of(run, "median_ms"),
    "speedup": lambda run: gains(visits_of(run, "median_ms")),
    "energy": lambda run: visits_of(run, "energy_mj"),
    "energy saving": lambda run: gains(visits_of(run, "energy_mj")),
}


def variance_markdown(runs: Sequence[Run]) -> str:
    """Return the components of each board's sessions as Markdown. Raises `InputError` where no run has visits."""
    boards: dict[str, list[Run]] = {}
    for run in runs:
        boards.setdefault(board_of(run), []).append(run)
    parts = [f"# Components of variance over {len(runs)} session(s)"]
    for board, of_board in boards.items():
        rows = list(component_rows(of_board))
        if not rows:
            raise InputError(
                f"{of_board[0].path} and the others of {board} are {len(of_board)} session(s), or have no visits; "
                "expected two sessions or more, as `python -m benchmarks --repeats 10` makes them."
            )
        parts.append(f"## {board}, {len(of_board)} sessions\n\n{markdown_table(pd.DataFrame(rows))}")
    return "\n\n".join(parts)


def component_rows(runs: Sequence[Run]) -> Iterable[dict[str, str]]:
    """Give a row of text for each execution and figure of one board's sessions."""
    for figure, visits in FIGURES.items():
        sessions = [visits(run) for run in runs]
        for execution in sorted({case.execution for session in sessions for case in session}):
            chosen = [{case: of for case, of in one.items() if case.execution == execution} for one in sessions]
            found = components(chosen)
            if found is not None:
                yield {
                    "execution": execution,
                    "figure": figure,
                    "cases": str(found.cases),
                    "between visits": str(found.visits),
                    "session figures": str(found.session),
                    "between sessions": f"{found.between:.2%}",
                }


def board_of(run: Run) -> str:
    """Return name and UUID of the device that a run was measured on."""
    first: Any = run.benchmarks[0]["extra_info"] if run.benchmarks else {}
    name, uuid = (lookup(first, f"environment.{key}") for key in ("device_name", "device_uuid"))
    return f"{name or 'unknown device'} ({uuid or 'no UUID'})"
