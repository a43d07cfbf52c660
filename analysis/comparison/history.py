"""Every metric over saved runs: what a new driver, library or commit did to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from analysis.metrics import METRICS, RATIOS, catalogued
from analysis.records import lookup, measured_at, short_commit
from analysis.storage.files import write
from analysis.storage.runs import Run
from analysis.table import tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "history"
COLUMNS = 3
ROW_IN, WIDTH_IN = 1.7, 11.0
#: What a run ran on, where `extra_info` has it.
VERSIONS = ("device_name", "driver", "torch", "transformers")


def write_history(folder: Path, runs: Sequence[Run]) -> tuple[str, list[Path]]:
    """Write the pictures of runs in the order given; return the list of runs as Markdown, and the pictures' paths.

    Raises `OSError` where the folder cannot be written.
    """
    from analysis.report.plots import FORMATS, rendered

    listed = overview(runs)
    figure = picture(runs)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [write(folder / f"{NAME}.{form}", rendered(figure, form)) for form in FORMATS]
    return listed.to_markdown(index=False, disable_numparse=True), paths


def overview(runs: Sequence[Run]) -> pd.DataFrame:
    """Return a row for each run: its number in the pictures, its file, when, from which commit, on what."""
    rows = []
    for number, run in enumerate(runs, start=1):
        first = run.benchmarks[0]["extra_info"]
        versions = {name: str(lookup(first, f"environment.{name}") or "unknown") for name in VERSIONS}
        marked = any(lookup(item["extra_info"], "provenance.stand_in") for item in run.benchmarks)
        rows.append(
            {
                "#": str(number),
                "run": run.path.name,
                "measured": measured_at(run.environment) or "unknown",
                "commit": short_commit(run.environment, 8),
                **versions,
                "stand-in": "yes" if marked else "no",
            }
        )
    shown: pd.DataFrame = pd.DataFrame(rows)
    return shown


def values_over_runs(runs: Sequence[Run]) -> dict[str, pd.DataFrame]:
    """Return for each metric that has a better and a worse, and any value, a column a benchmark and a row a run."""
    frame = tables([run.benchmarks for run in runs]).drop_duplicates(["run", "name"])
    frame["run"] += 1
    names = frame["name"].unique()
    found = {}
    for metric in (*METRICS, *RATIOS):
        if metric.better is None:
            continue
        values = frame.pivot(index="run", columns="name", values=metric.column).reindex(columns=names)
        values = values.dropna(axis="columns", how="all")
        if len(values.columns):
            found[metric.column] = values
    return found


def picture(runs: Sequence[Run]) -> Figure:
    """Return one panel for each metric, a line for each benchmark; the foot says what the numbered runs ran on."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    from analysis.report.plots.style import (
        COLOURS,
        FOOT_LINE_IN,
        MARKERS,
        STAND_IN_MARK,
        literal,
        numbered,
        pick,
        set_font,
        tidy,
    )

    set_font()
    metrics = values_over_runs(runs)
    rows = max(1, -(-len(metrics) // COLUMNS))
    foot = [", ".join(f"{name} {value}" for name, value in row.items()) for row in overview(runs).to_dict("records")]
    foot_in = 0.2 + FOOT_LINE_IN * len(foot)
    height_in = 0.95 + rows * ROW_IN + foot_in
    figure = Figure(figsize=(WIDTH_IN, height_in), facecolor="white")
    figure.text(0.02, 1 - 0.12 / height_in, f"{len(runs)} saved runs", size=13, weight="bold", va="top")
    if any(lookup(item["extra_info"], "provenance.stand_in") for run in runs for item in run.benchmarks):
        figure.text(0.2, 1 - 0.16 / height_in, STAND_IN_MARK, size=8, weight="bold", va="top", color="#B00020")
    figure.text(0.02, 0.06 / height_in, literal("\n".join(foot)), size=6.5, va="bottom", color="#333")
    top, bottom = 1 - 0.85 / height_in, (foot_in + 0.3) / height_in
    grid = figure.add_gridspec(rows, COLUMNS, left=0.06, right=0.99, top=top, bottom=bottom, hspace=0.75, wspace=0.25)
    benchmarks = numbered([name for values in metrics.values() for name in values.columns])
    lines, marker_size = {}, min(4, max(1.5, 100 / len(runs)))
    for number, (column, values) in enumerate(metrics.items()):
        axes = figure.add_subplot(grid[number // COLUMNS, number % COLUMNS])
        tidy(axes)
        for name in values.columns:
            colour, marker = pick(COLOURS, benchmarks[name]), pick(MARKERS, benchmarks[name])
            (lines[name],) = axes.plot(
                values.index, values[name], color=colour, marker=marker, ms=marker_size, linewidth=1
            )
        unit = catalogued(column).unit
        axes.set_title(f"{column}{f' [{unit}]' if unit else ''}", size=8, loc="left")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.ticklabel_format(axis="y", useOffset=False)
        axes.tick_params(labelsize=7)
    names = [literal(name) for name in lines]
    corner = (0.01, 1 - 0.33 / height_in)
    columns = max(1, len(names))
    figure.legend(
        lines.values(), names, ncols=columns, frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=corner
    )
    return figure
