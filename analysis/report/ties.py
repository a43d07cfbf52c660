"""Benchmarks that cannot be told apart in speed, and which of them to choose."""

from __future__ import annotations

from collections.abc import Container

import pandas as pd

from analysis.report.table import known_interval
from core.metrics import Catalogue


def as_fast_as_the_fastest(rows: pd.DataFrame, harmless: Container[str], catalogue: Catalogue) -> pd.DataFrame:
    """Return the fastest row and those that a repeat may find as fast, the one to choose first.

    Of these a `harmless` verdict on quality comes first, then the least energy where all have one, then the smallest
    size.
    """
    low, _ = known_interval(rows, "median_latency_ms", catalogue)
    fastest = rows["median_latency_ms"].min()
    chosen = rows[(rows["median_latency_ms"] == fastest) | (low <= fastest)]
    is_doubtful = [verdict not in harmless for verdict in chosen["quality_verdict"]]
    energy_mj = chosen["energy_per_sample_mj"] if chosen["energy_per_sample_mj"].notna().all() else 0.0
    keys = {"is doubtful": is_doubtful, "energy": energy_mj, "size": chosen["model_size_mb"]}
    ordered: pd.DataFrame = chosen.assign(**keys).sort_values([*keys, "median_latency_ms"])
    return ordered


def tied(names: list[str]) -> str:
    """Return the sentence on benchmarks that cannot be told from the one that was named, in speed."""
    *first, last = names
    every = f"{', '.join(first)} and {last}" if first else last
    return f"A repeat may find {every} as fast."
