"""Energy at the reference temperature and without gaps: by hand, why it is missing, and in the committed sessions."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from analysis.runs.saved import Run
from analysis.uncertainty.chosen_floors import Floors
from analysis.uncertainty.noise_floor import AT_REFERENCE, Floor, Key
from analysis.uncertainty.repeat import repeats
from analysis.uncertainty.saved_repeats import (
    NO_CONDITIONS,
    NO_FIGURE,
    NO_SLOPES,
    energy_at_reference,
    repeat_intervals,
)
from analysis.uncertainty.slopes import Slopes
from core.case import Case
from reference.runs import sessions
from reference.series import DEFAULTS
from tests.support.described import described, table
from tests.support.saved_runs import measured

GRAPH = Case("fp16", "graph")
SLOPES = Slopes(0.004, 0.001, 0.5, 0.1)
FLOOR = Floor(0.003, 0.003, 1e9, "a floor of the test")
FLOORS = Floors(
    {Key(name, figure, ""): FLOOR for name in ("graph", "eager") for figure in ("energy", AT_REFERENCE)},
    {"graph": SLOPES},
)
#: Energies of five visits in mJ, degrees Celsius, and shares of gaps.
VISITS = ((100.0, 50, 0.01), (102.0, 54, 0.02), (101.0, 52, 0.03), (103.0, 55, 0.02), (99.0, 49, 0.02))


def item(execution: str = "graph", energy_mj: float | None = 101.0, **last: object) -> dict:
    """A benchmark of such visits; `last` replaces parts of the last one."""
    made = measured("fp16", execution, 1.0, energy_mj)
    for visit, (energy, warm, gap) in zip(made["extra_info"]["visits"], VISITS, strict=True):
        visit |= {"energy_mj": energy_mj and energy, "temperature_c": warm, "gap_share": gap}
    made["extra_info"]["visits"][-1] |= last
    return made


def told(made: dict, floors: Floors = FLOORS) -> dict:
    """What a saved run holds of it."""
    run = Run(Path(), (made,), described())
    return energy_at_reference(made, repeats(run, floors), run, floors)


def test_energy_at_reference_is_the_mean_over_visits_without_warmth_and_gaps():
    logs = [math.log(energy) - 0.004 * (warm - 45) - 0.5 * gap for energy, warm, gap in VISITS]
    assert told(item()) == {
        "at_reference_mj": pytest.approx(math.exp(sum(logs) / 5)),
        "at_reference_reason": None,
        "reference_temperature_c": 45.0,
    }


def test_the_errors_of_the_slopes_stand_beside_the_spread_of_sessions():
    found = repeats(Run(Path(), (item(),), described()), FLOORS)[AT_REFERENCE][GRAPH]
    visits = repeats(Run(Path(), (item(),), described()), replace(FLOORS, slopes={"graph": Slopes(0.004, 0, 0.5, 0)}))
    # Visits are 7 degrees above the reference on average, and have 2% of gaps.
    assert found.u == pytest.approx(math.hypot(visits[AT_REFERENCE][GRAPH].u, 7 * 0.001, 0.02 * 0.1))


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (item(energy_mj=None), NO_FIGURE),
        (item(temperature_c=None), NO_CONDITIONS),
        (item(gap_share=None), NO_CONDITIONS),
        (item("eager"), NO_SLOPES),
        (item("eager", energy_mj=None), NO_FIGURE),
    ],
)
def test_energy_that_is_not_told_at_reference_says_why(made, reason):
    expected = {"at_reference_mj": None, "at_reference_reason": reason, "reference_temperature_c": None}
    assert told(made) == expected


def test_where_nobody_measured_slopes_there_is_none_and_the_command_that_does_is_named():
    found = told(item(), replace(FLOORS, slopes={}))
    assert (found["at_reference_mj"], found["at_reference_reason"]) == (None, NO_SLOPES)
    assert "`python -m benchmarks --repeats 10`" in NO_SLOPES


def test_a_saved_run_has_its_energy_at_reference_with_the_interval_of_a_repeat():
    run = Run(Path(), (item(), item("eager")), described({"noise_floor": FLOORS.as_json()}))
    found = repeat_intervals(run)
    energy = found["fp16-graph"]["energy"]
    low, high = energy["at_reference_repeat95_low_mj"], energy["at_reference_repeat95_high_mj"]
    assert low < energy["at_reference_mj"] < high
    assert low * high == pytest.approx(energy["at_reference_mj"] ** 2)  # symmetric in logarithms
    assert energy["at_reference_repeat95_reason"] is None
    energy = found["fp16-eager"]["energy"]
    assert energy["at_reference_repeat95_low_mj"] is None
    assert energy["at_reference_repeat95_reason"] == NO_FIGURE


def test_the_table_has_the_energy_at_reference_that_the_saved_run_has():
    frame = table([item(), item("eager")], {"noise_floor": FLOORS.as_json()}).set_index("name")
    assert frame.loc["fp16-graph", "energy_at_reference_mj"] == pytest.approx(told(item())["at_reference_mj"])
    assert pd.isna(frame.loc["fp16-eager", "energy_at_reference_mj"])


def relative_widths(frame: pd.DataFrame, value: str, stem: str) -> pd.Series:
    """The widths of the intervals of a repeat of an energy, relative to it."""
    return (frame[f"{stem}_repeat95_high_mj"] - frame[f"{stem}_repeat95_low_mj"]) / frame[value]


def test_replayed_energies_of_the_h200_sessions_repeat_more_closely_at_reference():
    frame = pd.concat([sessions(series) for host, series in DEFAULTS.items() if host.startswith("h200")])
    graph, eager = (frame[frame["execution"] == name] for name in ("graph", "eager"))
    assert graph["energy_at_reference_mj"].notna().all()
    assert eager["energy_at_reference_mj"].isna().all()
    raw = relative_widths(graph, "energy_per_sample_mj", "energy")
    at_reference = relative_widths(graph, "energy_at_reference_mj", "energy_at_reference")
    assert at_reference.notna().all()
    assert (at_reference < raw).mean() > 0.5
    assert at_reference.mean() < raw.mean()
