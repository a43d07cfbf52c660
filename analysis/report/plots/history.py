"""Every metric over saved runs: a panel for each metric, a line for each benchmark."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from analysis.report.labels import axis_label
from analysis.report.notices import stand_in_notice
from analysis.report.plots.style import (
    COLOURS,
    FOOT_LINE_IN,
    MARKERS,
    WARNING_COLOUR,
    literal,
    numbered,
    pick,
    set_font,
    tidy,
)
from core.metrics import Column

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import GridSpec
    from matplotlib.lines import Line2D

COLUMNS = 3
ROW_IN, WIDTH_IN = 1.7, 11.0
#: Benchmarks in one line of the legend, and the height of one.
LEGEND_COLUMNS, LEGEND_ROW_IN = 6, 0.2
#: Characters of a line at the foot.
NOTE_CHARACTERS = 185


def history_figure(
    metrics: Mapping[Column, pd.DataFrame], runs: int, notes: Sequence[str], *, stand_in: bool
) -> Figure:
    """Return the picture. `metrics`: for each metric a frame with a row a run and a column a benchmark.

    `runs`: how many runs there are; `notes`: lines at the foot; `stand_in`: whether to mark the picture.
    """
    set_font()
    lines_of_notes = [line for note in notes for line in textwrap.wrap(note, NOTE_CHARACTERS)]
    benchmarks = numbered([name for values in metrics.values() for name in values.columns])
    legend_in = LEGEND_ROW_IN * math.ceil(len(benchmarks) / LEGEND_COLUMNS)
    figure, grid = new_history_figure(len(metrics), runs, lines_of_notes, legend_in, stand_in=stand_in)
    marker_size = min(4, max(1.5, 100 / runs))
    lines: dict[str, Line2D] = {}
    for panel, (column, values) in enumerate(metrics.items()):
        axes = figure.add_subplot(grid[panel // COLUMNS, panel % COLUMNS])
        style_panel(axes, column)
        for name in values.columns:
            number, measured = benchmarks[name], values[name].dropna()  # runs of other models or machines lie between
            colour, marker = pick(COLOURS, number), pick(MARKERS, number + number // len(COLOURS))
            (lines[name],) = axes.plot(
                measured.index, measured, color=colour, marker=marker, ms=marker_size, linewidth=1
            )
    figure.legend(
        lines.values(),
        [literal(name) for name in lines],
        ncols=LEGEND_COLUMNS,
        frameon=False,
        fontsize=8,
        loc="upper left",
        bbox_to_anchor=(0.01, 1 - 0.33 / figure.get_figheight()),
    )
    return figure


def new_history_figure(
    panels: int, runs: int, notes: Sequence[str], legend_in: float, *, stand_in: bool
) -> tuple[Figure, GridSpec]:
    """Return an empty figure with its title and foot, and the grid for its panels."""
    from matplotlib.figure import Figure

    rows = max(1, math.ceil(panels / COLUMNS))
    foot_in = 0.2 + FOOT_LINE_IN * len(notes)
    head_in = 0.65 + legend_in
    height_in = head_in + 0.1 + rows * ROW_IN + foot_in
    figure = Figure(figsize=(WIDTH_IN, height_in), facecolor="white")
    figure.text(0.02, 1 - 0.12 / height_in, f"{runs} saved runs", size=13, weight="bold", va="top")
    if stand_in:
        y = 1 - 0.16 / height_in
        figure.text(0.2, y, stand_in_notice(()), size=8, weight="bold", va="top", color=WARNING_COLOUR)
    figure.text(0.02, 0.06 / height_in, literal("\n".join(notes)), size=6.5, va="bottom", color="#333")
    top, bottom = 1 - head_in / height_in, (foot_in + 0.3) / height_in
    grid = figure.add_gridspec(rows, COLUMNS, left=0.06, right=0.99, top=top, bottom=bottom, hspace=0.75, wspace=0.25)
    return figure, grid


def style_panel(axes: Axes, column: Column) -> None:
    """Set the title and the ticks of one metric's panel."""
    from matplotlib.ticker import MaxNLocator

    tidy(axes)
    axes.set_title(axis_label(column), size=8, loc="left")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.tick_params(labelsize=7)
    axes.yaxis.get_offset_text().set_fontsize(7)
