"""How a visit is made: warm-up, rounds, which of them count, and what instruments are then handed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from benchmarks.loop import ForwardLoop, Rounds, run_beside
from benchmarks.machine.readings import Snapshot
from benchmarks.measured_case import MeasuredCase
from benchmarks.steady_state import WarmUp, at_least, warm_up
from benchmarks.timed_rounds import TimedRounds, VisitLatency
from benchmarks.visit import DeviceReads

Result = TypeVar("Result")


@dataclass(frozen=True)
class TimedVisit:
    """A visit whose rounds have run, as instruments look at it."""

    case: MeasuredCase
    #: All rounds of the visit, those that are not timed among them.
    rounds: Rounds
    timed: TimedRounds
    latency: VisitLatency
    #: The state of the machine directly before the warm-up and directly after the rounds.
    before: Snapshot
    after: Snapshot
    #: How far the last round's logits are from the first's, relative to their norm; None where they need not be equal.
    drift: float | None = None


def settle(case: MeasuredCase, loop: ForwardLoop, number: int) -> WarmUp:
    """Warm up until the rounds are steady, on the batches that visit `number` begins with."""
    loop.next_index = case.first_batch(number)
    return warm_up(loop, case.settings.warmup_rounds, case.timing)


def measure_rounds(
    case: MeasuredCase, loop: ForwardLoop, number: int, beside: Callable[[DeviceReads], Result]
) -> tuple[Rounds, TimedRounds, Result]:
    """Run the rounds of a visit while `beside` runs in a thread, and until there are enough of them.

    Returns all rounds, those that count, and what `beside` returned. Rounds that a read disturbed are not timed; where
    every one of them was, because they take longer than what is read beside them, rounds without reads are run and
    timed instead.
    """
    loop.next_index = case.first_batch(number)
    enough = at_least(case.timing.shortest_s, case.rounds_a_visit)
    rounds, (reads, result) = run_beside(loop, lambda rounds: read_beside(DeviceReads(rounds), beside), enough)
    everything = zip(rounds.durations_s, rounds.variants, rounds.are_undisturbed(reads.intervals_s), strict=True)
    timed = [(duration, variant) for duration, variant, is_undisturbed in everything if is_undisturbed]
    disturbed = len(rounds) - len(timed)
    if not timed:
        alone = loop.run_rounds(at_least(0.0, case.rounds_a_visit))
        timed = list(zip(alone.durations_s, alone.variants, strict=True))
    return rounds, TimedRounds([one for one, _ in timed], [variant for _, variant in timed], disturbed), result


def read_beside(reads: DeviceReads, beside: Callable[[DeviceReads], Result]) -> tuple[DeviceReads, Result]:
    """Return what is noted of the reads beside some rounds, and what came of them."""
    result = beside(reads)
    return reads, result
