"""Which noise floor a run's intervals are made with: a measured one, a shipped one, or an assumed one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from analysis.runs.saved import Run
from analysis.uncertainty.conditions import Conditions, conditions_of, first_own, host_of
from analysis.uncertainty.figures import FIGURES
from analysis.uncertainty.floor_files import key_of, read_floor, spread_of
from analysis.uncertainty.noise_floor import AT_REFERENCE, Floor, Key, NoiseFloor, chosen_options
from analysis.uncertainty.slopes import Slopes
from core.case import Case, case_of, is_own
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
    """The floors of a run's intervals, by case and figure, its slopes of energy, and which files were not used and why.

    A run of an earlier version has one floor for all cases of an execution.
    """

    spreads: Mapping[Key, Floor]
    slopes: Mapping[str, Slopes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def of(self, case: Case, figure: str) -> Floor:
        """Return the floor of a case's figure; the assumption where none is named."""
        return self.named(Key(case.execution, figure, case.id)) or assumed(ASSUMED_REL)

    def named(self, key: Key) -> Floor | None:
        """Return the floor of a case's figure, of its execution in a run of an earlier version; None without one."""
        return self.spreads.get(key) or self.spreads.get(replace(key, case=""))

    def as_json(self) -> dict[str, Any]:
        """Return what a saved run holds of them."""
        rows = []
        for key, floor in self.spreads.items():
            freedom = None if math.isinf(floor.degrees_of_freedom) else floor.degrees_of_freedom
            rows.append(asdict(key) | asdict(floor) | {"degrees_of_freedom": freedom})
        slopes = {execution: asdict(one) for execution, one in self.slopes.items()}
        return {"spreads": rows, "slopes": slopes, "notes": list(self.notes)}

    @classmethod
    def from_json(cls, document: object) -> Floors | None:
        """Read what `as_json` made; None where it is something else."""
        try:
            rows = document["spreads"]  # type: ignore[index]
            spreads = {key_of(one): spread_of(one, str(one["source"]), one["assumed"] is True) for one in rows}
            read = {str(name): Slopes.from_json(one) for name, one in document.get("slopes", {}).items()}  # type: ignore[attr-defined]
        except (ValueError, LookupError, TypeError, AttributeError):
            return None
        return cls(spreads, {name: one for name, one in read.items() if one is not None})


def find_floors(
    conditions: Conditions,
    host: str | None,
    device: str,
    cases: Iterable[Case],
    executions: Executions,
    folders: Iterable[Path] = (),
    chosen: Mapping[str, str] = MappingProxyType({}),
) -> Floors:
    """Return the floors of a run's cases: of a file of its conditions, in a folder or shipped, or assumed.

    `chosen` are the compiler options of cases, where that is known: those of other options have other floors.
    `device` is `cpu` or `cuda`. Series of one set of conditions in several files, as of this machine and shipped, make
    one floor. A file that is no floor, or of other conditions where none fits, is named in `notes`.
    """
    found, notes, others = [], [], []
    for path in [path for folder in folders for path in sorted(folder.glob("*.json"))]:
        try:
            floor = read_floor(path)
        except InputError as error:
            notes.append(str(error))
            continue
        if floor.conditions == conditions:
            found.append(floor)
        else:
            others.append(f"{path} is of {conditions.differences(floor.conditions)}: not used.")
    found += [floor for floor in shipped_floors() if floor.conditions == conditions]
    # What is shipped may be of this very host; a folder's own comes first.
    series = {
        (one.host, one.measured or number): one for floor in reversed(found) for number, one in enumerate(floor.series)
    }
    joined = NoiseFloor(conditions, tuple(one.with_options(chosen) for one in series.values()))
    spreads = {
        key: joined.of(case, key.figure, host, executions) or assumed_floor(device, case, key.figure, executions)
        for case in cases
        for key in keys_of(case)
    }
    slopes = {name: one for name in executions if (one := joined.slopes(name, host, executions)) is not None}
    return Floors(spreads, slopes, tuple(notes if found else (*notes, *others)))


def floors_from(floor: NoiseFloor, run: Run, host: str | None) -> Floors:
    """Return the floors that one noise floor has for a run's cases on a host; those that it lacks are assumed."""
    cases = {case_of(item) for item in run.benchmarks if is_own(item)}
    found = {key: floor.of(case, key.figure, host, run.executions) for case in cases for key in keys_of(case)}
    slopes = {name: floor.slopes(name, host, run.executions) for name in {case.execution for case in cases}}
    return Floors(
        {key: one for key, one in found.items() if one is not None},
        {name: one for name, one in slopes.items() if one is not None},
    )


def keys_of(case: Case) -> list[Key]:
    """Return whose floors the intervals of a case are made with."""
    return [Key(case.execution, figure, case.id) for figure in (*FIGURES, AT_REFERENCE)]


@cache
def shipped_floors() -> tuple[NoiseFloor, ...]:
    """Return the floors that come with the suite."""
    return tuple(map(read_floor, sorted(SHIPPED.glob("*.json"))))


def assumed_floor(device: str, case: Case, figure: str, executions: Executions) -> Floor:
    """Return the floor of what nobody measured: on a GPU the shipped H100's of what is replayed, else `ASSUMED_REL`.

    Of an execution that no shipped floor knows it is the widest of those that are.
    """
    if device == "cuda" and executions[case.execution].is_replayed:
        for shipped in [one for one in shipped_floors() if "H100" in str(one.conditions.device)]:
            replayed = [name for name in USUAL if USUAL[name].is_replayed]
            of_others = [shipped.of(case.partner(execution=name), figure, None, USUAL) for name in replayed]
            widest = max(filter(None, of_others), key=lambda floor: floor.session, default=None)
            floor = shipped.of(case, figure, None, executions) or widest
            if floor is not None:
                return replace(floor, source=f"assumed, {floor.source}", assumed=True)
    return assumed(ASSUMED_REL)


def assumed(half_width: float) -> Floor:
    """Return the floor with which the interval of a repeat is so wide, relative to the figure."""
    session = math.log1p(half_width) / (math.sqrt(2) * student_t(math.inf))
    return Floor(session, None, math.inf, f"assumed, ± {half_width:.0%}", True)


def floors_of(run: Run) -> Floors:
    """Return the floors that a run names, and for those that it does not name what its conditions have."""
    cases = list(dict.fromkeys(case_of(item) for item in run.benchmarks if is_own(item)))
    named = Floors.from_json(run.environment.get(FLOORS_KEY))
    if named is not None and all(key in named.spreads for case in cases for key in keys_of(case)):
        return named
    named_device = first_own(run).get("device")
    device = "cuda" if isinstance(named_device, str) and named_device.startswith("cuda") else "cpu"
    executions = Executions({case.execution: run.executions[case.execution] for case in cases})
    known = find_floors(conditions_of(run), host_of(run), device, cases, executions, chosen=chosen_options(run))
    if named is None:
        return known
    spreads = {key: named.named(key) or floor for key, floor in known.spreads.items()}
    return Floors(spreads, named.slopes or known.slopes)
