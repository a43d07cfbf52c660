"""How the energy of a sample changes with the board's temperature and the gaps between rounds, and without them.

A board leaks more when it is warm, and draws idle power while nothing runs between two rounds: both differ from session
to session and are no merit of a precision. Over the visits of several sessions of one host, each case around its mean,

    log E = a + b_T T + b_g g

with T in degrees Celsius and g the share of gaps. The errors of the slopes are those of the jackknife over sessions
(Tukey, 1958), because visits of one session resemble each other; over hosts, what hosts differ by comes on top.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.runs.saved import Run
from analysis.runs.visits import SavedVisit, saved_visits
from core.case import Case, case_of, is_own
from core.guards import finite_number

#: The temperature in degrees Celsius that energy is told at: what a board has in a session on a cool day.
REFERENCE_TEMPERATURE_C = 45.0
FEWEST_SESSIONS = 3
#: No board is so hot: a run that says so says nothing.
HOTTEST_C = 150.0
#: Temperatures or shares of gaps that differ by less are the same.
SMALLEST_CHANGE = 1e-9
#: A visit's logarithm of energy, temperature and share of gaps.
Row = tuple[float, float, float]


@dataclass(frozen=True)
class Slopes:
    """Relative changes of energy, with standard errors: a degree Celsius, and from no gaps to nothing but gaps."""

    temperature: float
    temperature_error: float
    gap: float
    gap_error: float

    def at_reference(self, row: Row) -> float:
        """Return the logarithm of a visit's energy at the reference temperature and without gaps."""
        energy, temperature, gap = row
        return energy - self.temperature * (temperature - REFERENCE_TEMPERATURE_C) - self.gap * gap

    def u(self, rows: Sequence[Row]) -> float:
        """Return the standard uncertainty that the slopes' errors leave in the mean over visits, relative."""
        away = statistics.fmean(row[1] for row in rows) - REFERENCE_TEMPERATURE_C
        gap = statistics.fmean(row[2] for row in rows)
        return math.hypot(away * self.temperature_error, gap * self.gap_error)

    @classmethod
    def from_json(cls, document: object) -> Slopes | None:
        """Read what `asdict` made; None where it is something else."""
        if not isinstance(document, Mapping):
            return None
        names = ("temperature", "temperature_error", "gap", "gap_error")
        parts = [finite_number(document.get(name)) for name in names]
        known = [part for part in parts if part is not None]
        if len(known) < len(names) or min(known[1], known[3]) < 0:
            return None
        return cls(*known)


def rows_of(run: Run) -> dict[Case, dict[int, Row]]:
    """Return what energy is told from at reference, by visit, for each case all of whose visits say it."""
    found: dict[Case, dict[int, Row]] = {}
    for item in filter(is_own, run.benchmarks):
        visits = [visit for visit in saved_visits(item["extra_info"]) if visit.energy_mj is not None]
        known = [(visit.number, row_of(visit)) for visit in visits]
        rows = {number: row for number, row in known if number is not None and row is not None}
        if rows and len(rows) == len(visits):
            found[case_of(item)] = rows
    return found


def row_of(visit: SavedVisit) -> Row | None:
    """Return a visit's logarithm of energy, temperature and share of gaps; None where one is not known."""
    energy, temperature, gap = visit.energy_mj, visit.temperature_c, visit.gap_share
    if energy is None or temperature is None or gap is None:
        return None
    return (math.log(energy), temperature, gap) if temperature < HOTTEST_C and 0 <= gap <= 1 else None


def at_reference(run: Run, slopes: Mapping[str, Slopes]) -> dict[Case, dict[int, float]]:
    """Return the logarithms of visits' energy at reference, of cases in executions whose slopes are known."""
    return {
        case: {number: slopes[case.execution].at_reference(row) for number, row in rows.items()}
        for case, rows in rows_of(run).items()
        if case.execution in slopes
    }


