"""The whole comparison in one picture: speed, energy and quality of each precision beside FP32's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from analysis.case import BASELINE
from analysis.metrics import Column
from analysis.report.plots.bars import sign_legend
from analysis.report.plots.style import COLOURS, literal, new_figure, pick, tidy
from analysis.report.recommendation import comparable_rows
from analysis.report.summary import RunSummary
from analysis.report.text_tables import number
from analysis.table import interval_ends

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Column, heading, how a figure is written, and whether the axis is logarithmic.
PANELS = (
    ("speedup_vs_fp32", "Speed against FP32\n(more is better)", "{:.2f}x", False),
    ("energy_per_sample_mj", "Energy, mJ\n(less is better)", "{:.4g}", False),
    ("kl_vs_fp32_nats", "Divergence from FP32, nats\n(less is better)", "{:.1e}", True),
)
#: Inches of a row, of the titles, of the tick labels; shares of the width.
ROW_IN, HEAD_IN, TICKS_IN, LEFT, GAP = 0.28, 0.95, 0.3, 0.13, 0.035


def overview(run: RunSummary, title: str) -> Figure | None:
    """Draw speed, energy and divergence of the precisions that the recommendation chooses between, with intervals.

    None where there are several shapes or workloads, whose pictures are others, or fewer than two of the figures.
    """
    chosen = list(comparable_rows(run.frame))
    if len(chosen) != 1:
        return None
    rows = chosen[0].reset_index(drop=True)
    panels = [panel for panel in PANELS if rows[panel[0]].notna().any()]
    if len(panels) < 2:
        return None
    notes = [
        f"{rows['setting'].iloc[0]}; whiskers: 95% intervals, of a repeat of this session for speed and energy, of the "
        "figure on text like this for divergence",
        *sign_legend(rows),
    ]
    figure, foot = new_figure(run, title, HEAD_IN + TICKS_IN + ROW_IN * (len(rows) + 0.4), notes)
    height_in, width = figure.get_figheight(), (0.98 - LEFT) / len(panels)
    bottom, top = foot + TICKS_IN / height_in, 1 - HEAD_IN / height_in
    for place, (column, heading, form, is_log) in enumerate(panels):
        axes = figure.add_axes((LEFT + place * width, bottom, width - GAP, top - bottom))
        draw(axes, rows, run.catalogue[column], interval_ends(rows, column, run.catalogue), form, is_log)
        axes.set_title(heading, size=8, loc="left")
        names = [] if place else [literal(name) for name in rows["precision"]]
        axes.set_yticks(range(len(rows)) if names else [], names)
    return figure


def draw(
    axes: Axes,
    rows: pd.DataFrame,
    column: Column,
    ends: tuple[pd.Series[float], pd.Series[float]],
    form: str,
    is_log: bool,
) -> None:
    """Draw one figure of every row as a bar to the right, with its interval; a missing one says so."""
    tidy(axes)
    axes.grid(axis="y", visible=False)
    values = rows[column.column]
    largest = float(ends[1].fillna(values).max())
    smallest = float(values[values > 0].min()) / 10 if is_log and (values > 0).any() else 0.0
    for place, (value, low, high) in enumerate(zip(values, *ends, strict=True)):
        if pd.isna(value):
            axes.text(
                smallest, place, "" if rows["precision"][place] == BASELINE else " no figure", va="center", size=8
            )
            continue
        axes.barh(place, value - smallest, 0.7, smallest, color=pick(COLOURS, place))
        if high > low:
            error = [[value - low], [high - value]]
            axes.errorbar(value, place, xerr=error, fmt="none", ecolor="black", capsize=2.5, linewidth=1)
        axes.text(max(value, high), place, f" {number(value, form)}", va="center", size=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    if is_log:
        axes.set_xscale("log")
        axes.set_xlim(smallest, largest * (largest / smallest) ** 0.45)
    else:
        axes.set_xlim(0, 1.35 * largest)
    axes.tick_params(axis="x", labelsize=7)
