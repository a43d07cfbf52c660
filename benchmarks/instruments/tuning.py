"""Which options of the compiler a case was compiled with, and what was tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from benchmarks.instruments.base import InVisit
from benchmarks.measured_case import MeasuredCase
from benchmarks.tuning.tried import ratios
from core.metrics.records import Record, metric


@dataclass(frozen=True, kw_only=True)
class TuningRecord(Record):
    """What was chosen among options of the compiler; null where the execution chooses none."""

    section: ClassVar[str] = "tuning"
    chosen: str | None = metric(
        "",
        None,
        "the candidate of compiler options that a tuned case was compiled with",
        column="tuned_with",
        place=445,
    )
    options: Mapping[str, Any] = field(default_factory=dict)
    measured_utc: str | None = None
    #: Whether an earlier session tried the candidates.
    was_kept: bool | None = None
    #: By name: milliseconds of a round in each repeat, the ratio to the defaults' with its interval, seconds of the
    #: compilation, the distance from eager logits, and why one has no times.
    candidates: Mapping[str, Any] = field(default_factory=dict)


class TunedWith(InVisit):
    """Writes down which options a case was compiled with; it measures nothing."""

    name = "tuning"
    description = "which of the compiler's options a tuned case was compiled with, and the times of all that were tried"
    record = TuningRecord

    def measure(self, case: MeasuredCase) -> Record:
        """Return the choice and the candidates."""
        tuning = case.tuning
        if tuning is None:
            return TuningRecord(chosen=None)
        found = ratios(tuning.tried)
        candidates = {}
        for one in tuning.tried:
            ratio = found.get(one.name)
            candidates[one.name] = {
                "times_ms": list(one.times_ms),
                "ratio_to_default": None if ratio is None else ratio.value,
                "ratio_to_default_ci95": None if ratio is None else [ratio.low, ratio.high],
                "compilation_s": one.compilation_s,
                "difference_from_eager": one.difference_from_eager,
                "reason": one.reason,
            }
        return TuningRecord(
            chosen=tuning.chosen.name,
            options=dict(tuning.options),
            measured_utc=tuning.measured_utc,
            was_kept=tuning.was_kept,
            candidates=candidates,
        )
