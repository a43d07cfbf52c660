"""Two sets of saved runs side by side, for people, pull requests and programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from analysis.comparison.changes import RUNS_FOR_VERDICT, Change
from analysis.comparison.comparability import differences
from analysis.storage.runs import Run

#: What the Markdown shows; the JSON has every metric.
SHOWN = (
    "median_latency_ms",
    "throughput",
    "perplexity",
    "energy_per_sample_mj",
    "energy_net_mj",
    "model_size_mb",
    "peak_memory_mb",
    "speedup_vs_fp32",
)
#: Words for a verdict where the metric has some of its own.
WORDS = {"median_latency_ms": {"better": "faster", "worse": "slower"}}


def conditions(before: Sequence[Run], after: Sequence[Run]) -> list[str]:
    """Return what makes the sides differ by itself."""
    return differences((str(run.path), item["extra_info"]) for run in (*before, *after) for item in run.benchmarks)


def as_markdown(before: Sequence[Run], after: Sequence[Run], changes: Sequence[Change]) -> str:
    """Return the comparison as Markdown: warnings, a table, and how to read it."""
    found = [change for change in changes if change.metric in SHOWN]
    parts = [f"# {len(before)} run(s) against {len(after)} run(s)"]
    parts += [f"> **warning:** {line}" for line in conditions(before, after)]
    parts.append(pd.DataFrame([row(change) for change in found]).to_markdown(index=False, disable_numparse=True))
    if min(len(before), len(after)) < RUNS_FOR_VERDICT:
        parts.append(
            f"Fewer than {RUNS_FOR_VERDICT} runs a side are indicative: runs of the same thing differ too. Make more "
            "with `python -m benchmarks --repeats 5`."
        )
    return "\n\n".join(parts)


def row(change: Change) -> dict[str, str]:
    """Return one change as text."""
    interval = "-" if change.ci95_low is None else f"{change.ci95_low:+.2%} to {change.ci95_high:+.2%}"
    return {
        "benchmark": change.benchmark,
        "metric": change.metric,
        "before": "-" if change.before is None else f"{change.before:.5g}",
        "after": "-" if change.after is None else f"{change.after:.5g}",
        "change": "-" if change.change_rel is None else f"{change.change_rel:+.2%}",
        "95% interval of the mean change": interval,
        "noise floor": "-" if change.noise_floor_rel is None else f"{change.noise_floor_rel:.2%}",
        "verdict": WORDS.get(change.metric, {}).get(change.verdict, change.verdict),
    }


def as_json(before: Sequence[Run], after: Sequence[Run], changes: Sequence[Change]) -> str:
    """Return the whole comparison as JSON."""
    document: dict[str, Any] = {
        "before": [str(run.path) for run in before],
        "after": [str(run.path) for run in after],
        "warnings": conditions(before, after),
        "changes": [asdict(change) for change in changes],
    }
    return json.dumps(document, indent=2, allow_nan=False)
