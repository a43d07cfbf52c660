"""Noise floors as files: one of each device, driver, PyTorch and procedure.

`python -m benchmarks --repeats N` adds a series to it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from analysis.runs.saved import Run
from analysis.uncertainty.conditions import Conditions, conditions_of
from analysis.uncertainty.noise_floor import Floor, Key, NoiseFloor, Series, series_of
from analysis.uncertainty.slopes import Slopes
from core.errors import InputError
from core.files import read_regular, write
from core.guards import finite_number, sanitized

#: Within the folder of results.
FOLDER = "noise_floors"
REMEASURE = "`python -m benchmarks --repeats 10` measures one."


def add_series(folder: Path, runs: Sequence[Run]) -> Path:
    """Add sessions of one host to the floor of their conditions in a folder, and return its file.

    Raises `InputError` where they make none, or the file there cannot be read; `OSError` where it cannot be written.
    """
    conditions, series = conditions_of(runs[0]), series_of(runs)
    path = folder / f"{conditions.slug}.json"
    earlier = read_floor(path).series if path.exists() else ()
    folder.mkdir(parents=True, exist_ok=True)
    document = asdict(conditions) | {"series": [as_json(one) for one in (*earlier, series)]}
    return write(path, json.dumps(document, indent=1).encode())


def read_floor(path: Path) -> NoiseFloor:
    """Read a floor's file. Raises `InputError` where it is none."""
    try:
        document = sanitized(json.loads(read_regular(path).decode("utf-8")))
        conditions = Conditions(document["device"], document["driver"], document["torch"], document["procedure"])
        return NoiseFloor(conditions, tuple(_series(one) for one in document["series"]))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path} is no noise floor ({type(error).__name__}: {error}). Delete it; {REMEASURE}"
        ) from error


def as_json(series: Series) -> dict[str, Any]:
    """Return what a file holds of a series."""
    spreads = [
        asdict(key) | {name: getattr(floor, name) for name in ("session", "visits", "degrees_of_freedom")}
        for key, floor in series.spreads.items()
    ]
    slopes = {execution: asdict(one) for execution, one in series.slopes.items()}
    return {
        **{"host": series.host, "sessions": series.sessions, "measured": series.measured},
        **{"spreads": spreads, "slopes": slopes, "chosen": dict(series.chosen)},
    }


def _series(document: Mapping[str, Any]) -> Series:
    spreads = {key_of(one): spread_of(one, "") for one in document["spreads"]}
    slopes = {str(name): Slopes.from_json(one) for name, one in document.get("slopes", {}).items()}
    known = {name: one for name, one in slopes.items() if one is not None}
    chosen = {str(case): str(name) for case, name in document.get("chosen", {}).items()}
    return Series(str(document["host"]), int(document["sessions"]), str(document["measured"]), spreads, known, chosen)


def key_of(document: Mapping[str, Any]) -> Key:
    """Read whose spread it is; those of earlier versions are of all cases of an execution, and their case is empty."""
    return Key(str(document["execution"]), str(document["figure"]), str(document.get("case", "")))


def spread_of(document: Mapping[str, Any], source: str, assumed: bool = False) -> Floor:
    """Read how sessions of one execution's figure differ, standard deviations in logarithms. Raises `ValueError`."""
    session, freedom = finite_number(document["session"]), finite_number(document["degrees_of_freedom"])
    visits = finite_number(document["visits"])
    freedom = math.inf if assumed and freedom is None else freedom
    if session is None or freedom is None or not (session >= 0 and freedom >= 1) or (visits or 0.0) < 0:
        raise ValueError(f"spread {session} with {freedom} degrees of freedom")
    return Floor(session, visits, freedom, source, assumed)
