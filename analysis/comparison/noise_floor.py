"""The noise floor: how much each metric differs between runs of the same thing."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.metrics import METRICS, RATIOS
from analysis.storage.runs import Run
from analysis.table import tables


def noise(runs: Sequence[Run]) -> pd.DataFrame:
    """Return one row for each benchmark and metric: runs, mean, standard deviation, coefficient of variation, extremes.

    A run counts as one observation. A metric missing in a run counts in none of its columns; with fewer than two
    values there is no deviation.
    """
    frame = tables([run.benchmarks for run in runs])
    names = [metric.column for metric in METRICS if metric.better] + [ratio.column for ratio in RATIOS]
    long = frame.melt(id_vars=["execution", "name", "run"], value_vars=names, var_name="metric")
    order = {name: position for position, name in enumerate(names)}
    grouped = long.dropna(subset=["value"]).groupby(["execution", "name", "metric"], sort=False)["value"]
    spread = grouped.agg(runs="count", mean="mean", std="std", minimum="min", maximum="max").reset_index()
    spread["cv"] = spread["std"] / spread["mean"].abs()
    spread["order"] = spread["metric"].map(order)
    columns = ["execution", "name", "metric", "runs", "mean", "std", "cv", "minimum", "maximum"]
    result: pd.DataFrame = spread.sort_values(["execution", "name", "order"], ignore_index=True)[columns]
    return result


def noise_markdown(runs: Sequence[Run]) -> str:
    """Return the noise floor as Markdown, one table for each execution."""
    spread = noise(runs)
    parts = [f"# Noise floor over {len(runs)} run(s)"]
    if len(runs) < 2:
        parts.append("One run has no run-to-run spread; make more with `python -m benchmarks --repeats 5`.")
    for execution, rows in spread.groupby("execution"):
        shown = rows.drop(columns="execution").copy()
        shown["cv"] = shown["cv"].map(lambda value: "-" if pd.isna(value) else f"{value:.2%}")
        for column in ("mean", "std", "minimum", "maximum"):
            shown[column] = shown[column].map(lambda value: "-" if pd.isna(value) else f"{value:.5g}")
        parts.append(f"## {execution}\n\n{shown.to_markdown(index=False, disable_numparse=True)}")
    return "\n\n".join(parts)
