"""Where the time of a case went, phase by phase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core.metrics.ranges import NOT_NEGATIVE
from core.metrics.records import Record, metric


@dataclass(frozen=True, kw_only=True)
class SecondsRecord(Record):
    """Where the time of a case went; null where nothing was done."""

    section: ClassVar[str] = "seconds"
    compilation: float | None = metric(
        "s",
        "lower",
        "compilation, before the first visit",
        within=NOT_NEGATIVE,
        column="compilation_s",
        place=940,
        default=None,
    )
    #: Choosing among options of the compiler.
    tuning: float | None = None
    preparation: float | None = metric(
        "s",
        "lower",
        "captures, and first forwards, of all visits",
        within=NOT_NEGATIVE,
        column="preparation_s",
        place=410,
        default=None,
    )
    warm_up: float | None = None
    rounds: float | None = None
    closing: float | None = None
    numerics: float | None = None
    quality: float | None = None
    limits: float | None = None
