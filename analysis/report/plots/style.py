"""How every picture looks: colours for the colour-blind, conditions at the foot, stand-in mark."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from analysis.report.summary import RunSummary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Okabe and Ito, Color Universal Design, 2008, then Tol's muted scheme (Colour Schemes, SRON, 2021); with hatches,
#: because print may be grey, and no two of ten precisions look alike.
COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"),
    *("#332288", "#999933", "#882255", "#44AA99"),
)
HATCHES = ("", "//", "..", "xx", "\\\\", "++", "oo", "--", "**", "||")
MARKERS = ("o", "s", "^", "D", "v", "P")
FONT: dict[str, Any] = {
    "font.family": ["DejaVu Sans", "sans-serif"],
    "svg.fonttype": "none",
    "svg.hashsalt": "gpt2",
    "hatch.linewidth": 0.6,
}
WIDTH_IN = 7.2
FOOT_LINE_IN = 0.118
#: Entries in one line of a legend, and the height of one line.
LEGEND_COLUMNS, LEGEND_LINE_IN = 5, 0.2
#: The empty edge below the conditions at the foot, and between them and the notes.
EDGE_IN = 0.06
FOOT_CHARACTERS = 130
WARNING_COLOUR = "#B00020"
#: Bold letters of 8 points that fit beside each other.
NOTICE_CHARACTERS = 97


def new_figure(run: RunSummary, title: str, height_in: float, notes: Sequence[str] = ()) -> tuple[Figure, float]:
    """Return an empty figure with its title, its conditions and notes; and where, from 0 to 1, its foot ends."""
    from matplotlib.figure import Figure

    set_font()
    conditions_in = conditions_height_in(run)
    noted = wrapped(notes)
    foot_in = conditions_in + FOOT_LINE_IN * len(noted) + 0.1
    total_in = height_in + foot_in
    figure = Figure(figsize=(WIDTH_IN, total_in), facecolor="white")
    figure.text(0.02, 1 - 0.1 / total_in, title, size=12, weight="bold", va="top")
    if run.stand_in:
        notice = run.stand_in_notice
        size = 8 * min(1.0, NOTICE_CHARACTERS / len(notice))  # the longest would be cut off at the right
        figure.text(0.02, 1 - 0.34 / total_in, notice, size=size, weight="bold", va="top", color=WARNING_COLOUR)
    look: dict[str, Any] = {"size": 6.5, "va": "bottom", "color": "#333"}
    figure.text(0.02, EDGE_IN / total_in, "\n".join(wrapped(run.conditions)), **look)
    figure.text(0.02, (conditions_in + EDGE_IN) / total_in, "\n".join(noted), **look)
    return figure, foot_in / total_in


def conditions_height_in(run: RunSummary) -> float:
    """Return how high, in inches, the conditions of a run stand at the foot of each of its pictures, edge included."""
    return EDGE_IN + FOOT_LINE_IN * len(wrapped(run.conditions))


def wrapped(lines: Sequence[str]) -> list[str]:
    """Return lines broken to the width of a picture's foot."""
    return [literal(part) for line in lines for part in textwrap.wrap(line, FOOT_CHARACTERS)]


def legend_lines(entries: int) -> int:
    """Return how many lines a legend takes above the axes; a short one stands beside the title and takes none."""
    return 0 if entries < LEGEND_COLUMNS else math.ceil(entries / LEGEND_COLUMNS)


def add_legend(figure: Figure, handles: Sequence[Any]) -> None:
    """Draw the legend beside the title, or below it where that has no room; `legend_lines` says what that takes."""
    lines = legend_lines(len(handles))
    top = 1 - (0.5 / figure.get_figheight() if lines else 0)
    columns = LEGEND_COLUMNS if lines else len(handles)
    figure.legend(
        handles=handles, loc="upper right", bbox_to_anchor=(0.98, top), ncols=columns, frameon=False, fontsize=8
    )


def set_font() -> None:
    """Set the font of all pictures."""
    import matplotlib as mpl

    settings: Any = mpl.rcParams
    settings.update(FONT)


def add_axes(figure: Figure, foot: float, head_in: float = 0.0, left: float = 0.1, right: float = 0.98) -> Axes:
    """Return the one pair of axes between title and foot, `head_in` inches lower than right below the title."""
    height_in = figure.get_figheight()
    bottom, top = foot + 0.36 / height_in, 1 - (0.58 + head_in) / height_in
    axes: Axes = figure.add_axes((left, bottom, right - left, top - bottom))
    tidy(axes)
    return axes


def tidy(axes: Axes) -> None:
    """Remove spines and ticks that carry no information."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)


def literal(text: object) -> str:
    """Return text that matplotlib shows as it is: a dollar would begin a formula, a control character break an SVG."""
    printable = "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in str(text))
    return printable.replace("$", r"\$")


def numbered(values: Iterable[Any]) -> dict[Any, int]:
    """Return each value's number in order of first appearance, which chooses colour, hatch or marker."""
    return {value: number for number, value in enumerate(dict.fromkeys(values))}


def pick(choices: Sequence[str], number: int) -> str:
    """Return `choices[number]`; numbers beyond the last begin again at the first."""
    return choices[number % len(choices)]
