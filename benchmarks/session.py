"""What one session measures, with what, and what it has measured: the one place that holds its cases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from analysis.case import Case
from analysis.intervals import block_medians
from analysis.metrics import CATALOGUE_KEY
from analysis.validity import TIMED_AGAIN_KEY
from benchmarks.instruments import INSTRUMENTS
from benchmarks.instruments.base import AfterVisits, Instrument, InVisit, Record, catalogue, metric
from benchmarks.instruments.latency.noise import BLOCKS_OF_SERIES
from benchmarks.instruments.machine.environment import environment
from benchmarks.policies import PROCEDURE, Policies
from benchmarks.run import BenchmarkRun
from fixtures.dataset.location import sequence_length
from fixtures.settings import Settings


@dataclass(frozen=True, kw_only=True)
class SecondsRecord(Record):
    """Where the time of a case went; null where nothing was done."""

    section: ClassVar[str] = "seconds"
    preparation: float | None = metric(
        "s", "lower", "capture or compilation, and the first forward", column="preparation_s", default=None
    )
    warm_up: float | None = None
    rounds: float | None = None
    energy: float | None = None
    quality: float | None = None
    limits: float | None = None


@dataclass
class Session:
    """The cases and the instruments of a session, and what they have measured."""

    settings: Settings
    policies: Policies
    cases: dict[str, Case]
    instruments: tuple[Instrument, ...]
    #: The first case of each execution that has been timed.
    first_timed: dict[str, Case] = field(default_factory=dict)
    #: The `extra_info` of each case that has been measured, by its id, in the order in which they finished.
    finished: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Every case that is to run, by its id, and why it has not been measured.
    outcomes: dict[str, str] = field(default_factory=dict)
    #: Cases that were timed once more at the end.
    timed_again: list[dict[str, Any]] = field(default_factory=list)
    #: The metrics that the session measures, as a saved run describes them.
    catalogue: list[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.catalogue = catalogue([*(instrument.record for instrument in self.instruments), SecondsRecord])

    @classmethod
    def open(cls, settings: Settings, policies: Policies) -> Session:
        """List the cases, and make the instruments in the order in which they measure."""
        lengths = settings.sequence_lengths or (sequence_length(settings),)
        cases = [
            Case(precision, execution, batch_size=size, sequence_length=length)
            for size in settings.batch_sizes
            for length in lengths
            for precision in settings.precisions
            for execution in settings.executions
        ]
        instruments = tuple(instrument(policies) for instrument in INSTRUMENTS)
        return cls(settings, policies, {case.id: case for case in cases}, instruments)

    @property
    def missing(self) -> dict[str, str]:
        """Cases that were to run and were not measured, and why."""
        return {name: outcome for name, outcome in self.outcomes.items() if name not in self.finished}

    @property
    def benchmarks(self) -> list[dict[str, Any]]:
        """What was measured, as in a file of pytest-benchmark's."""
        return [{"name": name, "extra_info": extra_info} for name, extra_info in self.finished.items()]

    @property
    def environment(self) -> dict[str, Any]:
        """What the session's figures belong to, as `machine_info` holds it."""
        return {
            **environment(self.settings.device),
            "procedure": PROCEDURE,
            CATALOGUE_KEY: self.catalogue,
            TIMED_AGAIN_KEY: self.timed_again,
        }

    def prepared(self, run: BenchmarkRun) -> None:
        """Let each instrument of the visit read what it must directly before the rounds."""
        for instrument in self._of(InVisit):
            instrument.prepared(run)

    def measure(self, run: BenchmarkRun, extra_info: dict[str, Any]) -> None:
        """Let each instrument measure, one after the other, write the records and keep the case as finished."""
        self.first_timed.setdefault(run.case.execution, run.case)
        for kind in (InVisit, AfterVisits):
            for instrument in self._of(kind):
                add(extra_info, instrument.measure(run))
        add(extra_info, SecondsRecord(**run.seconds))
        self.finished[run.case.id] = extra_info

    def keep_second_timing(self, run: BenchmarkRun) -> None:
        """Keep what the first case of an execution took at the end of the session: `analysis.validity` compares."""
        series_ms = [1000 * median_s for median_s in block_medians(run.durations_s, BLOCKS_OF_SERIES)]
        self.timed_again.append({"case": run.case.as_json(), "series_ms": series_ms})

    def _of(self, kind: type[Any]) -> Iterable[Any]:
        return (instrument for instrument in self.instruments if isinstance(instrument, kind))


def add(extra_info: dict[str, Any], record: Record) -> None:
    """Write a record to a case's `extra_info`. Raises `ValueError` where one of its fields is there already."""
    section = extra_info.setdefault(record.section, {}) if record.section else extra_info
    written = record.as_json()
    repeated = section.keys() & written.keys()
    if repeated:
        raise ValueError(f"{type(record).__name__} writes {', '.join(sorted(repeated))} a second time; expected once")
    section.update(written)
