"""Benchmarks to one table: a row each, a column a metric, ratios against FP32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.metrics import LEADING_COLUMNS, METRICS, RATIOS, Ratio
from analysis.records import benchmark_name

BASELINE = "fp32"
#: Figures with a 95% interval of their own, which `ends` knows, and the column that is empty where a row has none.
WITH_INTERVAL = {"median_latency_ms": "median_ci95_low_ms", "energy_per_sample_mj": "energy_rel_u95"}


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
        add_ratio(frame, ratio)
    ordered: pd.DataFrame = frame.reindex(
        columns=[*LEADING_COLUMNS, *(name for name in frame.columns if name not in LEADING_COLUMNS)]
    )
    return ordered


def row(extra_info: dict[str, Any]) -> dict[str, Any]:
    """Return one benchmark's figures by column."""
    precision, execution = extra_info["precision"], extra_info["execution"]
    figures = {metric.column: metric.value(extra_info) for metric in METRICS}
    return {"name": benchmark_name(precision, execution), "precision": precision, "execution": execution, **figures}


def add_ratio(frame: pd.DataFrame, ratio: Ratio) -> None:
    """Add a column with a ratio against FP32, and where its figure has an interval, two with the ends of its own.

    That reaches from the quotient of one pair of ends to that of the other; it is no better than the intervals of this
    run's medians that it is made of. FP32's own ratio is exact. What is not above 0 is no cost, and has no ratio.
    """
    value, low, high = (end.where(end > 0) for end in (frame[ratio.of], *ends(frame, ratio.of)))
    quotients = {ratio.column: baselines(frame, value) / value}
    if ratio.of in WITH_INTERVAL:
        is_known = frame[WITH_INTERVAL[ratio.of]].notna()
        low, high = low.where(is_known), high.where(is_known)  # no interval is none, not one of no width
        quotients[f"{ratio.column}_ci95_low"] = baselines(frame, low) / high
        quotients[f"{ratio.column}_ci95_high"] = baselines(frame, high) / low
    is_another = (frame["precision"] != BASELINE) | value.isna()
    for column, quotient in quotients.items():
        gain = quotient.where(is_another, 1.0)
        frame[column] = gain if ratio.form == "gain" else 1 - 1 / gain


def ends(frame: pd.DataFrame, column: str) -> tuple[pd.Series[float], pd.Series[float]]:
    """Return the ends of a figure's 95% interval in each row, or the figure twice where it has none that holds it."""
    value = frame[column]
    low, high = value, value
    if column == "median_latency_ms":
        low, high = frame["median_ci95_low_ms"], frame["median_ci95_high_ms"]
    elif column == "energy_per_sample_mj":
        low, high = value * (1 - frame["energy_rel_u95"]), value * (1 + frame["energy_rel_u95"])
    elif f"{column}_ci95_low" in frame:
        low, high = frame[f"{column}_ci95_low"], frame[f"{column}_ci95_high"]
    is_held = (low <= value) & (value <= high)
    return low.where(is_held, value), high.where(is_held, value)


def baselines(frame: pd.DataFrame, values: pd.Series[Any]) -> pd.Series[Any]:
    """Return for each row the value in FP32's row of the same run and execution, NaN where there is none."""
    place = ["run", "execution"]
    fp32 = frame[place].assign(value=values)[frame["precision"] == BASELINE].drop_duplicates(place)
    fp32 = fp32.set_index(place)["value"]
    found: pd.Series[Any] = fp32.reindex(pd.MultiIndex.from_frame(frame[place])).set_axis(frame.index)
    return found
