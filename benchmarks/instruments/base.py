"""What every instrument is and returns: something that measures one thing of a case, and its one complete record."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.kernels import Kernels, Timeline, operator_timeline, profiled_kernels
from core.errors import DeclarationError
from core.metrics.records import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.loop import ForwardLoop
    from benchmarks.measured_case import MeasuredCase
    from benchmarks.policies import Policies
    from benchmarks.visit import DeviceReads
    from benchmarks.visiting import TimedVisit
    from core.case import Case
    from fixtures.dataset.batches import Batch
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


class InVisit(Instrument):
    """Measures in each visit. `measure` derives the case's record from the visits made so far, one at least.

    It is called after each visit, and once more at the end. `case.done` are the visits that were made: each has its
    rounds, their latency, and with `visit.of(KIND)` the record that `visited` returned.
    """

    def prepared(self, case: MeasuredCase) -> None:
        """Called after the visit's first forward, before its warm-up."""

    def beside(self, case: MeasuredCase, reads: DeviceReads) -> Any:  # noqa: ANN401 - this instrument's own
        """Called in a thread while the visit's rounds run, which go on until it returns; what it returns is `reading`.

        What is read from the device here goes through `reads.read`.
        """

    def visited(self, visit: TimedVisit, reading: Any) -> Record:  # noqa: ANN401 - this instrument's own
        """Return this instrument's record of the visit, after its rounds; `reading` is what `beside` returned."""
        return Record()

    def closing(self, case: MeasuredCase, loop: ForwardLoop) -> None:
        """Called once for each case after the last visit of the session, before the instruments of `AfterVisits`."""

    def measure(self, case: MeasuredCase) -> Record:
        """Return the case's record."""
        raise NotImplementedError


@dataclass(frozen=True)
class AfterLastVisit:
    """What there is once the session's last visit is over."""

    #: The loop that was timed, made once more.
    loop: ForwardLoop
    #: What was measured of the session's cases, this one among them.
    measured: tuple[MeasuredCase, ...]
    #: What the profiler saw, by variant.
    _kernels: dict[str, Kernels | None] = field(default_factory=dict)
    _operators: dict[str, Timeline] = field(default_factory=dict)

    @property
    def cases(self) -> tuple[Case, ...]:
        """The cases that have been measured."""
        return tuple(one.case for one in self.measured)

    def kernels(self, example: Batch) -> Kernels | None:
        """Return the kernels of a forward of a variant's example, which are profiled once; None where none is seen."""
        if example.variant not in self._kernels:
            place = partial(self.loop.forward.place, example)
            device = example.input_ids.device
            self._kernels[example.variant] = profiled_kernels(self.loop.forward_and_wait, device, place)
        return self._kernels[example.variant]

    def operators(self, example: Batch) -> Timeline:
        """Return the operators of a forward of a variant's example on a CPU, which are profiled once."""
        if example.variant not in self._operators:
            self._operators[example.variant] = operator_timeline(partial(self.loop.run_on, example))
        return self._operators[example.variant]


class AfterVisits(Instrument):
    """Measures once for each case after the last visit of the session: what would disturb one, such as a profiler."""

    def measure(self, case: MeasuredCase, after: AfterLastVisit) -> Record:
        """Return the case's record."""
        raise NotImplementedError


def require_record(instrument: Instrument, value: object) -> Record:
    """Return what an instrument returned; raise `DeclarationError` where that is no record."""
    if not isinstance(value, Record):
        raise DeclarationError(f"the instrument {instrument.name} returns {value!r:.80}; expected a Record")
    return value


def is_instrument(value: Any) -> bool:  # noqa: ANN401 - whatever a module defines
    """Tell whether a value is an instrument that can be used: one with a name, and not a kind of instrument."""
    return isinstance(value, type) and issubclass(value, Instrument) and bool(value.name)
