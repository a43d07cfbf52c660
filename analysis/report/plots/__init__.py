"""Pictures of one run, and a file for each way to draw. A new one is a `Plot` in a module of this folder."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.report.plots.bars import bars
from analysis.report.plots.frontier import frontier
from analysis.report.plots.plot import BEST_CORNER, QUALITY, TRADE_OFFS, Draw, Plot
from analysis.report.summary import RunSummary
from core.files import write
from core.registry import Registry, of_type
from core.tasks import TaskWords

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Dots per inch of the PNG: sharp in print at the width of a page.
DPI = 130
FORMATS = ("svg", "png")

PLOTS: Registry[Plot] = Registry("picture", __name__, of_type(Plot))


def plots_of(tasks: Mapping[str, TaskWords]) -> Iterator[Plot]:
    """Give the pictures of tasks' quality: the headline of each, and what a better one costs."""
    for number, (task, words) in enumerate(tasks.items()):
        name, cost = words.headline.replace("_", " "), words.cost.replace("_", " ")
        better = "lower" if words.cost == words.headline else "higher"
        yield Plot(
            words.headline,
            name.capitalize(),
            of_task(task, partial(bars, column=words.headline, form="{:.5g}")),
            QUALITY,
            f"The model's {name} on the text: {better} is better. A whisker, where there is one, is the 95% interval "
            "for text like this; differences too small to see are judged in the table, under 'against FP32'.",
        )
        yield Plot(
            f"frontier_quality_{words.files}" if number else "frontier_quality",
            f"Latency against {cost}",
            of_task(task, partial(frontier, x="median_latency_ms", y=words.cost)),
            TRADE_OFFS,
            f"Time for a batch, and the model's {cost}. {BEST_CORNER}",
        )


def of_task(task: str, draw: Draw) -> Draw:
    """Return what draws the benchmarks of one task alone: the others have no figure of its quality."""
    return lambda run, title: draw(run.of_task(task), title)


def write_plots(folder: Path, run: RunSummary, plots: Sequence[Plot] | None = None) -> dict[str, bytes]:
    """Write every picture as PNG and SVG; return the SVGs by the pictures' titles.

    Where a run has nothing to draw, the files of an earlier run are removed.

    Raises `OSError` where the folder cannot be written.
    """
    drawn = {}
    for plot in plots or (*PLOTS.values(), *plots_of(run.tasks)):
        figure = plot.draw(run, plot.title)
        for form in FORMATS:
            path = folder / f"{plot.name}.{form}"
            if figure is None:
                path.unlink(missing_ok=True)
                continue
            content = rendered(figure, form)
            write(path, content)
            if form == "svg":
                drawn[plot.title] = content
    return drawn


def rendered(figure: Figure, form: str) -> bytes:
    """Return a figure as a file of the format, the same bytes for the same figure."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        # The font may lack letters of a model's name; the tables have it.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(file, format=form, dpi=DPI, metadata={"Date": None} if form == "svg" else None)
    return file.getvalue()
