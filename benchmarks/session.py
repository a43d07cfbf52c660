"""What one session measures, with what, and what it has measured: the one place that holds its cases."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from analysis.comparison.comparability import COMMAND_KEY
from analysis.report.missing_cases import MISSING_KEY
from analysis.runs.estimator import ESTIMATOR, ESTIMATOR_KEY
from analysis.runs.journal import CASES_KEY
from analysis.runs.quick import QUICK_KEY
from analysis.runs.saved import SECONDS_KEY, Run
from analysis.uncertainty.chosen_floors import FLOORS_KEY, Floors, find_floors
from analysis.uncertainty.conditions import Conditions, host_name
from analysis.uncertainty.floor_files import FOLDER as FLOORS_FOLDER
from benchmarks.cases import cases_of
from benchmarks.extra_info import INCOMPLETE, VISITS, joined
from benchmarks.instruments import INSTRUMENTS, in_measuring_order, require_consistent
from benchmarks.instruments.base import AfterLastVisit, AfterVisits, Instrument, InVisit, require_record
from benchmarks.loop import ForwardLoop
from benchmarks.machine.environment import environment, essentials
from benchmarks.machine.process import started_s
from benchmarks.made_visit import made_visit
from benchmarks.measured_case import MeasuredCase
from benchmarks.policies import PROCEDURE, Policies
from benchmarks.refusals import CLOSING, Refusals
from benchmarks.seconds import SecondsRecord
from benchmarks.session_time import SessionTime
from benchmarks.visit import FailedVisit
from core.case import Case
from core.executions import EXECUTIONS_KEY, Executions
from core.metrics import CATALOGUE_KEY
from core.metrics.declarations import catalogue
from core.metrics.records import Record
from core.tasks import TASKS_KEY, as_json
from fixtures.executions import TRAITS
from fixtures.settings import Settings
from fixtures.tasks import TASKS

Kind = TypeVar("Kind", bound=Instrument)


@dataclass
class Session:
    """The cases and the instruments of a session, and what they have measured."""

    settings: Settings
    policies: Policies
    cases: dict[str, Case]
    instruments: tuple[Instrument, ...]
    #: The command that pytest was started with.
    command_line: str | None = None
    #: How many visits are to be made of each case; cases that are not to be measured are left out.
    planned_visits: dict[str, int] = field(default_factory=dict)
    #: The cases that are being measured, by their id.
    measured: dict[str, MeasuredCase] = field(default_factory=dict)
    #: What `AfterVisits` instruments returned, by the case's id.
    closing_records: dict[str, list[Record]] = field(default_factory=dict)
    #: Why something of a case was not measured that was to be, by its id.
    failures: dict[str, list[str]] = field(default_factory=dict)
    #: What must not be measured again.
    refusals: Refusals = field(default_factory=Refusals)
    #: What pytest-benchmark holds of each case, by its id in the order of first visits: written from its records.
    extra_info: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Every case that is to run, by its id, and why it has not been measured.
    outcomes: dict[str, str] = field(default_factory=dict)
    #: When the session began, by `time.perf_counter`.
    start_s: float = field(default_factory=time.perf_counter)
    #: Where its time goes, from the start of the process.
    spent: SessionTime = field(default_factory=lambda: SessionTime(started_s()))
    #: The file with all rounds, once it has been written.
    rounds_file: Path | None = None
    #: Called with a case's id, the number of its visit and the phase, as a phase begins.
    on_phase: Callable[[str, int, str], None] = lambda *_: None
    #: By the compiler options that cases were compiled with.
    _floors: dict[tuple[tuple[str, str], ...], Floors] = field(default_factory=dict)
    #: The metrics that the session measures, as a saved run describes them.
    catalogue: list[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        tasks = [TASKS[task] for task in self.settings.tasks]
        records = [record for instrument in self.instruments for record in instrument.records(tasks)]
        self.catalogue = catalogue([*records, SecondsRecord])

    @classmethod
    def open(cls, settings: Settings, policies: Policies, command_line: str | None = None) -> Session:
        """List the cases, and make the instruments in the order in which they measure. Raises `DeclarationError`."""
        instruments = tuple(instrument(policies) for instrument in in_measuring_order(INSTRUMENTS))
        require_consistent(instruments, [TASKS[task] for task in settings.tasks])
        cases = {case.id: case for case in cases_of(settings)}
        return cls(settings, policies, cases, instruments, command_line)

    @property
    def missing(self) -> dict[str, str]:
        """Cases that were to run and were not measured, in their order, and why."""
        missing = (name for name in self.cases if name in self.outcomes and name not in self.extra_info)
        return {name: self.outcomes[name] for name in missing}

    @property
    def benchmarks(self) -> list[dict[str, Any]]:
        """What was measured, as in a file of pytest-benchmark's, in the order of the cases."""
        return [{"name": name, "extra_info": self.extra_info[name]} for name in self.cases if name in self.extra_info]

    @property
    def as_run(self) -> Run:
        """What was measured so far, as if it had been saved and read again."""
        return Run(Path(), tuple(self.benchmarks), self.environment)

    @property
    def environment(self) -> dict[str, Any]:
        """What the session's figures belong to, as `machine_info` holds it."""
        return {
            **environment(self.settings.device),
            "procedure": PROCEDURE,
            ESTIMATOR_KEY: ESTIMATOR,
            COMMAND_KEY: self.command_line,
            CASES_KEY: list(self.cases),
            QUICK_KEY: self.settings.quick,
            MISSING_KEY: self.missing,
            "order_seed": self.settings.order_seed,
            "rounds_file": None if self.rounds_file is None else str(self.rounds_file),
            SECONDS_KEY: self.spent.as_json(case.seconds for case in self.measured.values()),
            FLOORS_KEY: self.floors.as_json(),
            CATALOGUE_KEY: self.catalogue,
            EXECUTIONS_KEY: self.executions.as_json(),
            TASKS_KEY: as_json({task: TASKS[task].words for task in self.settings.tasks}),
        }

    @property
    def executions(self) -> Executions:
        """What outputs know of the session's executions."""
        return Executions({name: TRAITS[name] for name in self.settings.executions})

    @property
    def floors(self) -> Floors:
        """The noise floors that this session's intervals of a repeat are made with, as far as its cases are known."""
        tunings = {name: case.tuning for name, case in self.measured.items()}
        chosen = {name: tuning.chosen.name for name, tuning in tunings.items() if tuning is not None}
        key = tuple(chosen.items())
        if key not in self._floors:
            device, facts = self.settings.device, essentials(self.settings.device)
            self._floors[key] = find_floors(
                Conditions.of(facts, PROCEDURE),
                host_name(platform.node(), facts),
                device.type,
                self.cases.values(),
                self.executions,
                [self.settings.results_dir / FLOORS_FOLDER],
                chosen,
            )
        return self._floors[key]

    def visit(self, case: MeasuredCase, number: int, position: int, timed: Callable[[ForwardLoop], None]) -> None:
        """Visit a case: prepare, warm up, call `timed`, and run the rounds with the instruments beside them.

        An earlier attempt at the same visit is replaced, unless a proof has refused it: then `RefusedError` is raised.
        Call it inside the precision's context. Raises what makes a benchmark fail; the visit is then recorded with its
        error, and the visits before it stand.
        """
        case.on_phase = lambda phase: self.on_phase(case.case.id, number, phase)
        with self.refusals.noted(case.case.id, number):
            replaced = case.put_aside(number)
            try:
                visit = replace(made_visit(case, self._of(InVisit), number, position, timed), replaced=replaced)
                visit.as_json()  # raises where its records contradict each other
                case.visits.append(visit)
            except BaseException as error:
                reason = str(error) or type(error).__name__
                case.visits.append(FailedVisit(number=number, position=position, error=reason, replaced=replaced))
                if replaced:  # among which may be a visit that was made
                    self.write(case)
                raise
        self.write(case)

    def close(self, case: MeasuredCase) -> None:
        """After the last visit of the session: let each instrument measure what would disturb one.

        Call it inside the precision's context. Raises what makes a benchmark fail.
        """
        case.on_phase = lambda phase: self.on_phase(case.case.id, CLOSING, phase)
        with self.refusals.noted(case.case.id, CLOSING):
            records = self.closing_records[case.case.id] = []
            try:
                with case.loop() as loop:
                    after = AfterLastVisit(loop, tuple(self.measured[name] for name in self.extra_info))
                    with case.phase("closing"):
                        for instrument in self._of(InVisit):
                            instrument.closing(case, loop)
                    for last in self._of(AfterVisits):
                        records.append(require_record(last, last.measure(case, after)))
            finally:
                self.write(case)

    def write(self, case: MeasuredCase) -> None:
        """Write a case's `extra_info` from the records that there are of it; keep its place and its identity.

        A case none of whose visits stands is forgotten.
        """
        if not case.done:
            self.drop(case)
            return
        json = joined(
            (
                *(require_record(instrument, instrument.measure(case)) for instrument in self._of(InVisit)),
                *self.closing_records.get(case.case.id, []),
                SecondsRecord(**case.seconds),
            )
        )
        extra_info = self.extra_info.setdefault(case.case.id, {})
        extra_info.clear()
        extra_info.update(json)
        self.note_visits(case)

    def note_visits(self, case: MeasuredCase) -> None:
        """Write to a case's `extra_info` which visits were made, and what has not been measured."""
        visits, incomplete = [visit.as_json() for visit in case.visits], self.incomplete(case)
        self.extra_info[case.case.id] |= {VISITS: visits, INCOMPLETE: incomplete}

    def incomplete(self, case: MeasuredCase) -> str | None:
        """Return what has not been measured of a case and why, or None."""
        parts = []
        if len(case.done) < case.planned_visits:
            parts.append(f"{len(case.done)} of {case.planned_visits} visits were made")
        if len(self.closing_records.get(case.case.id, [])) < len(self._of(AfterVisits)):
            parts.append("what follows the visits was not measured")
        parts += self.failures.get(case.case.id, [])
        return "; ".join(parts) or None

    def drop(self, case: MeasuredCase) -> None:
        """Forget a case whose figures would be wrong, or that has none."""
        self.extra_info.pop(case.case.id, None)

    def _of(self, kind: type[Kind]) -> list[Kind]:
        return [instrument for instrument in self.instruments if isinstance(instrument, kind)]
