"""The estimator: what is computed of a session's rounds. Saved runs of an earlier one are derived again from them.

1 has medians. 2 has the 5% quantile beside them (`latency.fast_ms`). The loop, the order and the rounds that are timed
are those of the measuring procedure, which is the same.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from analysis.runs.saved import Run, load
from core.case import case_of
from core.guards import UNREADABLE_ARRAYS, finite_number
from core.metrics import CATALOGUE_KEY, lookup
from core.metrics.known import FAST_LATENCY
from core.statistics.intervals import mean_interval
from core.statistics.rounds import NOT_REPLAYED, TOO_FEW_ROUNDS, fast_ms, weighted

ESTIMATOR = 2
ESTIMATOR_KEY = "estimator"
#: The key of `machine_info` with the file of single rounds.
ROUNDS_KEY = "rounds_file"
#: Medians of the same rounds may differ by so much: they are saved as text.
SAME_REL = 1e-9


def estimator_of(extra_info: Mapping[str, Any]) -> int:
    """Return by which estimator the figures of a benchmark were made."""
    found = extra_info.get(ESTIMATOR_KEY)
    return found if type(found) is int else 1


def read(path: Path) -> Run:
    """Read one saved run, as this estimator makes it where its rounds are there. Raises `InputError`."""
    return from_its_rounds(load(path))


def is_replayed(run: Run, benchmark: Mapping[str, Any]) -> bool:
    """Tell whether a device replayed what was captured, so that no round waited for the host: on a GPU alone."""
    device = benchmark["extra_info"].get("device")
    is_on_gpu = isinstance(device, str) and device.startswith("cuda")
    return is_on_gpu and run.executions[case_of(benchmark).execution].is_replayed


def from_its_rounds(run: Run) -> Run:
    """Return a run of an earlier estimator as this one would have made it, where its file of rounds is still there."""
    named = run.environment.get(ROUNDS_KEY)
    if not isinstance(named, str) or all(is_current(item) for item in run.benchmarks):
        return run
    for path in (run.path.parent / named, Path(named)):
        try:
            if path.is_file():  # to read a pipe would wait for ever
                with path.open("rb") as file:
                    found = derived(run, file)
                if found is not run:
                    return found
        except (OSError, ValueError):  # it may not be read; a name with a null character
            continue
    return run


def is_current(benchmark: Mapping[str, Any]) -> bool:
    """Tell whether a saved benchmark has what this estimator makes."""
    return estimator_of(benchmark["extra_info"]) >= ESTIMATOR


def derived(run: Run, rounds: IO[bytes]) -> Run:
    """Return a run of an earlier estimator as this one would have made it; benchmarks of other rounds stay as they are.

    The run itself where none is derived.

    `rounds`: an archive of NumPy's, which has `CASE/seconds` (float64), `CASE/visit` (whole numbers from 1 on) and
    `CASE/full` (whether every mask was all ones), an entry a round.
    """
    arrays = arrays_in(rounds)
    items = tuple(item if is_current(item) else _derived(run, item, arrays) for item in run.benchmarks)
    if all(item is own for item, own in zip(items, run.benchmarks, strict=True)):
        return run
    catalogue = run.environment.get(CATALOGUE_KEY)
    listed = catalogue if isinstance(catalogue, (list, tuple)) else []
    columns = [entry.get("column") for entry in listed if isinstance(entry, Mapping)]
    added = [] if FAST_LATENCY["column"] in columns else [{**FAST_LATENCY, "path": "latency.fast_ms"}]
    return replace(run, benchmarks=items, environment=run.environment | {CATALOGUE_KEY: [*listed, *added]})


def arrays_in(file: IO[bytes]) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of an archive by their names; none of a file that is no archive, or a damaged one."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except UNREADABLE_ARRAYS:
        return {}


def are_rounds(parts: Sequence[npt.NDArray[Any] | None]) -> bool:
    """Tell whether arrays are the seconds, the visits and the variants of the same rounds."""
    known = [part for part in parts if part is not None]
    kinds = [part.dtype.kind for part in known]
    return kinds in (["f", "i", "b"], ["f", "u", "b"]) and {part.shape for part in known} == {(known[0].size,)}


def _derived(run: Run, item: dict[str, Any], archive: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
    case, extra_info = case_of(item), item["extra_info"]
    parts = [archive.get(f"{case.id}/{name}") for name in ("seconds", "visit", "full")]
    full_share, saved = finite_number(lookup(extra_info, "latency.full_share")), extra_info.get("visits")
    if full_share is None or not 0 <= full_share <= 1 or not isinstance(saved, list):
        return item
    if not are_rounds(parts):
        return item
    visits, found = [], list[float | None]()
    for visit in saved:
        number = finite_number(visit.get("number")) if isinstance(visit, Mapping) else None
        median_ms = finite_number(visit.get("median_ms")) if isinstance(visit, Mapping) else None
        if number is None or median_ms is None:  # a visit that failed
            visits.append(visit)
            continue
        of_visit = by_variant(parts, number)
        shares = {True: full_share, False: 1 - full_share}
        medians = {name: 1000 * statistics.median(one) if len(one) else None for name, one in of_visit.items()}
        has_weight = any(medians[name] and share > 0 for name, share in shares.items())
        if not has_weight or not math.isclose(weighted(medians, shares), median_ms, rel_tol=SAME_REL):
            return item  # the file is of another session
        found.append(fast_ms(of_visit, shares) if is_replayed(run, item) else None)
        visits.append({**visit, "fast_ms": found[-1]})
    known = [value for value in found if value is not None]
    fast: dict[str, Any] = dict.fromkeys(("fast_ms", "fast_ci95_low_ms", "fast_ci95_high_ms", "fast_reason"))
    if known and len(known) == len(found):
        centre, half_width = mean_interval([math.log(value) for value in known])
        ends = (None, None) if half_width is None else (centre - half_width, centre + half_width)
        low, high = (None if end is None else math.exp(end) for end in ends)
        fast |= {"fast_ms": math.exp(centre), "fast_ci95_low_ms": low, "fast_ci95_high_ms": high}
    else:
        fast["fast_reason"] = TOO_FEW_ROUNDS if is_replayed(run, item) else NOT_REPLAYED
    latency = extra_info["latency"] | fast
    return item | {"extra_info": extra_info | {"latency": latency, "visits": visits, ESTIMATOR_KEY: ESTIMATOR}}


def by_variant(parts: Sequence[Any], number: float) -> dict[bool, Any]:
    """Return the seconds of a visit's rounds: of those whose masks are all ones, and of the others."""
    seconds, visit, full = (np.asarray(part) for part in parts)
    return {is_full: seconds[(visit == number) & (full == is_full)] for is_full in (True, False)}
