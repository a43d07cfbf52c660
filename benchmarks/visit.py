"""Visits that were made, and visits that failed; and what is read from the device beside the rounds of one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from benchmarks.extra_info import joined
from benchmarks.loop import Rounds
from benchmarks.timed_rounds import TimedRounds, VisitLatency
from core.errors import DeclarationError
from core.metrics.records import Record

Kind = TypeVar("Kind", bound=Record)
Result = TypeVar("Result")


@dataclass
class DeviceReads:
    """What is read from the device beside the rounds of a visit: rounds that a read disturbs are not timed."""

    #: The rounds beside which it is read, as they grow.
    rounds: Rounds
    #: Beginning and end of each read, moments of `time.perf_counter`.
    intervals_s: list[tuple[float, float]] = field(default_factory=list)

    def read(self, reader: Callable[[], Result]) -> Result:
        """Return what a reader returns, and note when it ran."""
        begun_s = time.perf_counter()
        result = reader()
        self.intervals_s.append((begun_s, time.perf_counter()))
        return result


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A visit that was made: its rounds, their latency, and what instruments found."""

    #: From 1 on, among the visits of its case.
    number: int
    #: From 1 on, among all visits of the session.
    position: int
    #: Seconds from the session's beginning to that of the rounds.
    started_s: float
    timed: TimedRounds
    latency: VisitLatency
    #: What instruments returned, one record of a kind.
    records: tuple[Record, ...] = ()
    #: What became of each earlier attempt at this visit, which this one replaces.
    replaced: tuple[str, ...] = ()

    def of(self, kind: type[Kind]) -> Kind:
        """Return the record of a kind. Raises `DeclarationError` where the visit has none, or several."""
        matching = [record for record in self.records if isinstance(record, kind)]
        if len(matching) != 1:
            raise DeclarationError(f"visit {self.number} has {len(matching)} records of {kind.__name__}; expected one")
        return matching[0]

    def as_json(self) -> dict[str, Any]:
        """Return what a saved run holds of it."""
        place = {"number": self.number, "position": self.position, "started_s": self.started_s}
        return place | joined((self.latency, *self.records)) | {"error": None, "replaced": list(self.replaced)}


@dataclass(frozen=True, kw_only=True)
class FailedVisit:
    """A visit that could not be made, and why."""

    number: int
    position: int
    error: str
    #: As of a visit that was made.
    replaced: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return what a saved run holds of it."""
        place = {"number": self.number, "position": self.position}
        return place | {"error": self.error, "replaced": list(self.replaced)}
