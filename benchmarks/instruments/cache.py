"""Whether rounds that begin with a cache are all the same, and give the logits of a forward without one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from benchmarks.instruments.base import InVisit
from benchmarks.instruments.numerics import OWN_DISTANCES
from benchmarks.loop import FirstRound, ForwardLoop
from benchmarks.measured_case import MeasuredCase
from benchmarks.policies import Policies
from benchmarks.visiting import TimedVisit
from core.metrics.figures import Figure, Reason
from core.metrics.records import Record, figure
from fixtures.executions import CaptureError, UnequalRoundsError
from fixtures.executions.cached import rows_distance
from fixtures.precisions import baseline

PENDING = "the forward without a cache is run after the last visit, which was not made"
SENTENCE_END = "of their norm; expected at most {tolerance:.0e}. Its latency would be that of another computation."


@dataclass(frozen=True, kw_only=True)
class VisitDrift(Record):
    """How far the logits of a visit's last timed round are from those of its first round, relative to their norm."""

    difference_from_first: float | None


@dataclass(frozen=True, kw_only=True)
class CacheRecord(Record):
    """How far logits are apart that must be the same, relative to their norm; null without a cache."""

    section: ClassVar[str] = "cache"
    #: Of a visit's last timed round from its first one, the largest of all visits.
    difference_from_first: Figure[float] = figure(reason=Reason("difference_from_first_reason"))
    #: Of a round from a forward of the same texts without a cache.
    difference_from_uncached: Figure[float] = figure(reason=Reason("difference_from_uncached_reason"))
    difference_tolerated: float | None


class Cache(InVisit):
    """Compares the logits of rounds that begin with a cache, when those that are timed are over."""

    name = "cache"
    description = "whether rounds with a cache repeat, and their difference from a forward without one"
    record = CacheRecord

    def __init__(self, policies: Policies) -> None:
        super().__init__(policies)
        #: The difference from a forward without a cache and what is tolerated of it, by the case's id.
        self._uncached: dict[str, tuple[float, float]] = {}

    def visited(self, visit: TimedVisit, reading: object) -> Record:
        """Return how far the last round is from the first; raise `UnequalRoundsError` where that is too far."""
        case, drift, tolerance = visit.case, visit.drift, visit.case.precision.tolerance
        if drift is not None and not drift <= tolerance:
            raise UnequalRoundsError(
                f"The last round of a visit to {case.case.id} gives other logits than the first: they differ by "
                f"{drift:.2e} " + SENTENCE_END.format(tolerance=tolerance)
            )
        return VisitDrift(difference_from_first=drift)

    def closing(self, case: MeasuredCase, loop: ForwardLoop) -> None:
        """Compare a round with a forward without a cache; raise `CaptureError` where it is another computation."""
        if loop.first_round is None:
            return
        difference, tolerance = difference_from_uncached(case, loop.first_round)
        if not difference <= tolerance:
            raise CaptureError(
                f"The logits of {case.case.id} with its cache differ from those of a forward without one by "
                f"{difference:.2e} " + SENTENCE_END.format(tolerance=tolerance)
            )
        self._uncached[case.case.id] = difference, tolerance

    def measure(self, case: MeasuredCase) -> Record:
        """Return the differences found so far."""
        name, workload = case.case.workload, case.workload
        drifts = [visit.of(VisitDrift).difference_from_first for visit in case.done]
        found = [drift for drift in drifts if drift is not None]
        missing = f"{name} has no cache" if not workload.has_cache else None
        read = missing or f"the rounds of {name} read one batch after the other"
        difference, tolerance = self._uncached.get(case.case.id, (None, None))
        return CacheRecord(
            difference_from_first=Figure(max(found)) if found else Figure(None, reason=read),
            difference_from_uncached=Figure(difference, reason=None if difference is not None else missing or PENDING),
            difference_tolerated=tolerance,
        )


def difference_from_uncached(case: MeasuredCase, first_round: FirstRound) -> tuple[float, float]:
    """Return the distance of a round's logits from those without a cache, and what it may be.

    Beyond the precision's tolerance it may be what explains a difference from eager execution too: some times the
    distance of the same logits from FP32's.
    """
    texts, tolerance = first_round.texts.to(case.settings.device), case.precision.tolerance
    expected = case.uncached((case.case.task, case.case.precision), case.model, texts)
    difference = rows_distance(first_round.logits, expected)
    if tolerance < difference < math.inf and not case.precision.is_baseline:
        with baseline().running(case.settings.device):
            in_baseline = case.uncached((case.case.task, baseline().name), case.baseline_model(), texts)
        tolerance = max(tolerance, OWN_DISTANCES * rows_distance(expected, in_baseline))
    return difference, tolerance
