"""The whole comparison in one picture: speed, energy and quality of each precision beside FP32's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from analysis.report.divergence import SCORED, WHAT_OF, divergence_column
from analysis.report.plots.bars import row_signs, sign_legend
from analysis.report.plots.looks import Look, look_of
from analysis.report.plots.plot import OVERVIEW, Plot
from analysis.report.plots.style import literal, new_figure, tidy
from analysis.report.recommendation import comparable_rows
from analysis.report.summary import RunSummary
from analysis.report.table import interval_ends
from analysis.report.text_tables import number
from core.case import BASELINE
from core.metrics import Catalogue

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Panel(NamedTuple):
    """One figure of every row: its column, heading and form, a word for it, and what its interval is of."""

    column: str
    heading: str
    form: str
    word: str
    interval: str
    #: Whether the axis is logarithmic and rows are points on it; else they are bars from 0.
    is_log: bool = False
    #: Whether FP32 has no figure because it would be compared with itself.
    is_self_reference: bool = False

    def of_what_was_timed(self, rows: pd.DataFrame) -> Panel:
        """Return the panel of the rows that were timed, in runs that have their divergence, else of all as scored."""
        column = divergence_column(rows)
        return self._replace(column=column, heading=self.heading.format(what=WHAT_OF[column]))

    def draw(self, axes: Axes, rows: pd.DataFrame, catalogue: Catalogue) -> None:
        """Draw the figure of every row with its 95% interval, and the figure in digits at its right."""
        tidy(axes)
        axes.grid(axis="y", visible=False)
        values, (lows, highs) = rows[self.column], interval_ends(rows, self.column, catalogue)
        left, right = limits(values, highs.fillna(values), self.is_log)
        for place, (value, low, high) in enumerate(zip(values, lows, highs, strict=True)):
            if pd.isna(value):
                write_beside(axes, left, place, self.words_for_none(rows.iloc[place]))
                continue
            self.draw_mark(axes, place, value, left, look_of(rows["precision"].iloc[place]))
            if high > low:
                draw_whisker(axes, place, (value, low, high), left)
            write_beside(axes, max(value, high, left), place, number(value, self.form) + row_signs(rows.iloc[place]))
        axes.set_ylim(len(rows) - 0.4, -0.6)
        if self.is_log:
            set_log_scale(axes)
        axes.set_xlim(left, right)
        axes.tick_params(axis="x", labelsize=7)

    def words_for_none(self, row: pd.Series[Any]) -> str:
        """Return what stands in the place of a missing figure."""
        return "" if self.is_self_reference and row["precision"] == BASELINE else "no figure"

    def draw_mark(self, axes: Axes, place: int, value: float, left: float, look: Look) -> None:
        """Draw a bar from 0, or a point, on a logarithmic axis at its left end where there is no place for it."""
        if self.is_log:
            axes.plot(max(value, left), place, "o", color=look.colour, clip_on=False)
        else:
            axes.barh(place, value, 0.7, color=look.colour, hatch=look.hatch, edgecolor="white")


REPEAT, THIS_TEXT = "of a repeat of this session", "of the figure on text like this"
PANELS = (
    Panel("speedup_vs_fp32", "Speed against FP32\n(more is better)", "{:.2f}x", "speed", REPEAT),
    Panel("energy_per_sample_mj", "Energy per sample, mJ\n(less is better)", "{:.1f}", "energy", REPEAT),
    Panel(
        SCORED,
        "Divergence from FP32,\n{what}, nats (less is better)",
        "{:.1e}",
        "divergence",
        THIS_TEXT,
        is_log=True,
        is_self_reference=True,
    ),
)
#: Inches of a row, of the titles, of the tick labels; shares of the width.
ROW_IN, HEAD_IN, TICKS_IN, LEFT, GAP = 0.28, 0.95, 0.3, 0.13, 0.035


def overview(run: RunSummary, title: str) -> Figure | None:
    """Draw speed, energy and divergence of the precisions that the recommendation chooses between, with intervals.

    None where there are several shapes or workloads, whose pictures are others, or fewer than two of the figures.
    """
    chosen = list(comparable_rows(run.frame, run.executions))
    if len(chosen) != 1 or run.frame["case"].map(lambda case: case.alternatives).nunique() > 1:
        return None
    rows = chosen[0].reset_index(drop=True)
    shown = [panel.of_what_was_timed(rows) if panel.column == SCORED else panel for panel in PANELS]
    panels = [panel for panel in shown if (rows[panel.column] > 0).any()]
    if len(panels) < 2:
        return None
    notes = [f"{rows['setting'].iloc[0]}; whiskers: 95% intervals, {whiskers(panels)}", *sign_legend(rows)]
    figure, foot = new_figure(run, title, HEAD_IN + TICKS_IN + ROW_IN * (len(rows) + 0.4), notes)
    height_in, width = figure.get_figheight(), (0.98 - LEFT) / len(panels)
    bottom, top = foot + TICKS_IN / height_in, 1 - HEAD_IN / height_in
    for place, panel in enumerate(panels):
        axes = figure.add_axes((LEFT + place * width, bottom, width - GAP, top - bottom))
        panel.draw(axes, rows, run.catalogue)
        axes.set_title(panel.heading, size=8, loc="left")
        names = [] if place else [literal(name) for name in rows["precision"]]
        axes.set_yticks(range(len(rows)) if names else [], names)
    return figure


def whiskers(panels: Sequence[Panel]) -> str:
    """Return what the intervals of the panels that are drawn are of."""
    words: dict[str, list[str]] = {}
    for panel in panels:
        words.setdefault(panel.interval, []).append(panel.word)
    return ", ".join(f"{interval} for {' and '.join(of)}" for interval, of in words.items())


def draw_whisker(axes: Axes, place: int, interval: tuple[float, float, float], left: float) -> None:
    """Draw an interval, (figure, low, high); a logarithmic axis has no 0, so there it begins at the axis's left end."""
    value, low, high = interval
    begin = max(value, left)
    error = [[begin - max(low, left)], [high - begin]]
    axes.errorbar(begin, place, xerr=error, fmt="none", ecolor="black", capsize=2.5, linewidth=1)


def set_log_scale(axes: Axes) -> None:
    """Make the x axis logarithmic, without labels between powers of ten."""
    from matplotlib.ticker import NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())


def write_beside(axes: Axes, x: float, place: int, text: str) -> None:
    """Write at the right of a point; by an offset, for SVG drops a space that a text begins with."""
    axes.annotate(text, (x, place), (5, 0), textcoords="offset points", va="center", size=8)


def limits(values: pd.Series[float], highs: pd.Series[float], is_log: bool) -> tuple[float, float]:
    """Return the ends of an axis, with room for labels at the right; a logarithmic one begins at a power of ten.

    It holds two of them at least: one alone says nothing of the scale, and ticks between them have no room for labels.
    """
    if not is_log:
        return 0.0, 1.35 * float(highs.max()) or 1.0
    smallest, largest = float(values[values > 0].min()), float(highs.max())
    left = 10.0 ** math.floor(math.log10(smallest / 1.5))
    return left, max(largest * (largest / left) ** 0.6, 10 * left)


OVERVIEW_PLOT = Plot(
    "overview",
    "What each precision gives and costs",
    overview,
    OVERVIEW,
    "Speed, energy and quality of each precision beside FP32's, without those that are invalid. Divergence is how "
    "far its predictions are from FP32's, on a scale where each step is a factor. Whiskers are 95% intervals.",
)
