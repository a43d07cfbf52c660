"""One metric of every benchmark side by side."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.report.labels import axis_label, label
from analysis.report.plots.looks import look_of
from analysis.report.plots.plot import ENERGY, REPEAT_WHISKER, SIZE, SPEED, Plot
from analysis.report.plots.style import (
    LEGEND_LINE_IN,
    add_axes,
    add_legend,
    legend_lines,
    literal,
    new_figure,
    numbered,
)
from analysis.report.summary import RunSummary
from analysis.report.table import interval_ends
from analysis.report.text_tables import WIDEST
from core.metrics import REPEAT_COLUMNS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Share of a setting's place that its bars fill.
FILLED = 0.84
HEIGHT_IN = 3.3
#: With more settings than this, bars would be too thin to read; a sweep is drawn as lines.
MOST_SETTINGS = 9
#: With more characters than this above the bars, they stand upright.
MOST_LEVEL_CHARACTERS = 80
#: Signs beside a row's figure, and what they mean.
INVALID, EMULATED = "*", "†"
SIGN_MEANINGS = {
    INVALID: "not valid: see the caveats",
    EMULATED: "emulated: this hardware lacks the precision",
}


def bars(run: RunSummary, title: str, column: str, form: str) -> Figure | None:
    """Draw a metric as bars from 0, grouped by execution and shape, with its 95% interval where it has one.

    A missing figure is a gap that says so, never a bar of height 0. None where no benchmark has the figure, and where
    there are too many settings for bars.
    """
    frame = run.frame
    if column not in frame:
        return None
    metric, values = run.catalogue[column], frame[column]
    if not values.notna().any() or frame["setting"].nunique() > MOST_SETTINGS:
        return None
    lows, highs = interval_ends(frame, column, run.catalogue)
    notes = [metric_caption(run, column), *sign_legend(frame), *missing_values(run, column)]
    settings, precisions = numbered(frame["setting"]), numbered(frame["precision"])
    head_in = LEGEND_LINE_IN * legend_lines(len(precisions))
    figure, foot = new_figure(run, title, HEIGHT_IN + head_in, notes)
    axes = add_axes(figure, foot, head_in)
    width = FILLED / len(precisions)
    longest = max(len(form.format(value)) for value in values.dropna())
    is_crowded = len(settings) * len(precisions) * longest > MOST_LEVEL_CHARACTERS
    top = max(min(float(highs.max()), WIDEST * float(values.max())), 0.0)  # what is not known leaves bars to be seen
    for (_, row), value, low, high in zip(frame.iterrows(), values, lows, highs, strict=True):
        number, look = precisions[row["precision"]], look_of(row["precision"])
        x = settings[row["setting"]] + (number - (len(precisions) - 1) / 2) * width
        if pd.isna(value):
            axes.text(x, 0.02 * top, "no figure", rotation=90, ha="center", va="bottom", size=8, color="#666")
            continue
        axes.bar(x, value, 0.92 * width, color=look.colour, hatch=look.hatch, edgecolor="white")
        if high > low:
            axes.errorbar(x, value, [[value - low], [high - value]], fmt="none", ecolor="black", capsize=3, linewidth=1)
        label, rotation = form.format(value) + row_signs(row), 90 if is_crowded else 0
        # A figure below 0, which only a damaged run has, is named on the axis.
        above = min(max(high, 0.0), top) + 0.02 * top
        axes.text(x, above, label, rotation=rotation, ha="center", va="bottom", size=7 if is_crowded else 8)
    handles = [
        axes.bar(0, 0, label=literal(name), color=look.colour, hatch=look.hatch, edgecolor="white")
        for name, look in ((name, look_of(name)) for name in precisions)
    ]
    axes.set_xticks(list(settings.values()), group_labels(frame))
    axes.set_xlim(-0.5, len(settings) - 0.5)
    axes.set_ylim(0, (1.3 if is_crowded else 1.14) * top if top > 0 else 1)
    axes.set_ylabel(axis_label(metric), size=8)
    add_legend(figure, handles)
    return figure


def group_labels(frame: pd.DataFrame) -> list[str]:
    """Return the label of each setting; where there are several shapes each names its own, the usual one too."""
    cases = {case.setting: case for case in frame["case"]}
    has_several = len({case.shape for case in cases.values()}) > 1
    labels = []
    for setting, case in cases.items():
        shape = f"b{case.batch_size}x{case.sequence_length}"
        parts = setting.split("-") + ([shape] if has_several and shape not in setting else [])
        labels.append(literal("\n".join(parts)))
    return labels


def metric_caption(run: RunSummary, column: str) -> str:
    """Return a metric's description, and what its interval is of, for the foot of a picture."""
    low, high = interval_ends(run.frame, column, run.catalogue)
    metric = run.catalogue[column]
    assumed = " (assumed)" if metric.repeat in REPEAT_COLUMNS and run.frame["interval_assumed"].eq(True).any() else ""
    whiskers = f"; whiskers: 95% interval of {metric.interval_of}{assumed}" if (high > low).any() else ""
    return f"{label(metric)}: {metric.description}{whiskers}"


def row_signs(row: pd.Series[Any]) -> str:
    """Return the signs that stand beside a row's figure."""
    signs = ""
    if row["validity"] == "invalid":
        signs += INVALID
    if row["native"] in (False, 0):
        signs += EMULATED
    return signs


def sign_legend(frame: pd.DataFrame) -> list[str]:
    """Return a line for each sign that stands beside any row's figure."""
    used = "".join(row_signs(row) for _, row in frame.iterrows())
    return [f"{sign} {meaning}" for sign, meaning in SIGN_MEANINGS.items() if sign in used]


def missing_values(run: RunSummary, column: str) -> list[str]:
    """Return a line for each row that lacks a figure, with the reason where the run states one."""
    frame, reason_column, lines = run.frame, run.catalogue[column].reason_column, []
    for _, row in frame[frame[column].isna()].iterrows():
        reason = row.get(reason_column) if reason_column else None
        lines.append(f"no figure for {row['name']}" + ("" if pd.isna(reason) else f": {reason}"))
    return lines


LATENCY_PLOT = Plot(
    "latency",
    "Median latency of a forward",
    partial(bars, column="median_latency_ms", form="{:.3f}"),
    SPEED,
    f"How long the model takes for one batch: lower is better. {REPEAT_WHISKER}",
)
SPEEDUP_PLOT = Plot(
    "speedup",
    "Speed against FP32 in the same setting",
    partial(bars, column="speedup_vs_fp32", form="{:.2f}x"),
    SPEED,
    "How many times as fast as FP32: higher is better, and below 1 is slower than FP32. Where a whisker reaches "
    "across 1, another session may find the opposite.",
)
ENERGY_PLOT = Plot(
    "energy",
    "Energy per sample",
    partial(bars, column="energy_per_sample_mj", form="{:.4g}"),
    ENERGY,
    f"What one sample costs in energy, the device's idle power included: lower is better. {REPEAT_WHISKER}",
)
THROUGHPUT_PLOT = Plot(
    "throughput",
    "Throughput",
    partial(bars, column="throughput", form="{:.4g}"),
    SPEED,
    "How many samples the model works through in a second: higher is better.",
)
SIZE_PLOT = Plot(
    "size",
    "Size of the model",
    partial(bars, column="model_size_mb", form="{:.1f}"),
    SIZE,
    "What the model's weights take in memory: lower is better. It is counted, so there is no whisker.",
)
