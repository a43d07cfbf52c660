"""The reference runs, and figures of theirs as text: what the functions of every block are made of."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from functools import cache
from textwrap import fill

import pandas as pd

from analysis.report.table import tables
from analysis.report.text_tables import number
from analysis.runs.saved import Run, load
from core.case import case_of
from core.errors import InputError
from core.metrics import lookup
from reference.variance.coverage import REFERENCE, sessions_in

DEFAULT = ("fp32", "fp16", "mixed")
PRECISIONS = ("fp32", "tf32", "fp16", "bf16", "mixed", "mixed_bf16", "int8", "int8_weights", "fp8")
COUNTS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight"}
#: Of a line of a page.
WIDTH = 140


@cache
def saved(path: str) -> tuple[Run, ...]:
    """Return the runs of a folder, or the one run of a name. Raises `InputError` without one."""
    place = REFERENCE / path
    runs = sessions_in(place) if place.is_dir() else [load(place.with_suffix(".json"))]
    if not runs:
        raise InputError(f"{place} has no saved run; expected one at least: `python -m reference.measure`.")
    return tuple(runs)


@cache
def sessions(path: str) -> pd.DataFrame:
    """Return the rows of all runs of a folder, or of one run."""
    return tables(list(saved(path)))


def command_seconds(path: str) -> list[float]:
    """Return the seconds of the whole command, of each run of a folder."""
    return [float(run.environment["command_seconds"]) for run in saved(path)]


def phase_seconds(path: str, *phases: str) -> list[float]:
    """Return the seconds of phases in every run of a folder, summed over its cases."""
    return [
        sum(item["extra_info"]["seconds"][phase] for item in run.benchmarks for phase in phases) for run in saved(path)
    ]


def details(path: str, name: str, key: str) -> list[float]:
    """Return a figure of a benchmark by its dotted name in `extra_info`, in every run of a folder.

    One that a run lacks is NaN. Raises `InputError` where there is no such benchmark.
    """
    found = [
        math.nan if (value := lookup(item["extra_info"], key)) is None else float(value)
        for run in saved(path)
        for item in run.benchmarks
        if case_of(item).id == name
    ]
    return one_at_least(found, path, name)


def values(path: str, name: str, column: str) -> list[float]:
    """Return a figure of a benchmark in every session; one that a session lacks is NaN.

    Raises `InputError` where there is no such benchmark.
    """
    frame = sessions(path)
    return one_at_least([float(value) for value in frame.loc[frame["name"] == name, column]], path, name)


def one_at_least(found: list[float], path: str, name: str) -> list[float]:
    """Return what was found of a benchmark; raise `InputError` where that is nothing, which no text may hide."""
    if not found:
        raise InputError(f"results/reference/{path} has no benchmark {name}; expected one in every run.")
    return found


def complete(found: list[float]) -> list[float]:
    """Return figures; raise `InputError` where a session lacks one: a mean or a maximum of the others is another."""
    if any(map(math.isnan, found)):
        raise InputError(
            f"{sum(map(math.isnan, found))} of {len(found)} sessions lack a figure; expected it in every one."
        )
    return found


def mean(path: str, name: str, column: str) -> float:
    """Return the mean of a figure of a benchmark over the sessions. Raises `InputError` where one lacks it."""
    return statistics.fmean(complete(values(path, name, column)))


def span(found: Iterable[float], form: str, unit: str = "") -> str:
    """Return the lowest and the highest of figures as text; one figure alone where they are written alike.

    Figures that a session lacks are counted, not left out in silence.
    """
    every = list(found)
    known = [value for value in every if not math.isnan(value)]
    if not known:
        return "-"
    first, *last = dict.fromkeys(number(end, form) for end in (min(known), max(known)))
    ends = " to ".join([first.removesuffix("%") if last else first, *last])
    missing = f" ({len(every) - len(known)} of {len(every)} missing)" if len(known) < len(every) else ""
    return f"{ends}{unit}{missing}"


def spread(found: list[float]) -> str:
    """Return the coefficient of variation of figures as text, with two significant digits."""
    return f"{100 * statistics.stdev(found) / statistics.fmean(found):.2g}%"


def drift_check(path: str, execution: str) -> str:
    """Return what the sessions' own check of drift says of the medians of an execution, as a sentence."""
    frame = sessions(path)
    found = frame.loc[frame["execution"] == execution, "validity"].value_counts()
    counts = ", ".join(f"{found.get(status, 0)} {status}" for status in ("valid", "unknown", "invalid"))
    return f"Drift check of all {found.sum()} {execution} medians (one per benchmark and session): {counts}."


def grid(head: list[str], rows: Iterable[list[str]]) -> str:
    """Return a table as Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in line)}|" for line in lines)


def paragraph(text: str, indent: str = "") -> str:
    """Return text in lines of a page's width, those behind the first behind an indent; ± stays with its number."""
    filled = fill(text.replace("± ", "±_"), WIDTH, subsequent_indent=indent, break_on_hyphens=False)
    return filled.replace("±_", "± ")


def ratio(path: str, slower: str, faster: str, column: str = "median_latency_ms") -> float:
    """Return the mean of one benchmark's figure over that of another."""
    return mean(path, slower, column) / mean(path, faster, column)


def short(value: float, digits: int = 1) -> str:
    """Return a number as 8.2e-2, with so many digits behind the point."""
    return f"{value:.{digits}e}".replace("e-0", "e-")


def listed(texts: Iterable[str]) -> str:
    """Return texts as a list in a sentence."""
    *first, last = texts
    return f"{', '.join(first)} and {last}"
