"""Two costs against each other; the frontier is what no other benchmark beats in both."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.report.divergence import divergence_column
from analysis.report.labels import axis_label
from analysis.report.plots.bars import metric_caption, missing_values, row_signs, sign_legend
from analysis.report.plots.looks import look_of
from analysis.report.plots.plot import BEST_CORNER, TRADE_OFFS, Plot
from analysis.report.plots.style import (
    LEGEND_LINE_IN,
    MARKERS,
    add_legend,
    legend_lines,
    literal,
    new_figure,
    numbered,
    pick,
    tidy,
)
from analysis.report.summary import RunSummary
from analysis.report.table import interval_ends

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

HEIGHT_IN, COLUMNS = 2.9, 2
#: Where there are more benchmarks only those on the frontier are named: all names would cover each other.
MOST_NAMED = 8
#: Points along the line from a point to its name that other names keep away from: no letter fits between two of them.
LINE_STEPS = 20
LOGARITHMIC_FROM = 3
#: Below that a logarithmic axis has ticks between the powers of ten.
FEW_DECADES = 2
MARKER_POINTS = 8
#: Where a name may stand beside its point, in points: close to it, and from further up joined by a line.
NAME_OFFSETS = (
    *((7, 6), (7, -12), (-7, 6), (-7, -12)),
    *((aside, height) for height in range(14, 130, 4) for aside in (14, -14)),
)


def frontier(run: RunSummary, title: str, x: str, y: str) -> Figure | None:
    """Draw every benchmark that has both figures, a panel for each shape, each with the line of what no other beats.

    Of both, less is better. None where no shape has two benchmarks with both figures.
    """
    complete = run.frame.dropna(subset=[x, y])
    shapes = complete["case"].map(lambda case: case.alternatives).astype(object)
    panels = [complete[shapes == shape] for shape in dict.fromkeys(shapes)]
    panels = [rows for rows in panels if len(rows) > 1]
    if not panels:
        return None
    best = [name for rows in panels for name in undominated(rows, x, y)["name"]]
    notes = [f"frontier, what no other of its shape beats in both: {', '.join(best)}"]
    notes += [metric_caption(run, column) for column in (x, y)]
    notes += sign_legend(complete)
    for column in (x, y):
        notes += missing_values(run, column)
    rows, columns = math.ceil(len(panels) / COLUMNS), min(COLUMNS, len(panels))
    handles = legend_handles(run, has_line=len(best) > len(panels))
    head_in = LEGEND_LINE_IN * legend_lines(len(handles))
    figure, foot = new_figure(run, title, 1.0 + head_in + rows * HEIGHT_IN, notes)
    height_in = figure.get_figheight()
    bottom, top = foot + 0.45 / height_in, 1 - (head_in + (0.6 if len(panels) == 1 else 0.8)) / height_in
    grid = figure.add_gridspec(rows, columns, left=0.13, right=0.98, bottom=bottom, top=top, hspace=0.35, wspace=0.35)
    for number, of_shape in enumerate(panels):
        axes = figure.add_subplot(grid[number // columns, number % columns])
        tidy(axes)
        draw_panel(axes, run, of_shape, x, y)
        if len(panels) > 1:
            case = of_shape["case"].iloc[0]
            several = [name for name in ("task", "workload") if run.frame[name].nunique() > 1]
            parts = [*(getattr(case, name).replace("_", " ") for name in several), case.shape]
            axes.set_title(", ".join(parts), size=8, loc="left")
    add_legend(figure, handles)
    return figure


def draw_panel(axes: Axes, run: RunSummary, rows: pd.DataFrame, x: str, y: str) -> None:
    """Draw the benchmarks of one shape, and a line through those that no other of them beats in both.

    Of many benchmarks those on the line are named, and the rest can be told by colour and marker.
    """
    markers = numbered(run.frame["execution"])
    best = undominated(rows, x, y)
    axes.plot(best[x], best[y], drawstyle="steps-post", color="#666", linewidth=1, zorder=1)
    for index, row in rows.iterrows():
        colour, marker = look_of(row["precision"]).colour, pick(MARKERS, markers[row["execution"]])
        add_point(axes, run, rows.loc[[index]], x, y, colour, marker)
    axes.margins(0.12, 0.15)
    for axis, column in ((axes.xaxis, x), (axes.yaxis, y)):
        axis.set_label_text(axis_label(run.catalogue[column]), fontsize=8)
    scale(axes, rows, x, y)
    add_names(axes, rows, rows if len(run.frame) <= MOST_NAMED else best, x, y)


def scale(axes: Axes, rows: pd.DataFrame, x: str, y: str) -> None:
    """Use a logarithmic axis for figures that span more than a factor of three: half of them would lie in a corner."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    for axis, values in ((axes.xaxis, rows[x]), (axes.yaxis, rows[y])):
        axis.set_major_formatter(StrMethodFormatter("{x:.8g}"))
        if values.min() > 0 and values.max() > LOGARITHMIC_FROM * values.min():
            (axes.set_xscale if axis is axes.xaxis else axes.set_yscale)("log")
            decades = math.log10(values.max() / values.min())
            axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < FEW_DECADES else (1,)))
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.set_minor_formatter(NullFormatter())