def slopes_of(sessions: Sequence[Run]) -> dict[str, Slopes]:
    """Return the slopes of each replayed execution of one host's sessions; none where there are too few, or on a CPU.

    Others keep the device waiting for most of a round: their energy is mainly that of waiting.
    """
    found = {}
    by_session = [rows_of(run) for run in sessions]
    executions = {name for run in sessions for name, traits in run.executions.items() if traits.is_replayed}
    for execution in sorted(executions):
        chosen = [{case: rows for case, rows in of.items() if case.execution == execution} for of in by_session]
        fitted = fit([of for of in chosen if of])
        if fitted is not None:
            found[execution] = fitted
    return found


def fit(sessions: Sequence[Mapping[Case, Mapping[int, Row]]]) -> Slopes | None:
    """Return the common slopes of the cases of several sessions, None where the visits do not tell them apart."""
    if len(sessions) < FEWEST_SESSIONS:
        return None
    values = least_squares(sessions)
    without = [least_squares([*sessions[:number], *sessions[number + 1 :]]) for number in range(len(sessions))]
    if values is None or any(one is None for one in without):
        return None
    left_out = np.array([one for one in without if one is not None])
    free = len(sessions) - 1
    errors = np.sqrt(free / len(sessions) * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
    return Slopes(float(values[0]), float(errors[0]), float(values[1]), float(errors[1]))


def least_squares(sessions: Iterable[Mapping[Case, Mapping[int, Row]]]) -> npt.NDArray[np.float64] | None:
    """Return the slopes over temperature and gap, each case around its mean; None where one does not vary by itself."""
    by_case: dict[Case, list[Row]] = {}
    for session in sessions:
        for case, rows in session.items():
            by_case.setdefault(case, []).extend(rows.values())
    around = np.concatenate([np.array(rows) - np.mean(rows, axis=0) for rows in by_case.values()])
    around[:, 1:][:, np.ptp(around[:, 1:], axis=0) < SMALLEST_CHANGE] = 0.0  # what a mean's rounding leaves of none
    found, _, rank, _ = np.linalg.lstsq(around[:, 1:], around[:, 0], rcond=None)
    return found if rank == around.shape[1] - 1 else None


def of_host(slopes: Sequence[Slopes]) -> Slopes:
    """Return the slopes of one host from its series, one at least, each as sure as it is."""
    temperature = weighed([(one.temperature, one.temperature_error) for one in slopes])
    return Slopes(*temperature, *weighed([(one.gap, one.gap_error) for one in slopes]))


def over_hosts(own: Sequence[Slopes], others: Sequence[Slopes]) -> Slopes | None:
    """Return the slopes of a host from its own series and those of other hosts, one each, each as sure as it is.

    One other host alone says nothing of how hosts differ. None where nothing is known.
    """
    parts = [*own, *([elsewhere(others)] if len(others) > 1 else [])]
    if not parts:
        return None
    return of_host(parts)


def elsewhere(slopes: Sequence[Slopes]) -> Slopes:
    """Return the slopes that a host may have of which nothing is known but those of two others or more.

    Their variances are those of a mean and what hosts differ by.
    """

    def of(values: Sequence[float], errors: Sequence[float]) -> tuple[float, float]:
        spread = statistics.variance(values) * (1 + 1 / len(values))
        return statistics.fmean(values), math.sqrt(
            spread + statistics.fmean(error**2 for error in errors) / len(errors)
        )

    temperature = of([one.temperature for one in slopes], [one.temperature_error for one in slopes])
    return Slopes(*temperature, *of([one.gap for one in slopes], [one.gap_error for one in slopes]))


def weighed(estimates: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the mean of estimates with standard errors, weighed by their inverse variances, and its error."""
    exact = [value for value, error in estimates if error == 0]
    if exact:
        return statistics.fmean(exact), 0.0
    weights = [error**-2 for _, error in estimates]
    mean = sum(weight * value for weight, (value, _) in zip(weights, estimates, strict=True)) / sum(weights)
    return mean, sum(weights) ** -0.5
