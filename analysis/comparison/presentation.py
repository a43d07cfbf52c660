"""Two sets of saved runs against each other, for people, pull requests and programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from analysis.comparison.changes import RUNS_FOR_VERDICT, Change
from analysis.comparison.comparability import differences
from analysis.metrics import Catalogue
from analysis.report.text_tables import markdown_table, number
from analysis.storage.runs import Run

#: Words for a verdict where the metric has some of its own.
VERDICT_WORDS = {"median_latency_ms": {"better": "faster", "worse": "slower"}}


def comparability_warnings(before: Sequence[Run], after: Sequence[Run]) -> list[str]:
    """Return the conditions in which the sides differ, whatever was changed between them."""
    return differences((str(run.path), item["extra_info"]) for run in (*before, *after) for item in run.benchmarks)


def as_markdown(before: Sequence[Run], after: Sequence[Run], changes: Sequence[Change]) -> str:
    """Return the comparison as Markdown: warnings, a table, and how to read it."""
    parts = [f"# {len(before)} run(s) against {len(after)} run(s)"]
    parts += [f"> **warning:** {line}" for line in comparability_warnings(before, after)]
    catalogue = Catalogue.joined(run.catalogue for run in (*before, *after))
    headed = {column.column for column in catalogue.compared if column.heading}  # the JSON has every metric
    rows = [change_as_text(change) for change in changes if change.metric in headed]
    parts.append(markdown_table(pd.DataFrame(rows)))
    if min(len(before), len(after)) < RUNS_FOR_VERDICT:
        parts.append(
            f"Fewer than {RUNS_FOR_VERDICT} runs a side are indicative: runs of the same thing differ too. Make more "
            "with `python -m benchmarks --repeats 5`."
        )
    return "\n\n".join(parts)


def change_as_text(change: Change) -> dict[str, str]:
    """Return one change as a row of text."""
    interval = "-" if change.ci95_low is None else f"{change.ci95_low:+.2%} to {change.ci95_high:+.2%}"
    return {
        "benchmark": change.benchmark,
        "metric": change.metric,
        "before": number(change.before, "{:.5g}"),
        "after": number(change.after, "{:.5g}"),
        "change": number(change.change_rel, "{:+.2%}"),
        "95% interval of the mean change": interval,
        "noise floor": number(change.noise_floor_rel, "{:.2%}"),
        "verdict": VERDICT_WORDS.get(change.metric, {}).get(change.verdict, change.verdict),
    }


def as_json(before: Sequence[Run], after: Sequence[Run], changes: Sequence[Change]) -> str:
    """Return the whole comparison as JSON."""
    document: dict[str, Any] = {
        "before": [str(run.path) for run in before],
        "after": [str(run.path) for run in after],
        "warnings": comparability_warnings(before, after),
        "changes": [asdict(change) for change in changes],
    }
    return json.dumps(document, indent=2, allow_nan=False)
