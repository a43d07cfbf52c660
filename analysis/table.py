"""Benchmarks to one table: a row each, a column a metric, ratios against FP32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.metrics import LEADING_COLUMNS, METRICS, RATIOS, Ratio
from analysis.records import benchmark_name

BASELINE = "fp32"
#: Figures with a 95% interval of their own, and the columns with its ends. A ratio has them where its figure has one.
END_COLUMNS = {
    "median_latency_ms": ("median_ci95_low_ms", "median_ci95_high_ms"),
    **{ratio.column: ratio.end_columns for ratio in RATIOS},
}
#: Figures with a relative 95% uncertainty, and its column.
UNCERTAINTY_COLUMNS = {"energy_per_sample_mj": "energy_rel_u95"}


def table(benchmarks: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return a row for each benchmark of one run that has this suite's `extra_info`, in their order.

    A missing figure is empty (NaN or None), and so is every ratio against FP32 where either side is missing.
    """
    frame: pd.DataFrame = tables([benchmarks]).drop(columns="run")
    return frame


def tables(runs: Sequence[Sequence[dict[str, Any]]]) -> pd.DataFrame:
    """Return the rows of several runs' benchmarks, one run below the other, with the run's number in column `run`."""
    rows = [
        {"run": number, **columns_of(benchmark["extra_info"])}
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


def columns_of(extra_info: dict[str, Any]) -> dict[str, Any]:
    """Return one benchmark's row."""
    precision, execution = extra_info["precision"], extra_info["execution"]
    figures = {metric.column: metric.value(extra_info) for metric in METRICS}
    name = benchmark_name(precision, execution)
    return {"name": name, "precision": precision, "execution": execution, **figures}


def add_ratio(frame: pd.DataFrame, ratio: Ratio) -> None:
    """Add a column with a ratio against FP32, and two with the ends of its interval where its figure has one.

    The interval reaches from the quotient of one pair of ends to that of the other; it is no better than the intervals
    of this run's medians that it is made of. FP32's own ratio is exact. A figure that is not above 0 has no ratio.
    """
    value = positive(frame[ratio.of])
    quotients = {ratio.column: of_baseline(frame, value) / value}
    if ratio.of in END_COLUMNS or ratio.of in UNCERTAINTY_COLUMNS:
        low, high = (positive(end) for end in known_interval(frame, ratio.of))
        low_column, high_column = ratio.end_columns
        quotients[low_column] = of_baseline(frame, low) / high
        quotients[high_column] = of_baseline(frame, high) / low
    is_baseline = (frame["precision"] == BASELINE) & value.notna()
    for column, quotient in quotients.items():
        gain = quotient.mask(is_baseline, 1.0)
        frame[column] = gain if ratio.form == "gain" else 1 - 1 / gain


def known_interval(frame: pd.DataFrame, column: str) -> tuple[pd.Series[float], pd.Series[float]]:
    """Return the ends of a figure's 95% interval in each row, NaN where it has none that holds the figure."""
    value = frame[column]
    if column in UNCERTAINTY_COLUMNS:
        uncertainty = frame[UNCERTAINTY_COLUMNS[column]]
        low, high = value * (1 - uncertainty), value * (1 + uncertainty)
    elif column in END_COLUMNS and END_COLUMNS[column][0] in frame:
        low, high = (frame[name] for name in END_COLUMNS[column])
    else:
        low = high = value.where(value.isna())
    holds_value = (low <= value) & (value <= high)
    return low.where(holds_value), high.where(holds_value)


def interval_ends(frame: pd.DataFrame, column: str) -> tuple[pd.Series[float], pd.Series[float]]:
    """Return the ends of a figure's 95% interval in each row, or the figure twice where it has none that holds it."""
    low, high = known_interval(frame, column)
    return low.fillna(frame[column]), high.fillna(frame[column])


def positive(values: pd.Series[float]) -> pd.Series[float]:
    """Return values with NaN for those that are not above 0."""
    above_zero: pd.Series[float] = values.where(values > 0)
    return above_zero


def of_baseline(frame: pd.DataFrame, values: pd.Series[Any]) -> pd.Series[Any]:
    """Return for each row the value in FP32's row of the same run and execution, NaN where there is none."""
    place = ["run", "execution"]
    fp32 = frame[place].assign(value=values)[frame["precision"] == BASELINE].drop_duplicates(place)
    fp32 = fp32.set_index(place)["value"]
    aligned: pd.Series[Any] = fp32.reindex(pd.MultiIndex.from_frame(frame[place])).set_axis(frame.index)
    return aligned
