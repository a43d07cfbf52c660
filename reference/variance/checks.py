"""What sessions say of order, temperature, other options, intervals: `python -m reference.variance.checks HOST`.

HOST has an archive with sessions at the default options in the series `default`, their single rounds, and sessions at
other options in other series. Prints Markdown.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import IO, Any

import numpy as np
import pandas as pd

from analysis.report.text_tables import markdown_table
from analysis.runs.saved import Run
from analysis.uncertainty.figures import FIGURES
from core.case import case_of
from core.errors import InputError
from core.statistics.intervals import quantile_interval, student_t
from reference.commands import exit_code
from reference.runs import rounds, saved, series_of_host

#: The ends of an interval, and the figure that those of other sessions should hold.
Interval = tuple[float, float, float]


@dataclass(frozen=True)
class Slope:
    """How much one thing changes with another, and its 95% interval."""

    value: float
    half_width: float

    @property
    def ends(self) -> tuple[float, float]:
        """The ends of the interval."""
        return self.value - self.half_width, self.value + self.half_width


def slope_within(groups: Iterable[tuple[Sequence[float], Sequence[float]]]) -> Slope:
    """Return the common slope of y over x of groups that each have a level of their own; residuals are independent.

    Both are taken around their means in each group, so that n values of g groups leave n - g - 1 degrees of freedom.
    """
    x, y, count = [], [], 0
    for own_x, own_y in groups:
        x += (np.asarray(own_x) - np.mean(own_x)).tolist()
        y += (np.asarray(own_y) - np.mean(own_y)).tolist()
        count += 1
    of_x, value = np.dot(x, x), np.dot(x, y) / np.dot(x, x)
    free = len(x) - count - 1
    variance = np.sum((np.asarray(y) - value * np.asarray(x)) ** 2) / free
    return Slope(float(value), float(student_t(free) * math.sqrt(variance / of_x)))


def slope_of_clusters(clusters: Sequence[tuple[Sequence[float], Sequence[float]]]) -> Slope:
    """Return the slope of y over x, both around 0, where the residuals of a cluster resemble each other.

    The interval is of the jackknife over clusters (Tukey, 1958), with one degree of freedom less than there are.
    """
    of_x = [float(np.dot(x, x)) for x, _ in clusters]
    of_both = [float(np.dot(x, y)) for x, y in clusters]
    value = sum(of_both) / sum(of_x)
    without = [(sum(of_both) - both) / (sum(of_x) - own) for both, own in zip(of_both, of_x, strict=True)]
    free = len(clusters) - 1
    variance = free / len(clusters) * sum((one - value) ** 2 for one in without)
    return Slope(value, student_t(free) * math.sqrt(variance))


def order_bias(runs: Sequence[Run]) -> pd.DataFrame:
    """Return by how much a visit's time changes from the first place of a session to the last, with its 95% interval.

    One slope over all sessions of a case, on logarithms.
    """
    rows = []
    for name in [case_of(item).id for item in runs[0].benchmarks]:
        visits = [visits_of_case(run, name) for run in runs]
        places = [[visit["position"] for visit in of_run] for of_run in visits]
        logs = [np.log([visit["median_ms"] for visit in of_run]).tolist() for of_run in visits]
        found = slope_within(zip(places, logs, strict=True))
        span = max(map(max, places)) - min(map(min, places))
        change, low, high = (math.expm1(span * slope) for slope in (found.value, *found.ends))
        rows.append({"benchmark": name, "first to last place": f"{change:+.2%} ({low:+.2%} to {high:+.2%})"})
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


@dataclass(frozen=True)
class Warming:
    """How a graph's energy changes with the board's temperature, relative to each case's mean."""

    #: A degree Celsius.
    change: Slope
    #: Standard deviations of the visits, as they are and as they would be at one temperature.
    spread: float
    spread_at_one: float

    def as_row(self) -> dict[str, str]:
        """Return the figures as text by what they are."""
        low, high = self.change.ends
        return {
            "energy a degree": f"{self.change.value:+.2%} ({low:+.2%} to {high:+.2%})",
            "spread of the visits": f"{self.spread:.2%}",
            "at one temperature": f"{self.spread_at_one:.2%}",
        }


def temperature(runs: Sequence[Run]) -> Warming:
    """Return how a graph's energy changes with the board's temperature, over all visits, each case around its mean."""
    names = graph_names(runs)
    visits = [[visits_of_case(run, name) for name in names] for run in runs]
    logs = [[np.log([visit["energy_mj"] for visit in of_case]) for of_case in of_run] for of_run in visits]
    degrees = [[np.array([visit["temperature_c"] for visit in of_case]) for of_case in of_run] for of_run in visits]
    clusters = list(zip(around_cases(degrees), around_cases(logs), strict=True))
    found = slope_of_clusters(clusters)
    left = [np.asarray(y) - found.value * np.asarray(x) for x, y in clusters]
    as_they_are = np.concatenate([y for _, y in clusters])
    return Warming(found, float(np.std(as_they_are)), float(np.std(np.concatenate(left))))


