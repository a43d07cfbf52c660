"""The noise floor: how much the figures of a session differ from those of another session of the same thing.

A floor is a file of one device, driver, PyTorch and measuring procedure. It holds a series for each host that it was
measured on: how many sessions, and the spread of their figures. `python -m benchmarks --repeats N` adds a series.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analysis.runs.saved import Run, measured_at
from analysis.uncertainty.variance import FIGURES, components
from core.case import is_own
from core.errors import InputError
from core.executions import Executions
from core.files import write
from core.guards import finite_number, sanitized
from core.metrics import lookup

#: Within the folder of results.
FOLDER = "noise_floors"
FEWEST_SESSIONS = 3
REMEASURE = "`python -m benchmarks --repeats 10` measures one."


@dataclass(frozen=True)
class Floor:
    """The spread of one figure in one execution: standard deviations of logarithms, which are relative to the figure.

    `session`: of the figures of sessions. `visits`: of the visits of one session, None where that is not known.
    `degrees_of_freedom` of `session`, infinite for one that is assumed.
    """

    session: float
    visits: float | None
    degrees_of_freedom: float
    source: str
    assumed: bool = False


@dataclass(frozen=True)
class Conditions:
    """The device, driver, PyTorch and procedure that a floor was measured with; None for what is not known."""

    device: str | None
    driver: str | None
    torch: str | None
    procedure: int

    @classmethod
    def of(cls, essentials: Mapping[str, Any], procedure: int) -> Conditions:
        """Return the conditions of a benchmark, from its `environment`."""
        known = [essentials.get(name) for name in ("device_name", "driver", "torch")]
        device, driver, torch = (value if isinstance(value, str) else None for value in known)
        return cls(device, driver, torch, procedure)

    def differences(self, other: Conditions) -> str:
        """Return in what another one differs from this one, as text."""
        pairs = ((name, value, asdict(other)[name]) for name, value in asdict(self).items())
        return ", ".join(f"{name} {theirs}, not {own}" for name, own, theirs in pairs if own != theirs)

    @property
    def slug(self) -> str:
        """The conditions as the name of a file: lower-case letters, digits, dots and underscores."""
        return re.sub(r"[^a-z0-9.]+", "_", "_".join(str(part) for part in asdict(self).values()).lower())


@dataclass(frozen=True)
class Series:
    """Sessions of one host: their number, when the first began, and the floor of each execution and figure."""

    host: str
    sessions: int
    measured: str
    spreads: Mapping[tuple[str, str], Floor]

    def as_json(self) -> dict[str, Any]:
        """Return what the file holds of it."""
        spreads = [
            {
                "execution": execution,
                "figure": figure,
                "session": floor.session,
                "visits": floor.visits,
                "degrees_of_freedom": floor.degrees_of_freedom,
            }
            for (execution, figure), floor in self.spreads.items()
        ]
        return {"host": self.host, "sessions": self.sessions, "measured": self.measured, "spreads": spreads}


@dataclass(frozen=True)
class NoiseFloor:
    """The floors of one set of conditions."""

    conditions: Conditions
    series: tuple[Series, ...]

    def of(self, execution: str, figure: str, host: str | None, executions: Executions) -> Floor | None:
        """Return a figure's floor, pooled over the series, and where the host moves the figure over its own alone.

        It hardly moves those of executions that are replayed on a GPU.

        s^2 = sum(nu s^2) / sum(nu), nu the degrees of freedom of each. None where no series has it.
        """
        is_host_free = executions[execution].is_replayed and self.conditions.driver is not None  # on a GPU
        chosen = [one for one in self.series if is_host_free or one.host == host]
        found = [(one, one.spreads[execution, figure]) for one in chosen if (execution, figure) in one.spreads]
        if not found:
            return None
        freedom = sum(floor.degrees_of_freedom for _, floor in found)
        visits = [floor.visits for _, floor in found if floor.visits is not None]
        sessions, hosts = sum(one.sessions for one, _ in found), len({one.host for one, _ in found})
        return Floor(
            session=math.sqrt(sum(floor.degrees_of_freedom * floor.session**2 for _, floor in found) / freedom),
            visits=math.sqrt(sum(value**2 for value in visits) / len(visits)) if visits else None,
            degrees_of_freedom=freedom,
            source=f"{sessions} sessions of {self.conditions.device}" + (f" on {hosts} hosts" if hosts > 1 else ""),
        )


def series_of(runs: Sequence[Run]) -> Series:
    """Return the series of sessions of one host. Raises `InputError` where they are too few, or have no visits."""
    spreads = {}
    for figure, visits in FIGURES.items():
        sessions = [visits(run) for run in runs]
        for execution in sorted({case.execution for session in sessions for case in session}):
            chosen = [{case: of for case, of in one.items() if case.execution == execution} for one in sessions]
            found = components(chosen)
            if found is not None and found.session.degrees_of_freedom >= FEWEST_SESSIONS - 1:
                spread = found.session
                spreads[execution, figure] = Floor(spread.value, found.visits.value, spread.degrees_of_freedom, "")
    if not spreads:
        raise InputError(
            f"{len(runs)} session(s) make no noise floor; expected {FEWEST_SESSIONS} or more with two visits or more."
        )
    return Series(host_of(runs[0]), len(runs), measured_at(runs[0].environment) or "", spreads)


def conditions_of(run: Run) -> Conditions:
    """Return the conditions of a run, those of its first benchmark: a floor is used for runs of its own alone."""
    first = first_own(run)
    essentials, procedure = lookup(first, "environment"), first.get("procedure")
    return Conditions.of(
        essentials if isinstance(essentials, Mapping) else {}, procedure if type(procedure) is int else 0
    )


def host_of(run: Run) -> str:
    """Return what tells a run's host from others: name, CPU, and board or machine."""
    essentials = lookup(first_own(run), "environment")
    return host_name(run.environment.get("node"), essentials if isinstance(essentials, Mapping) else {})


