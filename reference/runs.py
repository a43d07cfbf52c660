"""The reference runs, and figures of theirs: what the tables and sentences of every page are made of."""

from __future__ import annotations

import io
import math
import statistics
from functools import cache

import pandas as pd

from analysis.report.table import tables
from analysis.runs.estimator import derived
from analysis.runs.saved import Run, of_bytes
from analysis.runs.validity import other_code_reason
from core.case import case_of
from core.errors import InputError
from core.metrics import lookup
from reference.archives.reading import ARCHIVES, files


@cache
def saved(series: str) -> tuple[Run, ...]:
    """Return the sessions of a series, as `h100_99080df7/default`, in their order. Raises `InputError` without one.

    Those of an earlier estimator are as this one makes them of their single rounds, where the archive has them.
    """
    found = contents(series, ".json")
    if not found:
        raise InputError(
            f"{ARCHIVES} has no saved run of {series}; expected one at least: `python -m reference.measure`."
        )
    runs = {name.removesuffix(".json"): of_bytes(ARCHIVES / series / name, content) for name, content in found.items()}
    files = rounds(series)
    return tuple(derived(run, files[name]) if name in files else run for name, run in runs.items())


def rounds(series: str) -> dict[str, io.BytesIO]:
    """Return the files with the single rounds of a series' sessions by the sessions' names, in their order."""
    found = contents(f"{series}/rounds", ".npz")
    return {name.removesuffix(".npz"): io.BytesIO(content) for name, content in found.items()}


def text(path: str) -> str:
    """Return a text of a host, such as `h100_99080df7/cold_board.md`. Raises `InputError` where there is none."""
    folder, _, name = path.rpartition("/")
    found = contents(folder, name).get(name)
    if found is None:
        raise InputError(f"{ARCHIVES} has no {path}; expected it in the archive of its host.")
    return found.decode()


def contents(folder: str, ending: str) -> dict[str, bytes]:
    """Return the files in a folder of a host, by name, whose names end as given; not those in folders below."""
    host, _, below = folder.partition("/")
    prefix = f"{below}/" if below else ""
    found = {name.removeprefix(prefix): content for name, content in files(host).items() if name.startswith(prefix)}
    return {name: found[name] for name in sorted(found) if name.endswith(ending) and "/" not in name}


def series_of_host(host: str) -> list[str]:
    """Return the series of a host, sorted by name."""
    return sorted({f"{host}/{name.rpartition('/')[0]}" for name in files(host) if name.endswith(".json")})


@cache
def sessions(series: str) -> pd.DataFrame:
    """Return the rows of all runs of a series."""
    return tables(list(saved(series)))


def command_seconds(series: str) -> list[float]:
    """Return the seconds of the whole command, of each run of a series."""
    return [float(run.environment["command_seconds"]) for run in saved(series)]


def phase_seconds(series: str, *phases: str) -> list[float]:
    """Return the seconds of phases in every run of a series, summed over its cases."""
    return [
        sum(item["extra_info"]["seconds"][phase] for item in run.benchmarks for phase in phases)
        for run in saved(series)
    ]


def details(series: str, name: str, key: str) -> list[float]:
    """Return a figure of a benchmark by its dotted name in `extra_info`, in every run of a series.

    One that a run lacks, or has of other code, is NaN. Raises `InputError` where there is no such benchmark.
    """
    found = [
        math.nan if (value := lookup(item["extra_info"], key)) is None or ran_other_code(run, name) else float(value)
        for run in saved(series)
        for item in run.benchmarks
        if case_of(item).id == name
    ]
    return one_at_least(found, series, name)


def values(series: str, name: str, column: str) -> list[float]:
    """Return a figure of a benchmark in every session; one that a session lacks, or has of other code, is NaN.

    Raises `InputError` where there is no such benchmark.
    """
    frame, runs = sessions(series), saved(series)
    of_name = frame.loc[frame["name"] == name, ["run", column]].itertuples(index=False)
    found = [math.nan if ran_other_code(runs[number], name) else float(value) for number, value in of_name]
    return one_at_least(found, series, name)


def ran_other_code(run: Run, name: str) -> bool:
    """Tell whether a benchmark ran what had been compiled for another, so that its figures are that other's."""
    return any(case_of(item).id == name and other_code_reason(item) for item in run.benchmarks)


def one_at_least(found: list[float], series: str, name: str) -> list[float]:
    """Return what was found of a benchmark; raise `InputError` where that is nothing, which no text may hide."""
    if not found:
        raise InputError(f"{series} has no benchmark {name}; expected one in every run.")
    return found


def complete(found: list[float]) -> list[float]:
    """Return figures; raise `InputError` where a session lacks one: a mean or a maximum of the others is another."""
    if any(map(math.isnan, found)):
        raise InputError(
            f"{sum(map(math.isnan, found))} of {len(found)} sessions lack a figure; expected it in every one."
        )
    return found


def mean(series: str, name: str, column: str) -> float:
    """Return the mean of a figure of a benchmark over the sessions. Raises `InputError` where one lacks it."""
    return statistics.fmean(complete(values(series, name, column)))


def ratio(series: str, slower: str, faster: str, column: str = "median_latency_ms") -> float:
    """Return the mean of one benchmark's figure over that of another."""
    return mean(series, slower, column) / mean(series, faster, column)


def drift_check(series: str, execution: str) -> dict[str, int]:
    """Return how many medians of an execution there are, and of each status in the sessions' own check of drift."""
    frame = sessions(series)
    found = frame.loc[frame["execution"] == execution, "validity"].value_counts()
    return {"medians": int(found.sum()), **{one: int(found.get(one, 0)) for one in ("valid", "unknown", "invalid")}}