def add_names(axes: Axes, rows: pd.DataFrame, named: pd.DataFrame, x: str, y: str) -> None:
    """Write names beside points, each at the nearest place within the axes that covers no point, name or name's line.

    From the right to the left, so that the line of a point passes the names of those at its right.
    """
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

    axes.autoscale_view()
    points = pd.DataFrame(axes.transData.transform(rows[[x, y]].to_numpy(dtype=float)), rows.index)
    taken = [Bbox([point, point]).padded(MARKER_POINTS) for point in points.to_numpy()]
    for index, row in named.sort_values(x, ascending=False, kind="stable").iterrows():
        for offset in NAME_OFFSETS:
            name = add_name(axes, row, x, y, offset)
            name.get_window_extent()  # puts the text in its place; what it returns has the line in it
            box = Text.get_window_extent(name)
            is_free = axes.bbox.containsx(box.x0) and axes.bbox.containsx(box.x1) and not box.count_overlaps(taken)
            if is_free or offset == NAME_OFFSETS[-1]:
                end = (box.x0 if offset[0] > 0 else box.x1, box.y0)
                taken.append(box.padded(1))
                if offset[1] > MARKER_POINTS:
                    line = np.linspace(points.loc[index], end, LINE_STEPS)[1:]
                    taken += [Bbox([point, point]).padded(1) for point in line]
                break
            name.remove()


def add_name(axes: Axes, row: pd.Series[Any], x: str, y: str, offset: tuple[float, float]) -> Annotation:
    """Write a benchmark's name beside its point, `offset` in points; a far one is joined to it by a line."""
    line = {"arrowstyle": "-", "color": "#666", "linewidth": 0.6, "relpos": (0 if offset[0] > 0 else 1, 0)}
    return axes.annotate(
        literal(row["name"]) + row_signs(row),
        (row[x], row[y]),
        xytext=offset,
        textcoords="offset points",
        ha="right" if offset[0] < 0 else "left",
        size=8,
        arrowprops=line if offset[1] > MARKER_POINTS else None,
        annotation_clip=False,
    )


def legend_handles(run: RunSummary, *, has_line: bool) -> list[Any]:
    """Return what says what markers, colours and the line are; colours only where not every point has its name.

    A frontier of one point is no line.
    """
    from matplotlib.lines import Line2D

    look: dict[str, Any] = {"markeredgecolor": "black", "linestyle": ""}
    handles = [
        Line2D([], [], color="white", marker=pick(MARKERS, number), label=literal(execution), **look)
        for execution, number in numbered(run.frame["execution"]).items()
    ]
    if has_line:
        handles.append(Line2D([], [], color="#666", linewidth=1, label="frontier"))
    if len(run.frame) > MOST_NAMED:
        handles += [
            Line2D([], [], color=look_of(precision).colour, marker="o", label=literal(precision), **look)
            for precision in dict.fromkeys(run.frame["precision"])
        ]
    return handles


def add_point(axes: Axes, run: RunSummary, row: pd.DataFrame, x: str, y: str, colour: str, marker: str) -> None:
    """Draw one benchmark, a frame of one row, with the 95% intervals it has."""
    errors: dict[str, Any] = {}
    for side, column in (("xerr", x), ("yerr", y)):
        low, high = interval_ends(row, column, run.catalogue)
        errors[side] = [row[column] - low, high - row[column]]
    look: dict[str, Any] = {"markeredgecolor": "black", "markersize": MARKER_POINTS, "capsize": 2, "elinewidth": 0.8}
    axes.errorbar(row[x], row[y], fmt=marker, color=colour, **look, **errors)


def undominated(frame: pd.DataFrame, x: str, y: str) -> pd.DataFrame:
    """Return the rows that no other row beats in both figures, by rising x. Of equal rows the first stays."""
    ordered = frame.astype({x: float, y: float}).sort_values([x, y], kind="stable")
    frontier_rows: pd.DataFrame = ordered[ordered[y] < ordered[y].cummin().shift(fill_value=float("inf"))]
    return frontier_rows


def frontier_divergence(run: RunSummary, title: str) -> Figure | None:
    """Draw latency against the divergence of what was timed, or in runs without it of what was scored."""
    return frontier(run, title, "median_latency_ms", divergence_column(run.frame))


FRONTIER_DIVERGENCE_PLOT = Plot(
    "frontier_divergence",
    "Latency against divergence from FP32",
    frontier_divergence,
    TRADE_OFFS,
    f"Time for a batch, and how far the answers are from FP32's (0 is the same). {BEST_CORNER}",
)
FRONTIER_SIZE_PLOT = Plot(
    "frontier_size",
    "Latency against size",
    partial(frontier, x="median_latency_ms", y="model_size_mb"),
    TRADE_OFFS,
    f"Time for a batch, and memory for the weights. {BEST_CORNER}",
)
FRONTIER_ENERGY_PLOT = Plot(
    "frontier_energy",
    "Energy against latency",
    partial(frontier, x="energy_per_sample_mj", y="median_latency_ms"),
    TRADE_OFFS,
    f"Energy of a sample, and time for a batch. {BEST_CORNER}",
)