def around_cases(values: Sequence[Sequence[np.ndarray[Any, Any]]]) -> list[list[float]]:
    """Return the values of each session, all its cases behind each other, around the mean of their case."""
    means = [np.concatenate(of_case).mean() for of_case in zip(*values, strict=True)]
    return [np.concatenate([own - mean for own, mean in zip(of_run, means, strict=True)]).tolist() for of_run in values]


def other_options(runs: Sequence[Run], others: Sequence[Run]) -> pd.DataFrame:
    """Return by how much the session figures of other options differ from these, in standard errors.

    The spread is that of `runs`, for three sessions tell little of their own.
    """
    rows = []
    for figure, visits in FIGURES.items():
        first, second = ([visits(run) for run in side] for side in (runs, others))
        for case in [case for case in second[0] if case in first[0]]:
            before, after = (
                [np.mean(list(one[case].values())) for one in side if case in one] for side in (first, second)
            )
            error = np.std(before, ddof=1) * math.sqrt(1 / len(before) + 1 / len(after))
            change = np.mean(after) - np.mean(before)
            rows.append(
                {
                    "figure": figure,
                    "benchmark": case.id,
                    "change": f"{math.expm1(change):+.2%}",
                    "errors": change / error,
                    "beyond": abs(change / error) > student_t(len(before) - 1),
                }
            )
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def series_of_other_options(host: str) -> list[str]:
    """Return the series of a host that were measured beside its default one."""
    return [series for series in series_of_host(host) if series != f"{host}/default"]


def graph_names(runs: Sequence[Run]) -> list[str]:
    """Return the names of the benchmarks that replay a graph."""
    return [case.id for case in map(case_of, runs[0].benchmarks) if case.execution == "graph"]


def visits_of_case(run: Run, name: str) -> list[dict[str, Any]]:
    """Return the records of a benchmark's visits."""
    (visits,) = [item["extra_info"]["visits"] for item in run.benchmarks if case_of(item).id == name]
    found: list[dict[str, Any]] = visits
    return found


def of_rounds(seconds: np.ndarray[Any, np.dtype[np.float64]]) -> Interval:
    """Return the interval of the median of rounds, as if they were independent. Raises `InputError` for too few."""
    low, high = quantile_interval(seconds.tolist(), 0.5)
    if low is None or high is None:
        raise InputError(f"{len(seconds)} rounds are too few for an interval of the median; expected 6 or more.")
    return low, float(np.median(seconds)), high


def intervals(runs: Sequence[Run], files: Sequence[IO[bytes]]) -> dict[str, dict[str, list[Interval]]]:
    """Return, by kind of interval and benchmark, each session's interval and figure."""
    archives = [np.load(file, allow_pickle=False) for file in files]
    kinds: dict[str, Callable[[Any, str], Any]] = {
        "of the median of one visit's rounds": lambda file, name: file[f"{name}/visit"] == 1,
        "of the median of all visits' rounds": lambda file, name: file[f"{name}/visit"] > 0,
    }
    names = [case_of(item).id for item in runs[0].benchmarks]
    found = {
        kind: {name: [of_rounds(file[f"{name}/seconds"][chosen(file, name)]) for file in archives] for name in names}
        for kind, chosen in kinds.items()
    }
    latencies = [{case_of(item).id: item["extra_info"]["latency"] for item in run.benchmarks} for run in runs]
    keys = ("ci95_low_ms", "median_ms", "ci95_high_ms")
    found["of the mean over visits"] = {
        name: [tuple(of_run[name][key] for key in keys) for of_run in latencies] for name in names
    }
    return found


def coverage(of_sessions: Sequence[Interval]) -> tuple[int, int]:
    """Return in how many ordered pairs one session's interval holds the other's figure, and how many there are."""
    pairs = list(permutations(of_sessions, 2))
    return sum(low <= other[1] <= high for (low, _, high), other in pairs), len(pairs)


def interval_rows(runs: Sequence[Run], files: Sequence[IO[bytes]]) -> list[dict[str, str]]:
    """Return a row for each kind of interval: how often it held another session's figure, by execution."""
    rows = []
    for kind, by_name in intervals(runs, files).items():
        row = {"interval": kind}
        for execution in ("graph", "eager"):
            counts = [coverage(of) for name, of in by_name.items() if name.endswith(execution)]
            held, pairs = sum(count for count, _ in counts), sum(count for _, count in counts)
            row[execution] = f"{held} of {pairs} ({held / pairs:.0%})"
        rows.append(row)
    return rows


def main() -> int:
    """Print the tables; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host", help="as h100_c846fd5f")
    host = parser.parse_args().host
    return exit_code(lambda: print_checks(host))


def print_checks(host: str) -> None:
    """Print the tables of a host. Raises `InputError` where its runs cannot be read."""
    runs = saved(f"{host}/default")
    print(markdown_table(order_bias(runs)), end="\n\n")
    print(markdown_table(pd.DataFrame([temperature(runs).as_row()])), end="\n\n")
    for series in series_of_other_options(host):
        table = other_options(runs, saved(series)).round({"errors": 1})
        print(f"{series}, {len(saved(series))} sessions:\n\n{markdown_table(table)}\n")
    print(markdown_table(pd.DataFrame(interval_rows(runs, list(rounds(f"{host}/default").values())))))


if __name__ == "__main__":
    sys.exit(main())
