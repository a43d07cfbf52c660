"""What a saved run holds of repeats beside the figures: intervals, and energy at reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from analysis.runs.saved import Run
from analysis.uncertainty.chosen_floors import Floors, floors_of
from analysis.uncertainty.noise_floor import AT_REFERENCE
from analysis.uncertainty.repeat import Repeat, repeats
from analysis.uncertainty.slopes import REFERENCE_TEMPERATURE_C, at_reference
from core.case import Case, case_of, is_own
from core.metrics import lookup

#: Repeats by figure and case.
Repeats = Mapping[str, Mapping[Case, Repeat]]


class SavedRepeat(NamedTuple):
    """Where a saved run has the interval of a repeat of a figure: its section, and how its keys begin and end."""

    figure: str
    section: str
    value: str
    stem: str
    unit: str


SAVED_REPEATS = (
    SavedRepeat("latency", "latency", "median_ms", "", "ms"),
    SavedRepeat("fast latency", "latency", "fast_ms", "fast_", "ms"),
    SavedRepeat("energy", "energy", "energy_per_sample_mj", "", "mj"),
    SavedRepeat(AT_REFERENCE, "energy", "at_reference_mj", "at_reference_", "mj"),
)
#: Why a figure has no interval of a repeat.
ONE_VISIT = "one visit, and no noise floor of this machine was measured"
NO_FIGURE = "there is no figure"
#: Why energy is not told at reference.
NO_SLOPES = (
    "nobody measured how energy changes with temperature and gaps on this device: `python -m benchmarks --repeats 10` "
    "does, of executions that are replayed"
)
NO_CONDITIONS = "a visit does not say its temperature or its gaps"


def energy_at_reference(item: Mapping[str, Any], found: Repeats, run: Run, floors: Floors) -> dict[str, Any]:
    """Return a benchmark's energy at the reference temperature and without gaps, and why it has none."""
    case, energy = case_of(item), lookup(item["extra_info"], "energy.energy_per_sample_mj")
    one = found[AT_REFERENCE].get(case) if energy is not None else None
    reason = None
    if energy is None:
        reason = NO_FIGURE
    elif case.execution not in floors.slopes:
        reason = NO_SLOPES
    elif one is None:
        reason = ONE_VISIT if case in at_reference(run, floors.slopes) else NO_CONDITIONS
    return {
        "at_reference_mj": None if one is None else one.value(AT_REFERENCE),
        "at_reference_reason": reason,
        "reference_temperature_c": None if one is None else REFERENCE_TEMPERATURE_C,
    }


def repeat_intervals(run: Run) -> dict[str, dict[str, dict[str, Any]]]:
    """Return for each benchmark of a run what its JSON holds of repeats, by section of `extra_info`.

    Where there is no interval its ends are null and `repeat95_reason` says why.
    """
    floors = floors_of(run)
    found = repeats(run, floors)
    by_name: dict[str, dict[str, dict[str, Any]]] = {}
    for item in filter(is_own, run.benchmarks):
        case = case_of(item)
        sections: dict[str, dict[str, Any]] = {"latency": {}, "energy": energy_at_reference(item, found, run, floors)}
        for saved in SAVED_REPEATS:
            one = found[saved.figure].get(case)
            value = (sections[saved.section] | item["extra_info"].get(saved.section, {})).get(saved.value)
            low, high = (None, None) if one is None or value is None else one.ends(saved.figure)
            sections[saved.section] |= {
                f"{saved.stem}repeat95_low_{saved.unit}": low,
                f"{saved.stem}repeat95_high_{saved.unit}": high,
                f"{saved.stem}repeat95_source": None if low is None or one is None else one.source,
                f"{saved.stem}repeat95_assumed": None if low is None or one is None else one.assumed,
                f"{saved.stem}repeat95_reason": None if low is not None else NO_FIGURE if value is None else ONE_VISIT,
            }
        by_name[case.id] = sections
    return by_name
