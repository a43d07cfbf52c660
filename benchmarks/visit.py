"""Visits that were made, and visits that failed; and what is read from the device beside the rounds of one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from benchmarks.timed_rounds import TimedRounds, VisitLatency
from core.errors import DeclarationError
from core.metrics.records import Record

Kind = TypeVar("Kind", bound=Record)
Result = TypeVar("Result")


@dataclass
class DeviceReads:
    """What is read from the device beside the rounds of a visit: rounds that a read disturbs are not timed."""

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

    def of(self, kind: type[Kind]) -> Kind:
        """Return the record of a kind. Raises `DeclarationError` where the visit has none, or several."""
        matching = [record for record in self.records if isinstance(record, kind)]
        if len(matching) != 1:
            raise DeclarationError(f"visit {self.number} has {len(matching)} records of {kind.__name__}; expected one")
        return matching[0]

    def as_json(self) -> dict[str, Any]:
        """Return what a saved run holds of it."""
        json: dict[str, Any] = {"number": self.number, "position": self.position, "started_s": self.started_s}
        for record in (self.latency, *self.records):
            add(json, record)
        return json | {"error": None}


@dataclass(frozen=True, kw_only=True)
class FailedVisit:
    """A visit that could not be made, and why."""

    number: int
    position: int
    error: str

    def as_json(self) -> dict[str, Any]:
        """Return what a saved run holds of it."""
        return {"number": self.number, "position": self.position, "error": self.error}


def add(extra_info: dict[str, Any], record: Record) -> None:
    """Write a record to a mapping of JSON.

    Raises `DeclarationError` where one of its keys is there already, or its section is a figure of another record.
    """
    section = extra_info.setdefault(record.section, {}) if record.section else extra_info
    if not isinstance(section, dict):
        raise DeclarationError(
            f"{type(record).__name__} has the section {record.section}, which is a figure of another record; expected "
            "a section of its own"
        )
    json = record.as_json()
    repeated = section.keys() & json.keys()
    if repeated:
        raise DeclarationError(
            f"{type(record).__name__} writes {', '.join(sorted(repeated))} a second time; expected once"
        )
    section.update(json)
