"""Benchmarks to one table: a row each, a column a metric, ratios against FP32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from results.metrics import LEADING_COLUMNS, METRICS, RATIOS

BASELINE = "fp32"


def table(benchmarks: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return a row for each benchmark of one run that has this suite's `extra_info`, in their order.

    A missing figure is empty (NaN or None), and so is every ratio against FP32 where either side is missing.
    """
    found: pd.DataFrame = tables([benchmarks]).drop(columns="run")
    return found


def tables(runs: Sequence[Sequence[dict[str, Any]]]) -> pd.DataFrame:
    """Return the rows of several runs' benchmarks, one run below the other, with the run's number in column `run`."""
    rows = [
        {"run": number, **row(benchmark["extra_info"])}
        for number, benchmarks in enumerate(runs)
        for benchmark in benchmarks
        if "precision" in benchmark.get("extra_info", {})
    ]
    columns = ["run", "name", "precision", "execution", *(metric.column for metric in METRICS)]
    frame = pd.DataFrame(rows, columns=columns)
    for metric in METRICS:
        if metric.is_number:
            frame[metric.column] = pd.to_numeric(frame[metric.column])  # a missing one is NaN, even where all are
    for ratio in RATIOS:
        values, baseline = frame[ratio.of], baselines(frame, ratio.of)
        frame[ratio.column] = baseline / values if ratio.form == "gain" else 1 - values / baseline
    ordered: pd.DataFrame = frame.reindex(
        columns=[*LEADING_COLUMNS, *(name for name in frame.columns if name not in LEADING_COLUMNS)]
    )
    return ordered


def row(extra_info: dict[str, Any]) -> dict[str, Any]:
    """Return one benchmark's figures by column."""
    precision, execution = extra_info["precision"], extra_info["execution"]
    figures = {metric.column: metric.value(extra_info) for metric in METRICS}
    return {"name": f"{precision}-{execution}", "precision": precision, "execution": execution, **figures}


def baselines(frame: pd.DataFrame, column: str) -> pd.Series[Any]:
    """Return for each row the FP32 figure of its run and execution, NaN where there is none."""
    place = ["run", "execution"]
    fp32 = frame[frame["precision"] == BASELINE].drop_duplicates(place).set_index(place)[column]
    found: pd.Series[Any] = fp32.reindex(pd.MultiIndex.from_frame(frame[place])).set_axis(frame.index)
    return found
