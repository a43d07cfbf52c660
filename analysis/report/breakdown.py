"""Where the time of a forward goes, as a run holds it: what groups of kernels take of it, and the gaps between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.report.summary import RunSummary
from core.guards import finite_number
from core.metrics import lookup

GROUPS, FUSED = "breakdown.groups", "breakdown.fused"


@dataclass(frozen=True)
class Part:
    """What takes a part of a forward: its name, milliseconds, share of the forward, and how often it runs."""

    name: str
    ms: float
    share: float
    count: float


def parts_of(extra_info: Mapping[str, Any], path: str) -> list[Part]:
    """Return the parts that a benchmark holds at a path, the largest first, without those that take no time."""
    found = lookup(extra_info, path)
    parts = []
    for part in found if isinstance(found, (list, tuple)) else ():
        figures = [
            finite_number(part.get(key)) if isinstance(part, Mapping) else None for key in ("ms", "share", "count")
        ]
        known = [figure for figure in figures if figure is not None]
        if len(known) == len(figures) and known[0] > 0:
            parts.append(Part(str(part.get("name")), *known))
    return parts


def groups_by_name(run: RunSummary) -> Iterator[tuple[str, list[Part]]]:
    """Give the groups of each benchmark that has some, with its name."""
    for name, benchmark in zip(run.frame["name"], run.benchmarks, strict=True):
        groups = parts_of(benchmark["extra_info"], GROUPS)
        if groups:
            yield name, groups


def group_names(run: RunSummary) -> list[str]:
    """Return the groups of a run, by the time that all benchmarks together spend in them."""
    spent: dict[str, float] = {}
    for _, groups in groups_by_name(run):
        for group in groups:
            spent[group.name] = spent.get(group.name, 0.0) + group.ms
    return sorted(spent, key=lambda name: -spent[name])


def breakdown_table(run: RunSummary) -> pd.DataFrame:
    """Return a row for each benchmark: milliseconds of a forward in the profiler, and each group's with its share."""
    rows = []
    for name, groups in groups_by_name(run):
        cells = {group.name: f"{group.ms:.3f} ({group.share:.1%})" for group in groups}
        rows.append({"benchmark": name, "ms": f"{sum(group.ms for group in groups):.3f}", **cells})
    columns = ["benchmark", "ms", *group_names(run)]
    table: pd.DataFrame = pd.DataFrame(rows, columns=columns).fillna("-")
    return table


def fused_table(run: RunSummary) -> pd.DataFrame:
    """Return a row for each fused kernel of each benchmark, by its name."""
    rows = [
        (name, part.name, f"{part.count:.4g}", f"{part.ms:.4f}", f"{part.share:.1%}")
        for name, benchmark in zip(run.frame["name"], run.benchmarks, strict=True)
        for part in parts_of(benchmark["extra_info"], FUSED)
    ]
    table: pd.DataFrame = pd.DataFrame(rows, columns=["benchmark", "fused kernel", "runs", "ms", "of a forward"])
    return table
