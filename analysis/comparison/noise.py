"""The noise floor: how much each metric differs between runs of the same thing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from analysis.comparison.comparability import differences
from analysis.report.table import tables
from analysis.report.text_tables import markdown_table, number
from analysis.runs.saved import Run
from analysis.uncertainty.coverage import coverage, ratios_of_the_same, without
from analysis.uncertainty.noise_floor import FEWEST_SESSIONS, series_of
from analysis.uncertainty.variance import Spread
from core.errors import InputError
from core.metrics import Catalogue
from core.safe_text import markdown, markdown_block


def noise_floor(runs: Sequence[Run]) -> pd.DataFrame:
    """Return one row for each benchmark and metric: runs, mean, standard deviation, coefficient of variation, extremes.

    A run counts as one observation. A metric missing in a run counts in none of its columns; with fewer than two
    values there is no deviation.
    """
    frame = tables(runs)
    names = [metric.column for metric in Catalogue.joined(run.catalogue for run in runs).compared]
    long = frame.melt(id_vars=["execution", "name", "run"], value_vars=names, var_name="metric")
    grouped = long.dropna(subset=["value"]).groupby(["execution", "name", "metric"], sort=False)["value"]
    spread = grouped.agg(runs="count", mean="mean", std="std", minimum="min", maximum="max").reset_index()
    spread["cv"] = spread["std"] / spread["mean"].abs().where(spread["mean"] != 0)  # of a mean of 0 there is none
    spread["order"] = spread["metric"].map({name: position for position, name in enumerate(names)})
    columns = ["execution", "name", "metric", "runs", "mean", "std", "cv", "minimum", "maximum"]
    result: pd.DataFrame = spread.sort_values(["execution", "name", "order"], ignore_index=True)[columns]
    return result


def noise_markdown(runs: Sequence[Run]) -> str:
    """Return the noise floor as Markdown, one table for each execution."""
    parts = [f"# Noise floor over {len(runs)} run(s)"]
    conditions = differences((str(run.path), item["extra_info"]) for run in runs for item in run.benchmarks)
    parts += [f"> **warning:** {markdown(line)}" for line in conditions]
    if len(runs) < 2:
        parts.append("One run has no run-to-run spread; make more with `python -m benchmarks --repeats 5`.")
    for execution, rows in noise_floor(runs).groupby("execution"):
        text = rows.drop(columns="execution")
        text["cv"] = [number(value, "{:.2%}") for value in text["cv"]]
        for column in ("mean", "std", "minimum", "maximum"):
            text[column] = [number(value, "{:.5g}") for value in text[column]]
        parts.append(f"## {markdown(str(execution))}\n\n{markdown_table(text)}")
    return "\n\n".join([*parts, *coverage_markdown(runs)])


def coverage_markdown(runs: Sequence[Run]) -> list[str]:
    """Return what this machine can tell apart: the noise floor, the coverage of intervals by it, and false alarms."""
    if len(runs) < FEWEST_SESSIONS + 2:
        return [f"How well intervals of a repeat hold takes {FEWEST_SESSIONS + 2} runs to tell; these are {len(runs)}."]
    try:
        series = series_of(runs)
        found = coverage(runs, lambda ours, theirs: without((ours, theirs), runs), lambda case: case.id)
    except InputError as error:
        return [markdown_block(f"How well intervals of a repeat hold cannot be told: {error}")]
    rows = []
    for (name, figure), one in found.items():
        floor = {(key.case, key.figure): floor for key, floor in series.spreads.items()}.get((name, figure))
        if floor is None:
            continue  # too few of these runs have it
        spread = Spread.of(floor.session**2 * floor.degrees_of_freedom, round(floor.degrees_of_freedom))
        rows.append(
            {
                "benchmark": name,
                "figure": figure,
                "sessions differ by": str(spread),
                "interval of a repeat": f"± {math.expm1(one.half_width):.2%}",
                "holds the other session's figure": f"{one.held} of {one.pairs} ({one.share:.0%})",
            }
        )
    lines = [
        "## What this machine can tell apart",
        markdown_table(pd.DataFrame(rows)),
        "Of every pair of runs one is judged by the interval of the other, with the noise floor of the rest; 95% "
        "should be held. In parentheses the 95% interval of the noise floor itself.",
    ]
    ratios = [abs(found.centre) <= found.half_width() for _, _, found in ratios_of_the_same(runs)]
    if ratios:
        lines.append(
            f"FP32 against itself: the interval holds 1 in {sum(ratios)} of {len(ratios)} ratios; "
            f"{len(ratios) - sum(ratios)} false alarm(s)."
        )
    return lines
