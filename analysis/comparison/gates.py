"""Limits that a worsening must not exceed: `perplexity:0.5%`, `median_ms:3%`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from analysis.comparison.changes import NO_VERDICT, Change
from analysis.metrics import Catalogue
from data_prep.errors import InputError

EXPRESSION = re.compile(r"\s*(?P<metric>[a-z0-9_]+)\s*:\s*(?P<percent>\d+(\.\d+)?)\s*%\s*", re.ASCII)


@dataclass(frozen=True)
class Gate:
    """A metric and its largest allowed relative worsening."""

    metric: str
    limit_rel: float

    def resolved(self, catalogue: Catalogue) -> Gate:
        """Return the gate with the metric's column in tables, where the last part of its path was given.

        Raises `InputError` where the metric is not in the catalogue, or cannot get worse.
        """
        names = {
            metric.path.rpartition(".")[2]: metric.column
            for metric in catalogue.metrics
            if metric.better and metric.is_number
        }
        names |= {metric.column: metric.column for metric in catalogue.compared}
        if self.metric not in names:
            raise InputError(
                f"The limit on {self.metric!r} names no metric that can get worse; expected one such as perplexity, "
                "median_ms or energy_per_sample_mj."
            )
        return replace(self, metric=names[self.metric])


def parse_gate(expression: str) -> Gate:
    """Parse METRIC:PERCENT%. Raises `InputError`."""
    matched = EXPRESSION.fullmatch(expression)
    if matched is None:
        raise InputError(f"The limit {expression[:80]!r} cannot be read; expected METRIC:PERCENT%, as perplexity:0.5%.")
    return Gate(matched["metric"], float(matched["percent"]) / 100)


def failures(changes: Iterable[Change], gates: Sequence[Gate], *, allow_missing: bool = False) -> list[str]:
    """Return a line for each gate that a change does not pass.

    A worsening beyond the limit fails, unless several runs are given and it is within their noise floor. A metric that
    one side lacks fails unless `allow_missing`, and so does a gate on a metric that no benchmark has; a benchmark that
    lacks it on both sides, as eager energy may, is passed over.
    """
    all_changes, lines = list(changes), []
    for gate in gates:
        concerned = [change for change in all_changes if change.metric == gate.metric]
        if not concerned and not allow_missing:
            lines.append(f"{gate.metric}: no benchmark has it; expected it on both sides.")
        for change in concerned:
            line = failure(change, gate, allow_missing)
            if line is not None:
                lines.append(line)
    return lines


def failure(change: Change, gate: Gate, allow_missing: bool) -> str | None:
    """Return why a change does not pass a gate, or None."""
    worse_by = change.worsening_rel
    if worse_by is None:
        sides = " and ".join(side for side, runs in zip(("before", "after"), change.runs, strict=True) if not runs)
        missing = f"missing {sides}" if sides else "no relative change, since not all values are above 0"
        return None if allow_missing else f"{change.benchmark} {gate.metric}: {missing}; expected it on both sides."
    if change.verdict == NO_VERDICT:
        return (
            f"{change.benchmark} {gate.metric}: the runs were measured by different procedures; expected one. Measure "
            "the earlier side again with this version."
        )
    if worse_by <= gate.limit_rel:
        return None
    if change.noise_floor_rel is not None and worse_by <= change.noise_floor_rel:
        return None
    return (
        f"{change.benchmark} {gate.metric}: {change.before:.6g} to {change.after:.6g}, worse by {worse_by:.2%}; at "
        f"most {gate.limit_rel:.2%} allowed."
    )
