"""When a visit's warm-up ends."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.loop import ForwardLoop, Rounds
from benchmarks.policies import TimingPolicy
from core.statistics.intervals import quantile_interval

#: Two halves whose medians are this close show no trend, relative.
AGREEMENT = 0.005


@dataclass(frozen=True)
class WarmUp:
    """How many rounds ran before the timed ones, and whether the last of them showed no trend."""

    rounds: int
    steady: bool


def warm_up(loop: ForwardLoop, minimum_rounds: int, policy: TimingPolicy) -> WarmUp:
    """Run rounds until the two halves of the last stretch of them show no trend, or the policy's cap is reached.

    At least `minimum_rounds` run in any case, and no more where the policy's stretch is 0 seconds.
    """
    begun_s, rounds = time.perf_counter(), 0
    while rounds < minimum_rounds or policy.warm_up_stretch_s > 0:
        stretch = loop.run_rounds(at_least(policy.warm_up_stretch_s, minimum_rounds - rounds))
        rounds += len(stretch)
        steady = is_steady(stretch)
        if steady or time.perf_counter() - begun_s >= policy.warm_up_cap_s:
            return WarmUp(rounds, steady)
    return WarmUp(rounds, steady=False)


def at_least(seconds: float, rounds: int) -> Callable[[int], bool]:
    """Return the function that tells after each round to go on until so many seconds and so many rounds are over."""
    end_s = time.perf_counter() + seconds
    return lambda done: done < rounds or time.perf_counter() < end_s


def is_steady(rounds: Rounds) -> bool:
    """Tell whether the second half of some rounds took as long as the first, as far as their scatter lets it show.

    The halves agree where their medians lie within 0.5% of each other, or the 95% intervals of the medians overlap.
    Each round counts relative to the median of its variant: the halves need not hold the same share of each.
    """
    relative = relative_to_variant(rounds.durations_s, rounds.variants)
    halves = relative[: len(relative) // 2], relative[len(relative) // 2 :]
    if not halves[0]:
        return False  # one round has no trend
    first, second = map(statistics.median, halves)
    if abs(second - first) <= AGREEMENT * first:
        return True
    (low, high), (low_again, high_again) = (quantile_interval(half, 0.5) for half in halves)
    if low is None or high is None or low_again is None or high_again is None:
        return False
    return low <= high_again and low_again <= high


def relative_to_variant(durations_s: Sequence[float], variants: Sequence[str]) -> list[float]:
    """Return each round's duration over the median of its variant's."""
    medians = {
        variant: statistics.median(
            duration for duration, one in zip(durations_s, variants, strict=True) if one == variant
        )
        for variant in set(variants)
    }
    return [duration / medians[variant] for duration, variant in zip(durations_s, variants, strict=True)]
