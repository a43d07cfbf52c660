"""Where the time of a forward goes: a bar for each benchmark, of its groups of kernels and the gaps between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analysis.report.breakdown import group_names, groups_by_name
from analysis.report.plots.plot import SPEED, Plot
from analysis.report.plots.style import (
    COLOURS,
    HATCHES,
    LEGEND_LINE_IN,
    add_axes,
    add_legend,
    legend_lines,
    literal,
    new_figure,
    numbered,
    pick,
)
from analysis.report.summary import RunSummary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Inches of a bar with what is between two, and of title and ticks.
ROW_IN, HEAD_IN = 0.28, 1.0
#: The share of the longest bar from which on a part has room for its percentage.
LEGIBLE = 0.06
#: How a percentage stands in its part.
LABEL: dict[str, Any] = {"ha": "center", "va": "center", "size": 7, "bbox": {"fc": "white", "ec": "none", "pad": 0.8}}
#: With more bars than this the picture would be longer than a page.
MOST_BARS = 32


def stacked(run: RunSummary, title: str) -> Figure | None:
    """Draw milliseconds of a forward in the profiler by group. None where no benchmark has them, or too many do."""
    bars = list(groups_by_name(run))
    if not bars or len(bars) > MOST_BARS:
        return None
    groups = numbered(group_names(run))
    head_in = LEGEND_LINE_IN * legend_lines(len(groups))
    note = "milliseconds in the profiler, from the beginning of the first kernel to the end of the last"
    figure, foot = new_figure(run, title, HEAD_IN + head_in + ROW_IN * len(bars), [note])
    axes = add_axes(figure, foot, head_in, left=0.2)
    axes.grid(axis="y", visible=False)
    longest = max(sum(part.ms for part in parts) for _, parts in bars)
    for place, (_, parts) in enumerate(bars):
        left = 0.0
        for part in sorted(parts, key=lambda part: groups[part.name]):
            colour, hatch = pick(COLOURS, groups[part.name]), pick(HATCHES, groups[part.name])
            axes.barh(place, part.ms, 0.75, left=left, color=colour, hatch=hatch, edgecolor="white")
            if part.ms > LEGIBLE * longest:
                axes.text(left + part.ms / 2, place, f"{part.share:.0%}", **LABEL)
            left += part.ms
    handles = [
        axes.barh(
            0, 0, label=literal(name), color=pick(COLOURS, number), hatch=pick(HATCHES, number), edgecolor="white"
        )
        for name, number in groups.items()
    ]
    axes.set_yticks(range(len(bars)), [literal(name) for name, _ in bars])
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.set_xlim(0, longest)
    axes.set_xlabel("ms", size=8)
    add_legend(figure, handles)
    return figure


BREAKDOWN_PLOT = Plot(
    "breakdown",
    "Where the time of a forward goes",
    stacked,
    SPEED,
    "What groups of kernels take of one forward, and the gaps in which the device waits for the next. A precision "
    "changes the matrix products most. The profiler makes gaps longer than they are without it.",
)