def first_own(run: Run) -> Mapping[str, Any]:
    """Return `extra_info` of a run's first benchmark that is this suite's; empty where there is none."""
    return next((item["extra_info"] for item in run.benchmarks if is_own(item)), {})


def host_name(node: object, essentials: Mapping[str, Any]) -> str:
    """Return node name, CPU model and what tells the board or, of a CPU, the machine, those that are known.

    Machines of a cloud share name and processor: without the key of the machine one's floor would be another's.
    """
    board, machine = essentials.get("device_uuid"), essentials.get("machine_key")
    parts = (node, essentials.get("cpu_model"), machine if board is None else board)
    return ", ".join(part for part in parts if isinstance(part, str))


def add_series(folder: Path, runs: Sequence[Run]) -> Path:
    """Add sessions of one host to the floor of their conditions in a folder, and return its file.

    Raises `InputError` where they make none, or the file there cannot be read; `OSError` where it cannot be written.
    """
    conditions, series = conditions_of(runs[0]), series_of(runs)
    path = folder / f"{conditions.slug}.json"
    earlier = read_floor(path).series if path.exists() else ()
    folder.mkdir(parents=True, exist_ok=True)
    document = asdict(conditions) | {"series": [one.as_json() for one in (*earlier, series)]}
    return write(path, json.dumps(document, indent=1).encode())


def read_floor(path: Path) -> NoiseFloor:
    """Read a floor's file. Raises `InputError` where it is none."""
    try:
        document = sanitized(json.loads(path.read_text(encoding="utf-8")))
        conditions = Conditions(document["device"], document["driver"], document["torch"], document["procedure"])
        return NoiseFloor(conditions, tuple(_series(one) for one in document["series"]))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path} is no noise floor ({type(error).__name__}: {error}). Delete it; {REMEASURE}"
        ) from error


def _series(document: Mapping[str, Any]) -> Series:
    spreads = {(str(one["execution"]), str(one["figure"])): spread_of(one, "") for one in document["spreads"]}
    return Series(str(document["host"]), int(document["sessions"]), str(document["measured"]), spreads)


def spread_of(document: Mapping[str, Any], source: str, assumed: bool = False) -> Floor:
    """Read how sessions of one execution's figure differ, standard deviations in logarithms. Raises `ValueError`."""
    session, freedom = finite_number(document["session"]), finite_number(document["degrees_of_freedom"])
    visits = finite_number(document["visits"])
    freedom = math.inf if assumed and freedom is None else freedom
    if session is None or freedom is None or not (session >= 0 and freedom >= 1) or (visits or 0.0) < 0:
        raise ValueError(f"spread {session} with {freedom} degrees of freedom")
    return Floor(session, visits, freedom, source, assumed)
