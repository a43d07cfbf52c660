"""What pytest-benchmark's own comparison of runs leaves out: quality, energy, size and validity."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.comparison.common_text import (
    COMMON_HEADING,
    FIGURE,
    common_bits,
    have_other_tokens,
    is_told_in_bits,
)
from analysis.report.table import tables
from analysis.report.text_tables import number, plain_table
from analysis.runs.saved import Run
from core.case import case_of, is_own
from core.executions import EXECUTIONS_KEY
from core.guards import finite_number
from core.metrics import CATALOGUE_KEY, NAME, READ_BY_NAME, REPEAT_COLUMNS, lookup
from core.tasks import UNDESCRIBED_TASK

#: The column with each task's headline, and what heads bits per byte.
QUALITY, BITS_HEADING = "quality", "bits/byte"
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
    infos = [item["extra_info"] for item in in_order]
    has_bits, has_several = any(map(is_told_in_bits, infos)), any(have_other_tokens(infos[0], one) for one in infos)
    rows = []
    for _, of_name in frame.groupby("name", sort=False):
        first = of_name.index[0]
        for place, row in of_name.iterrows():
            others = have_other_tokens(infos[first], infos[place])
            cells = benchmark_as_text(row, of_name.iloc[0], of_other_tokens=others)
            cells |= {BITS_HEADING: bits_text(infos[place])} if has_bits else {}
            cells |= {COMMON_HEADING: common_text(infos[first], infos[place]) if others else "-"} if has_several else {}
            rows.append(cells)
    return plain_table(pd.DataFrame(rows).rename(columns={QUALITY: heading}))


def bits_text(extra_info: Mapping[str, Any]) -> str:
    """Return a benchmark's bits per byte as text, a dash where it has none."""
    return number(finite_number(lookup(extra_info, FIGURE)), "{:.4f}")


def common_text(first: Mapping[str, Any], extra_info: Mapping[str, Any]) -> str:
    """Return bits per byte over the characters that a benchmark and the first run's both predict, and the change."""
    bits = common_bits(first, extra_info)
    if bits.change is None:
        return f"- ({bits.reason})"
    relative, low, high, _ = bits.change
    interval = "" if math.isnan(low) else f", {low:+.2%} to {high:+.2%}"
    return f"{bits.after:.4f} against {bits.before:.4f} ({relative:+.2%}{interval})"


def headline(item: Mapping[str, Any]) -> tuple[str, float]:
    """Return the name of the figure by which a benchmark's quality is told, and its value, NaN where it has none."""
    extra_info = item["extra_info"]
    name = lookup(extra_info, "quality.headline")
    if not (isinstance(name, str) and NAME.fullmatch(name)):
        name = UNDESCRIBED_TASK.headline
    value = finite_number(lookup(extra_info, f"quality.{name}"))
    return name, math.nan if value is None else value


def benchmark_as_text(row: pd.Series[Any], first: pd.Series[Any], *, of_other_tokens: bool) -> dict[str, str]:
    """Return one benchmark of one run as a row of text; `first` is the first run's.

    Figures of the tokens of different tokenizers have no difference (`of_other_tokens`).
    """
    cells = {"benchmark": str(row["name"]), "run": row["source"], "median ms, 95% of a repeat": with_repeat(row)}
    for column, heading, form in COLUMNS:
        is_comparable = not (of_other_tokens and column == QUALITY)
        cells[heading] = number(row[column], form) + (difference(row[column], first[column]) if is_comparable else "")
    return cells | {"validity": f"{row['validity']}, stand-in" if row["stand_in"] else row["validity"]}


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
