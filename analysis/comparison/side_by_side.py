"""What pytest-benchmark's own comparison of runs leaves out: quality, energy, size and validity."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.report.table import tables
from analysis.report.text_tables import markdown_table, number
from analysis.runs.saved import Run
from core.case import case_of, is_own
from core.executions import EXECUTIONS_KEY
from core.guards import finite_number
from core.metrics import CATALOGUE_KEY, NAME, READ_BY_NAME, REPEAT_COLUMNS, lookup
from core.tasks import UNDESCRIBED_TASK

#: The column with each task's headline.
QUALITY = "quality"
#: Column, heading, and format of the figure.
COLUMNS = (
    (QUALITY, "quality", "{:.4f}"),
    ("energy_per_sample_mj", "energy mJ", "{:.1f}"),
    ("model_size_mb", "size MB", "{:.2f}"),
    ("peak_memory_mb", "peak MB", "{:.1f}"),
)
#: Where the figures are in `extra_info`: pytest-benchmark does not pass on what a run says of its metrics.
PATHS = {
    "median_latency_ms": "latency.median_ms",
    "energy_per_sample_mj": "energy.energy_per_sample_mj",
    "model_size_mb": "size.model_size_mb",
    "peak_memory_mb": "size.peak_memory_mb",
    "stand_in": "provenance.stand_in",
}
ENVIRONMENT = {
    CATALOGUE_KEY: [
        {"column": column, "path": path, "unit": "", "description": "", "is_number": READ_BY_NAME[column]}
        for column, path in PATHS.items()
    ]
}


def run_of(source: str, benchmarks: Sequence[dict[str, Any]]) -> Run:
    """Return the run that benchmarks are of, with what they say of their executions."""
    traits = {case_of(item).execution: lookup(item, "extra_info.execution_traits") for item in benchmarks}
    said = {execution: entry for execution, entry in traits.items() if entry is not None}
    environment = ENVIRONMENT | ({EXECUTIONS_KEY: said} if said else {})
    return Run(Path(source), tuple(benchmarks), environment)


def side_by_side(benchmarks: Sequence[dict[str, Any]]) -> str | None:
    """Return a table of the benchmarks that `pytest-benchmark compare` shows, those of one name below each other.

    Each has its `extra_info` and the `source` it is from. A figure's difference is from the first run's of that name;
    None where no benchmark is this suite's.
    """
    own = [item for item in benchmarks if is_own(item)]
    if not own:
        return None
    sources = list(dict.fromkeys(str(item.get("source", "")) for item in own))
    frame = tables(
        [run_of(source, [item for item in own if str(item.get("source", "")) == source]) for source in sources]
    )
    in_order = sorted(own, key=lambda item: sources.index(str(item.get("source", ""))))
    headlines = [headline(item) for item in in_order]
    frame = frame.assign(
        source=[sources[number] for number in frame["run"]], **{QUALITY: [value for _, value in headlines]}
    )
    names = {name for name, _ in headlines}
    heading = names.pop() if len(names) == 1 else QUALITY
    rows = []
    for _, of_name in frame.groupby("name", sort=False):
        rows += [benchmark_as_text(row, of_name.iloc[0]) for _, row in of_name.iterrows()]
    return markdown_table(pd.DataFrame(rows).rename(columns={QUALITY: heading}), "simple")


def headline(item: Mapping[str, Any]) -> tuple[str, float]:
    """Return the name of the figure by which a benchmark's quality is told, and its value, NaN where it has none."""
    extra_info = item["extra_info"]
    name = lookup(extra_info, "quality.headline")
    if not (isinstance(name, str) and NAME.fullmatch(name)):
        name = UNDESCRIBED_TASK.headline
    value = finite_number(lookup(extra_info, f"quality.{name}"))
    return name, math.nan if value is None else value


def benchmark_as_text(row: pd.Series[Any], first: pd.Series[Any]) -> dict[str, str]:
    """Return one benchmark of one run as a row of text; `first` is the first run's."""
    cells = {"benchmark": str(row["name"]), "run": row["source"], "median ms, 95% of a repeat": with_repeat(row)}
    for column, heading, form in COLUMNS:
        cells[heading] = number(row[column], form) + difference(row[column], first[column])
    validity = str(row["validity"] or "unknown")
    return cells | {"validity": f"{validity}, stand-in" if row["stand_in"] else validity}


def with_repeat(row: pd.Series[Any]) -> str:
    """Return a row's latency with the interval of a repeat, marked where that is assumed."""
    low, high = (row[column] for column in REPEAT_COLUMNS["latency"])
    interval = "" if pd.isna(low) else f" ({low:.3f} to {high:.3f}{', assumed' if row['interval_assumed'] else ''})"
    return number(row["median_latency_ms"], "{:.3f}") + interval


def difference(value: Any, first: Any) -> str:  # noqa: ANN401
    """Return by how much a figure differs from the first run's, relative to it; nothing where that is unknown."""
    if pd.isna(value) or pd.isna(first) or first == 0 or value == first:
        return ""
    return f" ({value / first - 1:+.2%})"
