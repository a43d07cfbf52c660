"""Pictures of one run. A new one is one more entry in PLOTS; matplotlib is loaded when the first is drawn."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from analysis.metrics.tasks import TaskWords
from analysis.report.plots.bars import bars
from analysis.report.plots.frontier import frontier
from analysis.report.plots.lines import lines
from analysis.report.plots.overview import overview
from analysis.report.plots.time_series import latency_series, power_series
from analysis.report.summary import RunSummary
from analysis.storage.files import write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Dots per inch of the PNG: sharp in print at the width of a page.
DPI = 130
FORMATS = ("svg", "png")


Draw: TypeAlias = "Callable[[RunSummary, str], Figure | None]"


@dataclass(frozen=True)
class Plot:
    """A picture: its file's name, its title, and what draws it, or returns None where there is nothing to draw."""

    name: str
    title: str
    draw: Draw


PLOTS = (
    Plot("overview", "What each precision gives and costs", overview),
    Plot("latency", "Median latency of a forward", partial(bars, column="median_latency_ms", form="{:.3f}")),
    Plot(
        "speedup",
        "Speed against FP32 in the same setting",
        partial(bars, column="speedup_vs_fp32", form="{:.2f}x"),
    ),
    Plot("energy", "Energy per sample", partial(bars, column="energy_per_sample_mj", form="{:.4g}")),
    Plot("throughput", "Throughput", partial(bars, column="throughput", form="{:.4g}")),
    Plot("sweep_latency", "Median latency over the shape", partial(lines, column="median_latency_ms")),
    Plot("sweep_speedup", "Speed against FP32 over the shape", partial(lines, column="speedup_vs_fp32")),
    Plot("sweep_energy", "Energy per sample over the shape", partial(lines, column="energy_per_sample_mj")),
    Plot("sweep_throughput", "Throughput over the shape", partial(lines, column="throughput")),
    Plot("size", "Size of the model", partial(bars, column="model_size_mb", form="{:.1f}")),
    Plot(
        "frontier_divergence",
        "Latency against divergence from FP32",
        partial(frontier, x="median_latency_ms", y="kl_vs_fp32_nats"),
    ),
    Plot("frontier_size", "Latency against size", partial(frontier, x="median_latency_ms", y="model_size_mb")),
    Plot(
        "frontier_energy", "Energy against latency", partial(frontier, x="energy_per_sample_mj", y="median_latency_ms")
    ),
    Plot("latency_course", "Latency over the rounds", latency_series),
    Plot("power_course", "Power over time", power_series),
)


def plots_of(tasks: Mapping[str, TaskWords]) -> Iterator[Plot]:
    """Give the pictures of tasks' quality: the headline of each, and what a better one costs."""
    for number, (task, words) in enumerate(tasks.items()):
        name = words.headline.replace("_", " ")
        yield Plot(
            words.headline, name.capitalize(), of_task(task, partial(bars, column=words.headline, form="{:.4g}"))
        )
        cost = words.cost.replace("_", " ")
        yield Plot(
            f"frontier_quality_{words.files}" if number else "frontier_quality",
            f"Latency against {cost}",
            of_task(task, partial(frontier, x="median_latency_ms", y=words.cost)),
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
    for plot in plots or (*PLOTS, *plots_of(run.tasks)):
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
