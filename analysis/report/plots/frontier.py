"""Two costs against each other; the frontier is what no other benchmark beats in both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.metrics import CATALOGUE
from analysis.report.plots.bars import metric_caption, missing_values, row_signs, sign_legend
from analysis.report.plots.style import COLOURS, MARKERS, add_axes, literal, new_figure, numbered, pick
from analysis.report.summary import RunSummary
from analysis.table import interval_ends

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT_IN = 3.9


def frontier(run: RunSummary, title: str, x: str, y: str) -> Figure | None:
    """Draw every benchmark that has both figures, and a line through those that no other beats in both.

    Of both, less is better. None where fewer than two benchmarks have them.
    """
    complete = run.frame.dropna(subset=[x, y])
    if len(complete) < 2:
        return None
    best = undominated(complete, x, y)
    notes = [f"frontier, what no other beats in both: {', '.join(best['name'])}"]
    notes += [metric_caption(complete, column) for column in (x, y)]
    notes += sign_legend(complete)
    for column in (x, y):
        notes += missing_values(run.frame, column)
    figure, foot = new_figure(run, title, HEIGHT_IN, notes)
    axes = add_axes(figure, foot, left=0.13)
    colours, markers = numbered(run.frame["precision"]), numbered(run.frame["execution"])
    for execution, number in markers.items():
        axes.plot([], [], pick(MARKERS, number), color="white", markeredgecolor="black", label=literal(execution))
    axes.plot(best[x], best[y], drawstyle="steps-post", color="#666", linewidth=1, zorder=1, label="frontier")
    for (index, row), is_above in zip(complete.iterrows(), above_neighbour(complete, x, y), strict=True):
        colour, marker = pick(COLOURS, colours[row["precision"]]), pick(MARKERS, markers[row["execution"]])
        add_point(axes, complete.loc[[index]], x, y, colour, marker)
        # To the left of its point where, to the right of it, it could leave the picture.
        is_left = row[x] > (complete[x].min() + complete[x].max()) / 2
        axes.annotate(
            literal(row["name"]) + row_signs(row),
            (row[x], row[y]),
            xytext=(-7 if is_left else 7, 6 if is_above else -12),
            textcoords="offset points",
            ha="right" if is_left else "left",
            size=8,
        )
    axes.margins(0.12, 0.15)
    for axis, column in ((axes.xaxis, x), (axes.yaxis, y)):
        metric = CATALOGUE[column]
        axis.set_label_text(f"{metric.column}{f' [{metric.unit}]' if metric.unit else ''}", fontsize=8)
    axes.ticklabel_format(useOffset=False, style="plain")
    figure.legend(loc="upper right", bbox_to_anchor=(0.98, 1), ncols=len(markers) + 1, frameon=False, fontsize=8)
    return figure


def add_point(axes: Axes, row: pd.DataFrame, x: str, y: str, colour: str, marker: str) -> None:
    """Draw one benchmark, a frame of one row, with the 95% intervals it has."""
    errors: dict[str, Any] = {}
    for side, column in (("xerr", x), ("yerr", y)):
        low, high = interval_ends(row, column)
        errors[side] = [row[column] - low, high - row[column]]
    look: dict[str, Any] = {"markeredgecolor": "black", "markersize": 8, "capsize": 2, "elinewidth": 0.8}
    axes.errorbar(row[x], row[y], fmt=marker, color=colour, **look, **errors)


def above_neighbour(frame: pd.DataFrame, x: str, y: str) -> list[bool]:
    """Tell for each point whether it lies above its nearest neighbour: its name goes there, otherwise below it."""
    points = frame[[x, y]].to_numpy(dtype=float)
    spans = np.ptp(points, axis=0)
    scaled = points / np.where(spans > 0, spans, 1)
    distances = np.linalg.norm(scaled[:, None] - scaled[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    return [
        bool(point >= neighbour) for point, neighbour in zip(points[:, 1], points[distances.argmin(1), 1], strict=True)
    ]


def undominated(frame: pd.DataFrame, x: str, y: str) -> pd.DataFrame:
    """Return the rows that no other row beats in both figures, by rising x. Of equal rows the first stays."""
    ordered = frame.astype({x: float, y: float}).sort_values([x, y], kind="stable")
    frontier_rows: pd.DataFrame = ordered[ordered[y] < ordered[y].cummin().shift(fill_value=float("inf"))]
    return frontier_rows
