"""What pytest-benchmark's own comparison leaves out: perplexity, energy, size and validity of the runs it shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.records import is_own
from analysis.report.text_tables import number
from analysis.table import table

#: Column, heading, and how a figure is shown.
SHOWN = (
    ("perplexity", "perplexity", "{:.4f}"),
    ("energy_per_sample_mj", "energy mJ", "{:.1f}"),
    ("model_size_mb", "size MB", "{:.2f}"),
    ("peak_memory_mb", "peak MB", "{:.1f}"),
)


def side_by_side(benchmarks: Sequence[dict[str, Any]]) -> str | None:
    """Return a table of the benchmarks that `pytest-benchmark compare` shows, those of one name below each other.

    Each has its `extra_info` and the `source` it is from. A figure's difference is from the first run's of that name;
    None where no benchmark is this suite's.
    """
    own = [item for item in benchmarks if is_own(item)]
    if not own:
        return None
    frame = table(own).assign(source=[str(item.get("source", "")) for item in own])
    rows = []
    for name in dict.fromkeys(frame["name"]):
        of_name = frame[frame["name"] == name]
        rows += [row(item, of_name.iloc[0]) for _, item in of_name.iterrows()]
    shown: str = pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True, tablefmt="simple")
    return shown


def row(item: pd.Series[Any], first: pd.Series[Any]) -> dict[str, str]:
    """Return one benchmark of one run as text."""
    shown = {"benchmark": str(item["name"]), "run": item["source"]}
    for column, heading, form in SHOWN:
        shown[heading] = number(item[column], form) + difference(item[column], first[column])
    marks = [str(item["validity"] or "unknown"), *(["stand-in"] if item["stand_in"] else [])]
    return shown | {"validity": ", ".join(marks)}


def difference(value: Any, first: Any) -> str:  # noqa: ANN401
    """Return by how much a figure differs from the first run's, relative to it; nothing where that cannot be told."""
    if pd.isna(value) or pd.isna(first) or first == 0 or value == first:
        return ""
    return f" ({value / first - 1:+.2%})"
