"""What every instrument is and returns: something that measures one thing of a case, and its one complete record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from core.metrics.records import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.policies import Policies
    from benchmarks.run import BenchmarkRun
    from fixtures.tasks import Task


class Instrument:
    """Measures one thing of a case and returns it as a record. One object serves a whole session.

    An instrument is an `InVisit` or an `AfterVisits`. It is called in the precision's context, knows no pytest and no
    other instrument, and raises where a benchmark must fail. A further one is a class with a `name` in a module of this
    folder.
    """

    name: ClassVar[str] = ""
    description: ClassVar[str] = ""
    #: What `measure` returns.
    record: type[Record]

    def __init__(self, policies: Policies) -> None:
        self.policies = policies

    def records(self, tasks: Sequence[Task]) -> Sequence[type[Record]]:
        """Return the records that are returned for the cases of some tasks."""
        return [self.record]

    def measure(self, run: BenchmarkRun) -> Record:
        """Return the record."""
        raise NotImplementedError


class InVisit(Instrument):
    """Measures in each visit. `measure` derives the case's record from the visits made so far, one at least.

    It is called after each visit, and once more at the end; `run.done` holds the records of the visits that were made,
    with what `visited` returned each time, and `run.durations_s` the seconds of all timed rounds.
    """

    def prepared(self, run: BenchmarkRun) -> None:
        """Called after the visit's first forward, before its warm-up."""

    def beside(self, run: BenchmarkRun) -> None:
        """Called in a thread while the visit's rounds run, which go on until it returns.

        What is read from the device here goes through `run.read`.
        """

    def visited(self, run: BenchmarkRun) -> Record:
        """Return this instrument's part of the visit's record, from `run.rounds`; called after the rounds."""
        return Record()

    def closing(self, run: BenchmarkRun) -> None:
        """Called once for each case after the last visit of the session, before the instruments of `AfterVisits`."""


class AfterVisits(Instrument):
    """Measures once for each case after the last visit of the session: what would disturb one, such as a profiler."""


def is_instrument(value: Any) -> bool:  # noqa: ANN401 - whatever a module defines
    """Tell whether a value is an instrument that can be used: one with a name, and not a kind of instrument."""
    return isinstance(value, type) and issubclass(value, Instrument) and bool(value.name)
