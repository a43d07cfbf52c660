"""Two sets of saved runs against each other, for people, pull requests and programs."""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from analysis.comparison.change import ASSUMED_REPEAT, INDICATIVE, MEAN_OVER_RUNS, REPEAT, Change
from analysis.comparison.changes import RUNS_FOR_VERDICT
from analysis.comparison.common_text import COMMON
from analysis.comparison.comparability import differences, other_commands
from analysis.report.notices import AS_FAR_AS_CHECKED
from analysis.report.table import tables
from analysis.report.text_tables import markdown_table, number
from analysis.runs.saved import Run
from core.metrics import Catalogue
from core.safe_text import markdown, markdown_block

#: A difference of the board's temperature that moves energy by about the 1% within which figures are called the same.
WARMER_C = 3.0
#: Words for a verdict where the metric has some of its own.
VERDICT_WORDS = {"median_latency_ms": {"better": "faster", "worse": "slower"}}


def comparability_warnings(before: Sequence[Run], after: Sequence[Run]) -> list[str]:
    """Return the conditions in which the sides differ, whatever was changed between them."""
    named = ((str(run.path), item["extra_info"]) for run in (*before, *after) for item in run.benchmarks)
    commands = other_commands((str(run.path), run.environment) for run in (*before, *after))
    return [*differences(named), *commands, *temperature_warnings(before, after)]


def temperature_warnings(before: Sequence[Run], after: Sequence[Run]) -> list[str]:
    """Return a sentence where the board was warmer on one side: the same work then takes more energy."""
    means = [tables(side)["temperature_c"].mean() for side in (before, after) if side]
    if len(means) < 2 or not abs(means[1] - means[0]) > WARMER_C:
        return []
    return [
        f"the board was at {means[0]:.0f} C before and at {means[1]:.0f} C after, on average: energy rises with "
        "temperature, on two H100s by 0.25 to 0.35% a degree (docs/variance.md)."
    ]


def as_markdown(before: Sequence[Run], after: Sequence[Run], changes: Sequence[Change]) -> str:
    """Return the comparison as Markdown: warnings, a table, and how to read it."""
    parts = [f"# {len(before)} run(s) against {len(after)} run(s)"]
    parts += [f"> **warning:** {markdown(line)}" for line in comparability_warnings(before, after)]
    catalogue = Catalogue.joined(run.catalogue for run in (*before, *after))
    headed = {column.column for column in catalogue.compared if column.heading} | {COMMON}  # the JSON has every metric
    rows = [change_as_text(change) for change in changes if change.metric in headed]
    parts.append(markdown_table(pd.DataFrame(rows)))
    parts += map(markdown_block, legend(changes, headed))
    return "\n\n".join(parts)


#: What an interval is worth, by what it is of.
WHAT_HOLDS = {
    REPEAT: f"The interval of a repeat holds the true change 19 times in 20 ({AS_FAR_AS_CHECKED}).",
    ASSUMED_REPEAT: "One of a repeat that is assumed was measured by nobody: how often it holds the true change is not "
    "known.",
    MEAN_OVER_RUNS: "One of the mean over runs is made of the spread of the runs given, and holds it 19 times in 20 if "
    "those are like any other.",
}


def legend(changes: Sequence[Change], metrics: Container[str]) -> list[str]:
    """Return what the words of the table mean, where they occur in it."""
    of_metrics = [change for change in changes if change.metric in metrics]
    of = {change.interval.of for change in of_metrics if change.interval is not None}
    lines = [WHAT_HOLDS[kind] for kind in WHAT_HOLDS if kind in of]
    if any(change.verdict == INDICATIVE for change in of_metrics):
        lines.append(
            f"Indicative: nothing says how far a repeat of this metric may differ; compare {RUNS_FOR_VERDICT} runs a "
            "side."
        )
    reasons = dict.fromkeys(change.reason for change in of_metrics if change.reason)
    return [*lines, *(f"No verdict: {reason}." for reason in reasons)]


def change_as_text(change: Change) -> dict[str, str]:
    """Return one change as a row of text."""
    found = change.interval
    ends = None if found is None else (found.low_rel, found.high_rel)
    interval = "-" if ends is None or None in ends else f"{ends[0]:+.2%} to {ends[1]:+.2%}"
    return {
        "benchmark": change.benchmark,
        "metric": change.metric,
        "before": number(change.before, "{:.5g}"),
        "after": number(change.after, "{:.5g}"),
        "change": number(change.change_rel, "{:+.2%}"),
        "95% interval": interval,
        "of": found.of if found else "-",
        "verdict": VERDICT_WORDS.get(change.metric, {}).get(change.verdict, change.verdict),
    }


def as_json(before: Sequence[Run], after: Sequence[Run], changes: Sequence[Change]) -> str:
    """Return the comparison as a JSON document: paths of both sides, warnings and changes."""
    document: dict[str, Any] = {
        "before": [str(run.path) for run in before],
        "after": [str(run.path) for run in after],
        "warnings": comparability_warnings(before, after),
        "changes": [as_json_change(change) for change in changes],
    }
    return json.dumps(document, indent=2, allow_nan=False)


def as_json_change(change: Change) -> dict[str, Any]:
    """Return a change by the names of its fields; its interval is a mapping, or None."""
    document = asdict(change)
    document["interval"] = None if change.interval is None else change.interval._asdict()
    return document
