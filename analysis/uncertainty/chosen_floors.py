"""Which noise floor a run's intervals are made with: a measured one, a shipped one, or an assumed one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analysis.runs.saved import Run
from analysis.uncertainty.noise_floor import (
    Conditions,
    Floor,
    NoiseFloor,
    conditions_of,
    first_own,
    host_of,
    read_floor,
    spread_of,
)
from analysis.uncertainty.variance import FIGURES
from core.case import case_of, is_own
from core.errors import InputError
from core.executions import USUAL, Executions
from core.statistics.intervals import student_t

#: Floors that come with the suite.
SHIPPED = Path(__file__).parent / "shipped"
#: The key of `machine_info` with the floors of a run.
FLOORS_KEY = "noise_floor"
#: Half-width of the interval of a repeat where nothing was measured, relative, of what a CPU computes or keeps waiting.
#: Chosen so that it holds 94 and 100% of the latencies of two machines with two cores (docs/coverage.md). Of eager ones
#: of seven GPUs, which have floors of their own, it would hold 96%, 88% on the worst.
ASSUMED_REL = 0.4


@dataclass(frozen=True)
class Floors:
    """The floors of a run's intervals, by execution and figure, and which files were not used and why."""

    spreads: Mapping[tuple[str, str], Floor]
    notes: tuple[str, ...] = ()

    def of(self, execution: str, figure: str) -> Floor:
        """Return the floor of a figure; the assumption where none is named."""
        return self.spreads.get((execution, figure)) or assumed(ASSUMED_REL)

    def as_json(self) -> dict[str, Any]:
        """Return what a saved run holds of them."""
        rows = []
        for (execution, figure), floor in self.spreads.items():
            freedom = None if math.isinf(floor.degrees_of_freedom) else floor.degrees_of_freedom
            rows.append({"execution": execution, "figure": figure} | asdict(floor) | {"degrees_of_freedom": freedom})
        return {"spreads": rows, "notes": list(self.notes)}

    @classmethod
    def from_json(cls, document: object) -> Floors | None:
        """Read what `as_json` made; None where it is something else."""
        try:
            rows = document["spreads"]  # type: ignore[index]
            spreads = {
                (str(one["execution"]), str(one["figure"])): spread_of(one, str(one["source"]), one["assumed"] is True)
                for one in rows
            }
        except (ValueError, LookupError, TypeError):
            return None
        return cls(spreads)


def find_floors(
    conditions: Conditions, host: str | None, device: str, executions: Executions, folders: Iterable[Path] = ()
) -> Floors:
    """Return the floors of a run's executions: of a file of its conditions, in a folder or shipped, or assumed.

    `device` is `cpu` or `cuda`. A file that is no floor, or of other conditions where none fits, is named in `notes`.
    """
    fitting: list[NoiseFloor] = []
    notes, others = [], []
    for folder in (*folders, SHIPPED):
        for path in sorted(folder.glob("*.json")):
            try:
                floor = read_floor(path)
            except InputError as error:
                notes.append(str(error))
                continue
            if floor.conditions == conditions:
                fitting.append(floor)
            elif folder != SHIPPED:
                others.append(f"{path} is of {conditions.differences(floor.conditions)}: not used.")
    spreads = {}
    for execution in executions:
        for figure in FIGURES:
            measured = (floor.of(execution, figure, host, executions) for floor in fitting)
            spreads[execution, figure] = next(filter(None, measured), None) or assumed_floor(
                device, execution, figure, executions
            )
    return Floors(spreads, tuple(notes if fitting else (*notes, *others)))


def assumed_floor(device: str, execution: str, figure: str, executions: Executions) -> Floor:
    """Return the floor of what nobody measured: on a GPU the shipped H100's of what is replayed, else `ASSUMED_REL`.

    Of an execution that no shipped floor knows it is the widest of those that are.
    """
    if device == "cuda" and executions[execution].is_replayed:
        for path in sorted(SHIPPED.glob("*h100*.json")):
            shipped = read_floor(path)
            of_others = [shipped.of(name, figure, None, USUAL) for name in USUAL if USUAL[name].is_replayed]
            widest = max(filter(None, of_others), key=lambda floor: floor.session, default=None)
            floor = shipped.of(execution, figure, None, executions) or widest
            if floor is not None:
                return Floor(floor.session, floor.visits, floor.degrees_of_freedom, f"assumed, {floor.source}", True)
    return assumed(ASSUMED_REL)


def assumed(half_width: float) -> Floor:
    """Return the floor with which the interval of a repeat is so wide, relative to the figure."""
    session = math.log1p(half_width) / (math.sqrt(2) * student_t(math.inf))
    return Floor(session, None, math.inf, f"assumed, ± {half_width:.0%}", True)


def floors_of(run: Run) -> Floors:
    """Return the floors that a run names, or those of its conditions that are shipped or assumed."""
    named = Floors.from_json(run.environment.get(FLOORS_KEY))
    if named is not None:
        return named
    named_device = first_own(run).get("device")
    device = "cuda" if isinstance(named_device, str) and named_device.startswith("cuda") else "cpu"
    measured = dict.fromkeys(case_of(item).execution for item in run.benchmarks if is_own(item))
    executions = Executions({name: run.executions[name] for name in measured})
    return find_floors(conditions_of(run), host_of(run), device, executions)
