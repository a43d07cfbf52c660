"""The figures whose repeats are predicted, and their logarithms visit by visit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from analysis.runs.saved import Run
from analysis.runs.visits import SavedVisit, saved_visits
from core.case import BASELINE, Case, case_of, is_own

#: Logarithms of a figure of one session's visits, by the visit's number.
Visits = Mapping[int, float]


def visits_of(run: Run, value_of: Callable[[SavedVisit], float | None]) -> dict[Case, dict[int, float]]:
    """Return the logarithms of one figure of a run's visits by their numbers, for cases that have some."""
    found: dict[Case, dict[int, float]] = {}
    for item in filter(is_own, run.benchmarks):
        logarithms = {
            visit.number: math.log(value)
            for visit in saved_visits(item["extra_info"])
            if visit.number is not None and (value := value_of(visit)) is not None
        }
        if logarithms:
            found.setdefault(case_of(item), {}).update(logarithms)
    return found


def latency_of(visit: SavedVisit) -> float | None:
    """Return the median of a visit's rounds in ms."""
    return visit.median_ms


def fast_latencies(run: Run) -> dict[Case, dict[int, float]]:
    """Return the logarithms of the 5% quantiles of visits' rounds, for cases that have one in every visit."""
    every, fast = visits_of(run, latency_of), visits_of(run, lambda visit: visit.fast_ms)
    return {case: visits for case, visits in fast.items() if visits.keys() == every.get(case, {}).keys()}


def energy_of(visit: SavedVisit) -> float | None:
    """Return the energy of a sample in a visit in mJ."""
    return visit.energy_mj


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
    "latency": lambda run: visits_of(run, latency_of),
    "fast latency": fast_latencies,
    "speedup": lambda run: gains(visits_of(run, latency_of)),
    "fast speedup": lambda run: gains(fast_latencies(run)),
    "energy": lambda run: visits_of(run, energy_of),
    "energy saving": lambda run: gains(visits_of(run, energy_of)),
}
