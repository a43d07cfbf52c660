"""Whether rounds that begin with a cache are all the same, and give the logits of a forward without one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch

from benchmarks.instruments.base import InVisit
from benchmarks.instruments.numerics import OWN_DISTANCES
from benchmarks.loop import CachedRound, ForwardLoop
from benchmarks.measured_case import MeasuredCase
from benchmarks.policies import Policies
from benchmarks.visiting import TimedVisit
from core.metrics.figures import Figure, Reason
from core.metrics.records import Record, figure
from fixtures.executions import CaptureError, UnequalRoundsError
from fixtures.executions.cached import rows_distance
from fixtures.precisions import baseline

PENDING = "the forward without a cache is run after the last visit, which was not made"
#: Prompts whose rounds are compared where one alone does not tell.
COMPARED_PROMPTS = 8
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
    #: Of a round, or of those of several prompts, from a forward of the same texts without a cache.
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
        difference, tolerance = difference_from_uncached(case, loop, loop.first_round)
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


def difference_from_uncached(case: MeasuredCase, loop: ForwardLoop, first: CachedRound) -> tuple[float, float]:
    """Return the distance of rounds' logits from those without a cache, and what it may be.

    It is that of the first round. Where that is beyond the precision's tolerance, as one position's rounding can be in
    16 bits (0.041 of the norm in a trained SmolLM2-135M, whose positions are 0.005 to 0.19 from FP32's), it is that of
    several prompts together, and may be what explains a difference from eager execution too: some times the distance
    of the same logits without a cache from FP32's.
    """
    tolerance = case.precision.tolerance
    difference = rows_distance(first.logits, uncached(case, [first]))
    if not tolerance < difference < math.inf or case.precision.is_baseline:
        return difference, tolerance
    rounds = [first, *(one for one in rounds_of_prompts(case, loop) if not torch.equal(one.texts, first.texts))]
    expected = uncached(case, rounds)
    difference = rows_distance(torch.cat([one.logits for one in rounds]), expected)
    with baseline().running(case.settings.device):
        own = rows_distance(expected, uncached(case, rounds, in_baseline=True))
    return difference, max(tolerance, OWN_DISTANCES * own)


def rounds_of_prompts(case: MeasuredCase, loop: ForwardLoop) -> list[CachedRound]:
    """Run the first `COMPARED_PROMPTS` prompts of the dataset, or one batch where that holds more."""
    batches = case.data.batches[: max(1, COMPARED_PROMPTS // case.case.batch_size)]
    rounds = [loop.cached_round(batch, loop.run_on(batch)) for batch in batches]
    return [one for one in rounds if one is not None]


def uncached(case: MeasuredCase, rounds: Iterable[CachedRound], *, in_baseline: bool = False) -> torch.Tensor:
    """Return the logits [prompts, 1, vocabulary] of rounds by forwards without a cache, in the precision or in FP32."""
    precision, model = case.case.precision, case.model
    if in_baseline:
        precision, model = baseline().name, case.baseline_model()
    device = case.settings.device
    return torch.cat([case.uncached((case.case.task, precision), model, one.texts.to(device)) for one in rounds])
