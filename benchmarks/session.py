"""What one session measures, with what, and what it has measured: the one place that holds its cases."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from analysis.runs.journal import CASES_KEY
from analysis.runs.saved import Run
from analysis.uncertainty.chosen_floors import FLOORS_KEY, Floors, find_floors
from analysis.uncertainty.noise_floor import FOLDER as FLOORS_FOLDER
from analysis.uncertainty.noise_floor import Conditions, host_name
from analysis.uncertainty.repeat import written
from benchmarks.instruments import INSTRUMENTS, in_order
from benchmarks.instruments.base import AfterVisits, Instrument, InVisit
from benchmarks.machine.environment import environment, essentials
from benchmarks.machine.readings import snapshot
from benchmarks.policies import PROCEDURE, Policies
from benchmarks.run import BenchmarkRun
from benchmarks.seconds import SecondsRecord
from core.case import Case
from core.executions import EXECUTIONS_KEY, Executions
from core.metrics import CATALOGUE_KEY
from core.metrics.records import Record, catalogue, require_values
from core.tasks import TASKS_KEY, as_json
from fixtures.dataset.location import sequence_length
from fixtures.executions import TRAITS
from fixtures.settings import Settings
from fixtures.tasks import TASKS


@dataclass
class Session:
    """The cases and the instruments of a session, and what they have measured."""

    settings: Settings
    policies: Policies
    cases: dict[str, Case]
    instruments: tuple[Instrument, ...]
    #: How many visits are to be made of each case; cases that are not to be measured are left out.
    planned_visits: dict[str, int] = field(default_factory=dict)
    #: The cases that are being measured, by their id.
    runs: dict[str, BenchmarkRun] = field(default_factory=dict)
    #: What `AfterVisits` instruments returned, by the case's id.
    closing_records: dict[str, list[Record]] = field(default_factory=dict)
    #: Why something of a case was not measured that was to be, by its id.
    failures: dict[str, list[str]] = field(default_factory=dict)
    #: The `extra_info` of each case that has been visited, by its id, in the order of their first visits.
    finished: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Every case that is to run, by its id, and why it has not been measured.
    outcomes: dict[str, str] = field(default_factory=dict)
    #: When the session began, by `time.perf_counter`.
    start_s: float = field(default_factory=time.perf_counter)
    #: The file with all rounds, once it has been written.
    rounds_file: Path | None = None
    #: Called with a case's id, the number of its visit and the phase, as a phase begins.
    on_phase: Callable[[str, int, str], None] = lambda *_: None
    #: The metrics that the session measures, as a saved run describes them.
    catalogue: list[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        tasks = [TASKS[task] for task in self.settings.tasks]
        records = [record for instrument in self.instruments for record in instrument.records(tasks)]
        self.catalogue = catalogue([*records, SecondsRecord])

    @classmethod
    def open(cls, settings: Settings, policies: Policies) -> Session:
        """List the cases, and make the instruments in the order in which they measure."""

        def lengths(task: str) -> tuple[int, ...]:
            spec, named = TASKS[task].dataset, settings.dataset_dir(task)
            return settings.sequence_lengths or (sequence_length(spec, named, settings.stand_in),)

        cases = [
            Case(precision, execution, task, workload, size, length)
            for task in settings.tasks
            for size in settings.batch_sizes
            for length in lengths(task)
            for workload in settings.workloads
            for precision in settings.precisions
            for execution in settings.executions
        ]
        instruments = tuple(instrument(policies) for instrument in in_order(INSTRUMENTS))
        return cls(settings, policies, {case.id: case for case in cases}, instruments)

    @property
    def missing(self) -> dict[str, str]:
        """Cases that were to run and were not measured, and why."""
        return {name: outcome for name, outcome in self.outcomes.items() if name not in self.finished}

    @property
    def benchmarks(self) -> list[dict[str, Any]]:
        """What was measured, as in a file of pytest-benchmark's, in the order of the cases."""
        return [{"name": name, "extra_info": self.finished[name]} for name in self.cases if name in self.finished]

    @property
    def environment(self) -> dict[str, Any]:
        """What the session's figures belong to, as `machine_info` holds it."""
        return {
            **environment(self.settings.device),
            "procedure": PROCEDURE,
            CASES_KEY: list(self.cases),
            "order_seed": self.settings.order_seed,
            "rounds_file": None if self.rounds_file is None else str(self.rounds_file),
            FLOORS_KEY: self.floors.as_json(),
            CATALOGUE_KEY: self.catalogue,
            EXECUTIONS_KEY: self.executions.as_json(),
            TASKS_KEY: as_json({task: TASKS[task].words for task in self.settings.tasks}),
        }

    @property
    def executions(self) -> Executions:
        """What outputs know of the session's executions."""
        return Executions({name: TRAITS[name] for name in self.settings.executions})

    @cached_property
    def floors(self) -> Floors:
        """The noise floors that this session's intervals of a repeat are made with."""
        device, facts = self.settings.device, essentials(self.settings.device)
        return find_floors(
            Conditions.of(facts, PROCEDURE),
            host_name(platform.node(), facts),
            device.type,
            self.executions,
            [self.settings.results_dir / FLOORS_FOLDER],
        )

    def predict_repeats(self) -> None:
        """Write the interval of a repeat to each case's `extra_info`, once the last visit has been made."""
        run = Run(Path(), tuple(self.benchmarks), self.environment)
        for name, sections in written(run).items():
            for section, values in sections.items():
                self.finished[name].setdefault(section, {}).update(values)

    def visit(self, run: BenchmarkRun, number: int, position: int, timed: Callable[[], None]) -> None:
        """Visit a case: prepare, warm up, call `timed`, and run the rounds with the instruments beside them.

        Writes the visit's record. Call it inside the precision's context. Raises what makes a benchmark fail; the visit
        is then recorded with its error, and the visits before it stand.
        """
        visit: dict[str, Any] = {"number": number, "position": position}
        run.on_phase = lambda phase: self.on_phase(run.case.id, number, phase)
        try:
            self._visit(run, number, visit, timed)
        except BaseException as error:
            run.timed.pop(number, None)
            run.visits.append({"number": number, "position": position, "error": str(error) or type(error).__name__})
            raise
        finally:
            run.release()
        run.visits.append(visit | {"error": None})
        self.write(run)

    def _visit(self, run: BenchmarkRun, number: int, visit: dict[str, Any], timed: Callable[[], None]) -> None:
        with run.phase("preparation"):
            run.prepare(number)
        in_visit = list(self._of(InVisit))
        for instrument in in_visit:
            instrument.prepared(run)
        run.before = snapshot(run.settings.device)
        with run.phase("warm_up"):
            run.settle(number)
        timed()
        visit["started_s"] = time.perf_counter() - run.session_start_s
        with run.phase("rounds"):
            run.measure_rounds(number, partial(_beside, in_visit, run))
        run.after = snapshot(run.settings.device)
        run.keep_peak_memory()
        for instrument in in_visit:
            add(visit, instrument.visited(run))

    def close(self, run: BenchmarkRun) -> None:
        """After the last visit of the session: let each instrument measure what would disturb one.

        Call it inside the precision's context. Raises what makes a benchmark fail.
        """
        run.on_phase = lambda phase: self.on_phase(run.case.id, 0, phase)
        run.cases = tuple(self.runs[name].case for name in self.finished)
        records = self.closing_records[run.case.id] = []
        try:
            run.prepare()
            with run.phase("closing"):
                for instrument in self._of(InVisit):
                    instrument.closing(run)
            for instrument in self._of(AfterVisits):
                records.append(instrument.measure(run))
        finally:
            run.release()
            self.write(run)

    def write(self, run: BenchmarkRun) -> None:
        """Write a case's `extra_info` from all that has been measured of it; keep its place and its identity."""
        written: dict[str, Any] = {}
        for instrument in self._of(InVisit):
            add(written, instrument.measure(run))
        for record in self.closing_records.get(run.case.id, []):
            add(written, record)
        add(written, SecondsRecord(**run.seconds))
        extra_info = self.finished.setdefault(run.case.id, {})
        extra_info.clear()
        extra_info.update(written, visits=list(run.visits), incomplete=self.incomplete(run))

    def incomplete(self, run: BenchmarkRun) -> str | None:
        """Return what has not been measured of a case and why, or None."""
        parts = []
        if len(run.done) < run.planned_visits:
            parts.append(f"{len(run.done)} of {run.planned_visits} visits were made")
        if len(self.closing_records.get(run.case.id, [])) < len(list(self._of(AfterVisits))):
            parts.append("what follows the visits was not measured")
        parts += self.failures.get(run.case.id, [])
        return "; ".join(parts) or None

    def drop(self, run: BenchmarkRun) -> None:
        """Forget a case whose figures would be wrong."""
        self.finished.pop(run.case.id, None)

    def _of(self, kind: type[Any]) -> Iterable[Any]:
        return (instrument for instrument in self.instruments if isinstance(instrument, kind))


def _beside(instruments: Iterable[InVisit], run: BenchmarkRun) -> None:
    for instrument in instruments:
        instrument.beside(run)


def add(extra_info: dict[str, Any], record: Record) -> None:
    """Write a record to a case's `extra_info`. Raises `ValueError` where one of its fields is there already."""
    require_values(record)
    section = extra_info.setdefault(record.section, {}) if record.section else extra_info
    written = record.as_json()
    repeated = section.keys() & written.keys()
    if repeated:
        raise ValueError(f"{type(record).__name__} writes {', '.join(sorted(repeated))} a second time; expected once")
    section.update(written)
