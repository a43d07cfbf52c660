"""Benchmarks to one table: a row each, a column a metric, ratios against FP32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from results.metrics import LEADING_COLUMNS, METRICS, RATIOS

BASELINE = "fp32"


def table(benchmarks: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return a row for each benchmark that has this suite's `extra_info`, in their order.

    A missing figure is empty (NaN or None), and so is every ratio against FP32 where either side is missing.
    """
    rows = [row(benchmark["extra_info"]) for benchmark in benchmarks if "precision" in benchmark.get("extra_info", {})]
    columns = ["name", "precision", "execution", *(metric.column for metric in METRICS)]
    frame = pd.DataFrame(rows, columns=columns)
    for metric in METRICS:
        if metric.is_number:
            frame[metric.column] = pd.to_numeric(frame[metric.column])  # a missing one is NaN, even where all are
    for ratio in RATIOS:
        values = frame[ratio.of]
        baseline = pd.to_numeric(frame["execution"].map(baselines(frame, ratio.of)))
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


def baselines(frame: pd.DataFrame, column: str) -> dict[str, Any]:
    """Return the FP32 figure of each execution."""
    fp32 = frame[frame["precision"] == BASELINE].drop_duplicates("execution")
    return dict(zip(fp32["execution"], fp32[column], strict=True))
