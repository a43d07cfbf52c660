"""Why a side of a comparison lacks a figure: by chance, which says nothing of a change, or for good."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.runs.saved import Run
from core.case import BASELINE, case_of
from core.metrics import Column, Metric, Ratio, lookup

#: Codes of `energy.code` that the next session may not have again, and what they are in words.
BY_CHANCE = {
    "TOO_UNCERTAIN": "the visits of a session scattered too much",
    "TOO_FEW_TICKS": "the meter ticked too few times in a session",
    "OTHER_PROCESS": "another process computed on the GPU in a session",
    "THROTTLED": "the clocks were held down in a session",
}
NET, WHY_NO_NET = "energy.energy_per_sample_net_mj", "energy.net_reason"
NOT_ABOVE_IDLE = "the power of a session was not clearly above idle"
#: Figures that take more rounds than a session may have, and why they are missing.
OF_MANY_ROUNDS = ("fast latency", "fast speedup")
TOO_FEW_ROUNDS = "a visit of a session had too few rounds for it"
NOT_MEASURED = "one side did not measure it"


def missing_by_chance(runs: Sequence[Run], name: str, metric: Column) -> str | None:
    """Return why the runs of a side have no figure of a benchmark where chance decides that; None where it does not."""
    cases = {case_of(item).id: case_of(item) for run in runs for item in run.benchmarks}
    if name not in cases:
        return NOT_MEASURED
    names = {name}
    if isinstance(metric, Ratio):
        names.add(cases[name].partner(precision=BASELINE).id)
        if not names <= cases.keys():
            return NOT_MEASURED
    if metric.repeat in OF_MANY_ROUNDS:
        return TOO_FEW_ROUNDS
    if not is_of_energy(metric):
        return None
    infos = [item["extra_info"] for run in runs for item in run.benchmarks if case_of(item).id in names]
    codes = [lookup(one, "energy.code") for one in infos]
    if (
        isinstance(metric, Metric)
        and metric.path == NET
        and any(isinstance(lookup(one, WHY_NO_NET), str) for one in infos)
    ):
        return NOT_ABOVE_IDLE
    return next((BY_CHANCE[code] for code in codes if isinstance(code, str) and code in BY_CHANCE), None)


def is_of_energy(metric: Column) -> bool:
    """Tell whether a figure is one of the energy meter, or a ratio of such."""
    if isinstance(metric, Ratio):
        return metric.of.startswith("energy")
    return isinstance(metric, Metric) and metric.path.startswith("energy.")
