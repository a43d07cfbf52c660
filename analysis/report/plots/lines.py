"""One metric over batch sizes or sequence lengths: a line a precision, a panel for each of everything else."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.report.labels import axis_label
from analysis.report.plots.bars import metric_caption, missing_values, sign_legend
from analysis.report.plots.looks import look_of
from analysis.report.plots.plot import ENERGY, REPEAT_WHISKERS, SPEED, Plot
from analysis.report.plots.style import (
    LEGEND_LINE_IN,
    add_legend,
    legend_lines,
    literal,
    new_figure,
    tidy,
)
from analysis.report.summary import RunSummary
from analysis.report.table import interval_ends

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT_IN, COLUMNS = 2.5, 2
#: Figures that span less than this factor have a linear axis from 0, which shows their ratios.
LOGARITHMIC_FROM = 8
#: What may be swept: the column, and what the axis is called. The first that varies is the axis.
SWEPT = {"batch_size": "batch size", "sequence_length": "tokens"}


def lines(run: RunSummary, title: str, column: str) -> Figure | None:
    """Draw a metric over the batch size, or the sequence length where there is one batch size; None without a sweep."""
    frame = run.frame[run.frame[column].notna()]
    axis = next((name for name in SWEPT if frame[name].nunique() > 1), None)
    if axis is None:
        return None
    fixed = ["task", "workload", "execution", *(name for name in SWEPT if name != axis)]
    panels = [rows for _, rows in frame.groupby(fixed, sort=False)]
    notes = [metric_caption(run, column), *sign_legend(run.frame), *missing_values(run, column)]
    handles = [handle(name) for name in dict.fromkeys(frame["precision"])]
    head_in = LEGEND_LINE_IN * legend_lines(len(handles))
    rows, columns = math.ceil(len(panels) / COLUMNS), min(COLUMNS, len(panels))
    figure, foot = new_figure(run, title, 1.0 + head_in + rows * HEIGHT_IN, notes)
    height_in = figure.get_figheight()
    grid = figure.add_gridspec(
        rows,
        columns,
        left=0.1,
        right=0.98,
        bottom=foot + 0.45 / height_in,
        top=1 - (head_in + 0.85) / height_in,
        hspace=0.5,
        wspace=0.25,
    )
    for number, of_panel in enumerate(panels):
        axes = figure.add_subplot(grid[number // columns, number % columns])
        tidy(axes)
        draw_panel(axes, run, of_panel, axis, column)
        axes.set_title(panel_title(frame, of_panel.iloc[0], fixed), size=8, loc="left")
    add_legend(figure, handles)
    return figure


def draw_panel(axes: Axes, run: RunSummary, rows: pd.DataFrame, axis: str, column: str) -> None:
    """Draw a line for each precision, with its intervals; both axes are logarithmic where the figures span much."""
    from matplotlib.ticker import LogLocator, NullFormatter, NullLocator, StrMethodFormatter

    lows, highs = interval_ends(rows, column, run.catalogue)
    for name, of_precision in rows.groupby("precision", sort=False):
        in_order = of_precision.sort_values(axis)
        values = in_order[column]
        errors = [values - lows[in_order.index], highs[in_order.index] - values]
        look = look_of(str(name))
        line: dict[str, Any] = {"color": look.colour, "marker": look.marker, "linewidth": 1.2, "markersize": 4}
        axes.errorbar(in_order[axis], values, errors, capsize=2, **line)
    axes.set_xscale("log", base=2)
    ticks = sorted(rows[axis].unique())
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    if rows[column].min() > 0 and rows[column].max() > LOGARITHMIC_FROM * rows[column].min():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(bottom=0)
    axes.set_xlabel(SWEPT[axis], size=8)
    axes.set_ylabel(axis_label(run.catalogue[column]), size=8)


def handle(name: str) -> Any:  # noqa: ANN401
    """Return what the legend shows of a precision."""
    from matplotlib.lines import Line2D

    look = look_of(name)
    return Line2D([], [], label=literal(name), color=look.colour, marker=look.marker, markersize=4)


def panel_title(frame: pd.DataFrame, row: pd.Series[Any], fixed: list[str]) -> str:
    """Return what tells a panel from the others; its execution and its fixed shape in any case."""
    named = [name for name in fixed if name in ("execution", *SWEPT) or frame[name].nunique() > 1]
    words = {"sequence_length": "{} tokens", "batch_size": "batch {}"}
    return ", ".join(words.get(name, "{}").format(str(row[name]).replace("_", " ")) for name in named)


SWEEP_LATENCY_PLOT = Plot(
    "sweep_latency",
    "Median latency over the shape",
    partial(lines, column="median_latency_ms"),
    SPEED,
    "How the time for a batch grows with the batch or its rows: lower is better. Where a line is level, the device "
    f"had room for more. {REPEAT_WHISKERS}",
)
SWEEP_SPEEDUP_PLOT = Plot(
    "sweep_speedup",
    "Speed against FP32 over the shape",
    partial(lines, column="speedup_vs_fp32"),
    SPEED,
    "How many times as fast as FP32 at each size: higher is better, and below 1 is slower than FP32. A line that "
    f"rises says that the precision gains more from larger batches or rows. {REPEAT_WHISKERS}",
)
SWEEP_ENERGY_PLOT = Plot(
    "sweep_energy",
    "Energy per sample over the shape",
    partial(lines, column="energy_per_sample_mj"),
    ENERGY,
    "What one sample costs in energy at each size: lower is better. In a larger batch more samples share the "
    f"device's idle power. {REPEAT_WHISKERS}",
)
SWEEP_THROUGHPUT_PLOT = Plot(
    "sweep_throughput",
    "Throughput over the shape",
    partial(lines, column="throughput"),
    SPEED,
    "How many samples the model works through in a second at each size: higher is better. Where a line no longer "
    "rises, the device is fully used.",
)
