"""Limits that a worsening must not exceed: `model_size_mb:0.5%`, `median_latency_ms:3%`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from analysis.comparison.change import NO_VERDICT, Change
from analysis.comparison.changes import OTHER_PROCEDURE
from core.errors import InputError
from core.metrics import Catalogue

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
                f"The limit on {self.metric!r} names no metric that can get worse; expected one such as "
                "median_ms, model_size_mb or energy_per_sample_mj."
            )
        return replace(self, metric=names[self.metric])


def parse_gate(expression: str) -> Gate:
    """Parse METRIC:PERCENT%. Raises `InputError`."""
    matched = EXPRESSION.fullmatch(expression)
    if matched is None:
        raise InputError(f"The limit {expression[:80]!r} cannot be read; expected METRIC:PERCENT%, as median_ms:3%.")
    return Gate(matched["metric"], float(matched["percent"]) / 100)


@dataclass(frozen=True)
class Outcome:
    """What limits say of changes: lines on those that were passed, and on those of which that cannot be told."""

    failed: tuple[str, ...]
    undecided: tuple[str, ...]


def judge(changes: Iterable[Change], gates: Sequence[Gate], *, allow_missing: bool = False) -> Outcome:
    """Return what the gates say: a change fails where its interval lies beyond the limit, and passes where within.

    In between it is undecided, and so is a change without an interval, or of runs that may have drifted. A metric that
    one side lacks fails unless `allow_missing`, and so does a gate on a metric that no benchmark has; a benchmark that
    lacks it on both sides, as eager energy may, is passed over. Runs of different procedures fail.
    """
    all_changes = list(changes)
    failed, undecided = [], []
    for gate in gates:
        concerned = [change for change in all_changes if change.metric == gate.metric]
        if not concerned and not allow_missing:
            failed.append(f"{gate.metric}: no benchmark has it; expected it on both sides.")
        for change in concerned:
            failed += [line for line in [failure(change, gate, allow_missing)] if line]
            undecided += [line for line in [doubt(change, gate)] if line]
    return Outcome(tuple(failed), tuple(undecided))


def failure(change: Change, gate: Gate, allow_missing: bool) -> str | None:
    """Return why a change does not pass a gate, or None."""
    place = f"{change.benchmark} {gate.metric}"
    if change.change_rel is None:
        sides = " and ".join(side for side, runs in zip(("before", "after"), change.runs, strict=True) if not runs)
        missing = f"missing {sides}" if sides else "no relative change, since not all values are above 0"
        return None if allow_missing else f"{place}: {missing}; expected it on both sides."
    if change.reason == OTHER_PROCEDURE:
        return f"{place}: {OTHER_PROCEDURE}; expected one. Measure the earlier side again with this version."
    worse = change.worsening_interval_rel
    if worse is None or change.verdict == NO_VERDICT or worse[0] <= gate.limit_rel:
        return None
    return f"{place}: {worsening_text(change)}; at most {gate.limit_rel:.2%} allowed."


def doubt(change: Change, gate: Gate) -> str | None:
    """Return why it cannot be told whether a change passes a gate, or None where it can."""
    if change.change_rel is None or change.reason == OTHER_PROCEDURE:
        return None
    found, worse = f"{change.benchmark} {gate.metric}: {worsening_text(change)}", change.worsening_interval_rel
    if change.verdict == NO_VERDICT:
        return f"{found}; {change.reason}, so whether that is beyond {gate.limit_rel:.2%} is open."
    if worse is None:
        return (
            f"{found}; nothing says how far a repeat may differ, so whether that is beyond "
            f"{gate.limit_rel:.2%} is open. Compare 3 runs a side."
        )
    if worse[0] <= gate.limit_rel < worse[1]:
        return f"{found}; {gate.limit_rel:.2%} lies within. Compare more runs."
    return None


def worsening_text(change: Change) -> str:
    """Return the figures before and after, by how much the later is worse, and the interval of that, in percent."""
    by, worse = change.worsening_rel or 0.0, change.worsening_interval_rel
    interval = ""
    if worse is not None and change.interval is not None and worse[0] < worse[1]:
        interval = f" ({worse[0]:+.2%} to {worse[1]:+.2%}, of {change.interval.of})"
    return f"{change.before:.6g} to {change.after:.6g}, worse by {by:.2%}{interval}"
