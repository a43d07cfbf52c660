"""Limits that a worsening must not exceed: `model_size_mb:0.5%`, `median_latency_ms:3%`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from analysis.comparison.change import MISSING, NO_VERDICT, Change
from analysis.comparison.changes import OTHER_PROCEDURE
from core.errors import InputError
from core.metrics import Catalogue

#: Words for a smaller and a larger figure, of metrics that have some of their own.
WORDS = dict.fromkeys(("median_latency_ms", "fast_latency_ms", "mean_latency_ms"), ("faster", "slower"))
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
    """What limits say of changes: lines on those that fail and on those where that is open, and how many hold."""

    failed: tuple[str, ...]
    undecided: tuple[str, ...]
    held: int = 0

    @property
    def closing_line(self) -> str:
        """How many limits hold, are undecided and failed."""
        return f"limits: {self.held} hold, {len(self.undecided)} undecided, {len(self.failed)} failed"


def judge(changes: Iterable[Change], gates: Sequence[Gate], *, allow_missing: bool = False) -> Outcome:
    """Return what the gates say: a change fails where its interval lies beyond the limit, and holds where within.

    In between it is undecided, and so is a change without an interval, and one of runs that may have drifted unless its
    interval lies beyond the limit wherever the drift has moved it. A metric that one side lacks fails unless
    `allow_missing` and is undecided where it lacks it by chance; a gate on a metric that no benchmark has fails, and a
    benchmark that lacks it on both sides, as eager energy may, is passed over. Runs of different procedures fail.
    """
    all_changes = list(changes)
    failed, undecided, held = [], [], 0
    for gate in gates:
        concerned = [change for change in all_changes if change.metric == gate.metric]
        if not concerned and not allow_missing:
            failed.append(f"{gate.metric}: no benchmark has it; expected it on both sides.")
        for change in concerned:
            if line := failure(change, gate, allow_missing):
                failed.append(line)
            elif line := doubt(change, gate):
                undecided.append(line)
            else:
                held += 1
    return Outcome(tuple(failed), tuple(undecided), held)


def failure(change: Change, gate: Gate, allow_missing: bool) -> str | None:
    """Return why a change does not hold a gate's limit, or None."""
    if change.verdict == MISSING:
        if allow_missing or change.reason is not None:
            return None
        return f"{change.benchmark} {gate.metric}: missing {lacking(change)}; expected it on both sides."
    if change.reason == OTHER_PROCEDURE:
        return (
            f"{change.benchmark} {gate.metric}: {OTHER_PROCEDURE}; expected one. Measure the earlier side again with "
            "this version."
        )
    if change.verdict == NO_VERDICT and change.drift_log == 0:
        return None
    worse = change.beyond_drift.worsening_interval_rel
    if worse is None or worse[0] <= gate.limit_rel:
        return None
    drift = ", beyond what drift explains" if change.drift_log else ""
    return f"{change.benchmark} {gate.metric}: {change_in_words(change)}{drift}; at most {gate.limit_rel:.2%} allowed."


def doubt(change: Change, gate: Gate) -> str | None:
    """Return why it cannot be told whether a change that does not fail holds a gate's limit, or None where it can."""
    place, is_open = f"{change.benchmark} {gate.metric}", f"so whether that is beyond {gate.limit_rel:.2%} is open"
    if change.verdict == MISSING:
        return f"{place}: missing {lacking(change)}: {change.reason}, {is_open}." if change.reason else None
    if change.change_rel is None:
        return f"{place}: no relative change, for not all values are above 0, {is_open}."
    found, worse = f"{place}: {change_in_words(change)}", change.worsening_interval_rel
    if change.verdict == NO_VERDICT:
        return f"{found}; {change.reason}, {is_open}."
    if worse is None:
        return f"{found}; nothing says how far a repeat may differ, {is_open}. Compare 3 runs a side."
    if worse[0] <= gate.limit_rel < worse[1]:
        return f"{found}; {gate.limit_rel:.2%} lies within. Compare more runs."
    return None


def lacking(change: Change) -> str:
    """Return which side lacks a figure."""
    return " and ".join(side for side, runs in zip(("before", "after"), change.runs, strict=True) if not runs)


def change_in_words(change: Change) -> str:
    """Return the figures before and after, the change in plain words, and its interval, in percent."""
    by, found = change.change_rel or 0.0, change.interval
    less, more = WORDS.get(change.metric, ("less", "more"))
    ends = (None, None) if found is None else (found.low_rel, found.high_rel)
    interval = ""
    if found is not None and None not in ends and ends[0] != ends[1]:
        interval = f" ({ends[0]:+.2%} to {ends[1]:+.2%}, of {found.of})"
    return f"{change.before:.6g} to {change.after:.6g}, {abs(by):.2%} {less if by < 0 else more}{interval}"
