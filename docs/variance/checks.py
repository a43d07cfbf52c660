"""What sessions say of order, temperature, other options, intervals: `python -m docs.variance.checks FOLDER`.

FOLDER holds sessions of one board at the default options as saved runs, in `rounds/` their single rounds, and in other
folders sessions at other options. Prints Markdown.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import linregress

from analysis.case import case_of
from analysis.report.text_tables import markdown_table
from analysis.storage.runs import Run, load
from analysis.uncertainty.intervals import quantile_interval, student_t
from analysis.uncertainty.variance import FIGURES

#: The ends of an interval, and the figure that those of other sessions should hold.
Interval = tuple[float, float, float]


def order_bias(runs: Sequence[Run]) -> pd.DataFrame:
    """Return by how much a visit's time changes from the first place of a session to the last, with its 95% interval.

    One slope over all sessions of a case, on logarithms, each session around its own mean.
    """
    rows = []
    for name in [case_of(item).id for item in runs[0].benchmarks]:
        places, logs = [], []
        for run in runs:
            visits = visits_of_case(run, name)
            of_run = np.log([visit["median_ms"] for visit in visits])
            places += [visit["position"] for visit in visits]
            logs += (of_run - of_run.mean()).tolist()
        fit, span = linregress(places, logs), max(places) - min(places)
        half_width = student_t(len(places) - len(runs) - 1) * fit.stderr
        change, low, high = (
            math.expm1(span * slope) for slope in (fit.slope, fit.slope - half_width, fit.slope + half_width)
        )
        rows.append({"benchmark": name, "first to last place": f"{change:+.2%} ({low:+.2%} to {high:+.2%})"})
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def temperature(runs: Sequence[Run]) -> str:
    """Return how a graph's energy changes with the board's temperature, over all visits, each case around its mean."""
    degrees, logs = [], []
    for name in graph_names(runs):
        visits = [visit for run in runs for visit in visits_of_case(run, name)]
        of_case = np.log([visit["energy_mj"] for visit in visits])
        celsius = np.array([visit["temperature_c"] for visit in visits])
        logs += (of_case - of_case.mean()).tolist()
        degrees += (celsius - celsius.mean()).tolist()
    fit = linregress(degrees, logs)
    half_width = student_t(len(logs) - len(graph_names(runs)) - 1) * fit.stderr
    return (
        f"energy a degree {fit.slope:+.2%} ({fit.slope - half_width:+.2%} to {fit.slope + half_width:+.2%}), spread "
        f"of the visits {np.std(logs):.2%}, at one temperature {np.std(logs - fit.slope * np.array(degrees)):.2%}"
    )


def other_options(runs: Sequence[Run], folder: Path) -> pd.DataFrame:
    """Return by how much the session figures of another folder differ from these, in standard errors.

    The spread is that of `runs`, for three sessions tell little of their own.
    """
    others = [load(path) for path in sorted(folder.glob("*.json"))]
    rows = []
    for figure, visits in FIGURES.items():
        first, second = ([visits(run) for run in side] for side in (runs, others))
        for case in [case for case in second[0] if case in first[0]]:
            before, after = (
                [np.mean(list(one[case].values())) for one in side if case in one] for side in (first, second)
            )
            error = np.std(before, ddof=1) * math.sqrt(1 / len(before) + 1 / len(after))
            change = np.mean(after) - np.mean(before)
            rows.append({"figure": figure, "benchmark": case.id, "change": f"{change:+.2%}", "z": change / error})
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def options_lines(runs: Sequence[Run], folder: Path) -> list[str]:
    """Return which session figures of another folder differ from these by more than two standard errors, as a list."""
    table = other_options(runs, folder)
    beyond = table[table["z"].abs() > 2]
    number = len(list(folder.glob("*.json")))
    return [
        f"- `{folder.name}`, {number} sessions: {len(beyond)} of {len(table)} figures differ by more than two standard "
        "errors",
        *(f"  - {row.figure} of {row.benchmark}: {row.change}, {row.z:+.1f}" for row in beyond.itertuples()),
    ]


def graph_names(runs: Sequence[Run]) -> list[str]:
    """Return the names of the benchmarks that replay a graph."""
    return [case.id for case in map(case_of, runs[0].benchmarks) if case.execution == "graph"]


def visits_of_case(run: Run, name: str) -> list[dict[str, Any]]:
    """Return the records of a benchmark's visits."""
    (visits,) = [item["extra_info"]["visits"] for item in run.benchmarks if case_of(item).id == name]
    found: list[dict[str, Any]] = visits
    return found


def of_rounds(seconds: np.ndarray[Any, np.dtype[np.float64]]) -> Interval:
    """Return the first edition's interval: of the median of rounds, as if they were independent."""
    low, high = quantile_interval(seconds.tolist(), 0.5)
    if low is None or high is None:
        raise SystemExit(f"{len(seconds)} rounds are too few for an interval of the median; expected 6 or more")
    return low, float(np.median(seconds)), high


def intervals(runs: Sequence[Run], rounds: Sequence[Path]) -> dict[str, dict[str, list[Interval]]]:
    """Return, by kind of interval and benchmark, each session's interval and figure."""
    archives = [np.load(path, allow_pickle=False) for path in rounds]
    kinds: dict[str, Callable[[Any, str], Any]] = {
        "of the median of one visit's rounds (first edition)": lambda file, name: file[f"{name}/visit"] == 1,
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


def interval_rows(runs: Sequence[Run], rounds: Sequence[Path]) -> list[dict[str, str]]:
    """Return a row for each kind of interval: how often it held another session's figure, by execution."""
    rows = []
    for kind, by_name in intervals(runs, rounds).items():
        row = {"interval": kind}
        for execution in ("graph", "eager"):
            counts = [coverage(of) for name, of in by_name.items() if name.endswith(execution)]
            held, pairs = sum(count for count, _ in counts), sum(count for _, count in counts)
            row[execution] = f"{held} of {pairs} ({held / pairs:.0%})"
        rows.append(row)
    return rows


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    runs = [load(path) for path in sorted(folder.glob("*.json"))]
    print(markdown_table(order_bias(runs)), end="\n\n")
    print(temperature(runs), end="\n\n")
    for other in sorted(path.parent for path in folder.glob("*/0001.json")):
        print(*options_lines(runs, other), sep="\n", end="\n\n")
    print(markdown_table(pd.DataFrame(interval_rows(runs, sorted(folder.glob("rounds/*.npz"))))))


if __name__ == "__main__":
    main()
