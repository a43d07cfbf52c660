"""Pictures of one run. A new one is one more entry in PLOTS; matplotlib is loaded when the first is drawn."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from analysis.report.plots.bars import bars
from analysis.report.plots.frontier import frontier
from analysis.report.plots.lines import lines
from analysis.report.plots.overview import overview
from analysis.report.plots.time_series import latency_series, power_series
from analysis.report.summary import RunSummary
from core.files import write
from core.tasks import TaskWords

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Dots per inch of the PNG: sharp in print at the width of a page.
DPI = 130
FORMATS = ("svg", "png")


Draw: TypeAlias = "Callable[[RunSummary, str], Figure | None]"


#: How the page groups pictures, in its order.
OVERVIEW, SPEED, ENERGY, QUALITY, SIZE, TRADE_OFFS, COURSES = SECTIONS = (
    "In one picture",
    "Speed",
    "Energy",
    "Quality",
    "Size",
    "Trade-offs",
    "Course of the measurement",
)
REPEAT = "The whisker is where another session on this machine would find the figure 19 times in 20."
REPEATS = "Whiskers are 95% intervals of a repeat."
BEST_CORNER = (
    "A point is one benchmark, and the best are at the lower left. The grey line joins those that no other beats in "
    "both figures; whiskers are 95% intervals."
)


@dataclass(frozen=True)
class Plot:
    """A picture: its file's name, its title, and what draws it, or returns None where there is nothing to draw.

    On the page it stands in one of the `SECTIONS`, with a caption that says in plain words how to read it.
    """

    name: str
    title: str
    draw: Draw
    section: str = COURSES
    caption: str = ""


PLOTS = (
    Plot(
        "overview",
        "What each precision gives and costs",
        overview,
        OVERVIEW,
        "Speed, energy and quality of each precision beside FP32's, without those that are invalid. Divergence is how "
        "far its predictions are from FP32's, on a scale where each step is a factor. Whiskers are 95% intervals.",
    ),
    Plot(
        "latency",
        "Median latency of a forward",
        partial(bars, column="median_latency_ms", form="{:.3f}"),
        SPEED,
        f"How long the model takes for one batch: lower is better. {REPEAT}",
    ),
    Plot(
        "speedup",
        "Speed against FP32 in the same setting",
        partial(bars, column="speedup_vs_fp32", form="{:.2f}x"),
        SPEED,
        "How many times as fast as FP32: higher is better, and below 1 is slower than FP32. Where a whisker reaches "
        "across 1, another session may find the opposite.",
    ),
    Plot(
        "energy",
        "Energy per sample",
        partial(bars, column="energy_per_sample_mj", form="{:.4g}"),
        ENERGY,
        f"What one sample costs in energy, the device's idle power included: lower is better. {REPEAT}",
    ),
    Plot(
        "throughput",
        "Throughput",
        partial(bars, column="throughput", form="{:.4g}"),
        SPEED,
        "How many samples the model works through in a second: higher is better.",
    ),
    Plot(
        "sweep_latency",
        "Median latency over the shape",
        partial(lines, column="median_latency_ms"),
        SPEED,
        "How the time for a batch grows with the batch or its rows: lower is better. Where a line is level, the device "
        f"had room for more. {REPEATS}",
    ),
    Plot(
        "sweep_speedup",
        "Speed against FP32 over the shape",
        partial(lines, column="speedup_vs_fp32"),
        SPEED,
        "How many times as fast as FP32 at each size: higher is better, and below 1 is slower than FP32. A line that "
        f"rises says that the precision gains more from larger batches or rows. {REPEATS}",
    ),
    Plot(
        "sweep_energy",
        "Energy per sample over the shape",
        partial(lines, column="energy_per_sample_mj"),
        ENERGY,
        "What one sample costs in energy at each size: lower is better. In a larger batch more samples share the "
        f"device's idle power. {REPEATS}",
    ),
    Plot(
        "sweep_throughput",
        "Throughput over the shape",
        partial(lines, column="throughput"),
        SPEED,
        "How many samples the model works through in a second at each size: higher is better. Where a line no longer "
        "rises, the device is fully used.",
    ),
    Plot(
        "size",
        "Size of the model",
        partial(bars, column="model_size_mb", form="{:.1f}"),
        SIZE,
        "What the model's weights take in memory: lower is better. It is counted, so there is no whisker.",
    ),
    Plot(
        "frontier_divergence",
        "Latency against divergence from FP32",
        partial(frontier, x="median_latency_ms", y="kl_vs_fp32_nats"),
        TRADE_OFFS,
        f"Time for a batch, and how far the answers are from FP32's (0 is the same). {BEST_CORNER}",
    ),
    Plot(
        "frontier_size",
        "Latency against size",
        partial(frontier, x="median_latency_ms", y="model_size_mb"),
        TRADE_OFFS,
        f"Time for a batch, and memory for the weights. {BEST_CORNER}",
    ),
    Plot(
        "frontier_energy",
        "Energy against latency",
        partial(frontier, x="energy_per_sample_mj", y="median_latency_ms"),
        TRADE_OFFS,
        f"Energy of a sample, and time for a batch. {BEST_CORNER}",
    ),
    Plot(
        "latency_course",
        "Latency over the rounds",
        latency_series,
        COURSES,
        "Every timed round in its order, or medians of blocks where there are many. Each panel has its own scale. A "
        "level line is a steady machine; a slope or a step is a machine that changed while it was measured.",
    ),
    Plot(
        "power_course",
        "Power over time",
        power_series,
        COURSES,
        "Mean power of each window in which energy was metered, over the seconds of the session. A level line is a "
        "steady load.",
    ),
)


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
