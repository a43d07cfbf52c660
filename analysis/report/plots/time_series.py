"""Figures over the course of their measurement: drift and outliers that a single number hides."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from analysis.report.plots.looks import look_of
from analysis.report.plots.plot import COURSES, Plot
from analysis.report.plots.style import literal, new_figure, tidy
from analysis.report.summary import RunSummary
from core.case import case_of
from core.guards import finite_number
from core.metrics import lookup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 3
ROW_IN = 1.6
#: An axis spans at least this share of the median.
SMALLEST_SPAN = 0.08
#: x values, y values.
Series = tuple[Sequence[float], Sequence[float]]


def latency_series(run: RunSummary, title: str) -> Figure | None:
    """Draw the rounds of each benchmark in their order, many of them as medians of blocks."""

    def series(extra_info: dict[str, Any]) -> Series | None:
        values = lookup(extra_info, "latency.series_ms")
        if not is_series(values):
            return None
        rounds = finite_number(lookup(extra_info, "latency.rounds")) or len(values)
        return [rounds * (i + 0.5) / len(values) for i in range(len(values))], values

    return panels(run, title, series, "round", "ms")


def power_series(run: RunSummary, title: str) -> Figure | None:
    """Draw the mean power of each window of the energy measurement; the first and the last are idle."""

    def series(extra_info: dict[str, Any]) -> Series | None:
        values = lookup(extra_info, "energy.power_series")
        if not isinstance(values, list) or not values or not all(is_series(pair) and len(pair) == 2 for pair in values):
            return None
        return [pair[0] for pair in values], [pair[1] for pair in values]

    return panels(run, title, series, "s", "W", marker="o", from_zero=True)


def is_series(values: object) -> bool:
    """Tell whether a value of a saved run is a list of finite numbers with one at least."""
    return isinstance(values, list) and bool(values) and all(finite_number(value) is not None for value in values)


def panels(
    run: RunSummary,
    title: str,
    series: Callable[[dict[str, Any]], Series | None],
    x_label: str,
    y_label: str,
    marker: str = "",
    from_zero: bool = False,
) -> Figure | None:
    """Draw one panel for each benchmark that has the series; None where none has."""
    drawn = [(case_of(item), values) for item in run.benchmarks if (values := series(item["extra_info"]))]
    if not drawn:
        return None
    rows = math.ceil(len(drawn) / COLUMNS)
    figure, foot = new_figure(run, title, 0.9 + rows * ROW_IN)
    height_in = figure.get_figheight()
    grid = figure.add_gridspec(
        rows,
        COLUMNS,
        left=0.07,
        right=0.98,
        bottom=foot + 0.42 / height_in,
        top=1 - 0.75 / height_in,
        hspace=0.75,
        wspace=0.3,
    )
    for number, (case, (x, y)) in enumerate(drawn):
        axes = figure.add_subplot(grid[number // COLUMNS, number % COLUMNS])
        tidy(axes)
        axes.plot(x, y, color=look_of(case.precision).colour, linewidth=1, marker=marker, ms=3)
        axes.set_ylim((0, 1.15 * max(1, *y)) if from_zero else axis_limits(y))
        axes.set_title(literal(f"{case.id} [{y_label}]"), size=8, loc="left")
        axes.set_xlabel(x_label, size=7, labelpad=1)
        axes.tick_params(labelsize=7)
    return figure


def axis_limits(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis on which a change of 1% can be seen and one of 0.1% does not fill it."""
    low, high = min(values), max(values)
    missing = max(0.0, SMALLEST_SPAN * statistics.median(values) - (high - low)) / 2
    margin = 0.08 * (high - low) + missing
    return low - (margin or 1), high + (margin or 1)


LATENCY_COURSE_PLOT = Plot(
    "latency_course",
    "Latency over the rounds",
    latency_series,
    COURSES,
    "Every timed round in its order, or medians of blocks where there are many. Each panel has its own scale. A "
    "level line is a steady machine; a slope or a step is a machine that changed while it was measured.",
)
POWER_COURSE_PLOT = Plot(
    "power_course",
    "Power over time",
    power_series,
    COURSES,
    "Mean power of each window in which energy was metered, over the seconds of the session. A level line is a "
    "steady load.",
)
