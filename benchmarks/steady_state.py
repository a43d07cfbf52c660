"""When to start timing, and when to stop."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analysis.intervals import median_interval_ratio
from benchmarks.policies import TimingPolicy

#: Successive blocks of warm-up rounds whose medians are this close are steady, if the SM clock is flat as well.
AGREEMENT = 0.01
BLOCK_ROUNDS, BLOCK_S = 5, 0.1
#: The rounds go on until the 95% interval of the median is within this of the median.
TARGET_RATIO = 0.01
#: Rounds between two checks of the interval, as a share of those done.
GROWTH = 0.1


@dataclass(frozen=True)
class WarmUp:
    """How many rounds ran before the timed ones, and whether they had become steady."""

    rounds: int
    steady: bool


def warm_up(
    timed_round: Callable[[], float],
    minimum_rounds: int,
    sm_clock_mhz: Callable[[], int | None],
    policy: TimingPolicy,
) -> WarmUp:
    """Run rounds until two successive blocks agree and the SM clock stands still, or the policy's cap is reached.

    `timed_round` runs one round and returns its seconds; `sm_clock_mhz` returns None where no clock can be read, which
    leaves the blocks to decide. At least `minimum_rounds` run in any case.
    """
    rounds, elapsed_s = 0, 0.0
    previous: tuple[float, int | None] | None = None
    while True:
        block: list[float] = []
        while len(block) < BLOCK_ROUNDS or sum(block) < BLOCK_S:
            block.append(timed_round())
            if rounds + len(block) >= minimum_rounds and elapsed_s + sum(block) >= policy.warm_up_cap_s:
                break
        rounds, elapsed_s = rounds + len(block), elapsed_s + sum(block)
        current = (statistics.median(block), sm_clock_mhz())
        if rounds >= minimum_rounds:
            if previous is not None and agree(previous, current):
                return WarmUp(rounds, steady=True)
            if elapsed_s >= policy.warm_up_cap_s:
                return WarmUp(rounds, steady=False)
        previous = current


def agree(previous: tuple[float, int | None], current: tuple[float, int | None]) -> bool:
    """Tell whether two blocks have the same median, and the same SM clock where it is known, within 1%."""
    pairs = [(previous[0], current[0])]
    if previous[1] is not None and current[1] is not None:
        pairs.append((previous[1], current[1]))
    return all(abs(after - before) <= AGREEMENT * before for before, after in pairs)


def converged(durations_s: Sequence[float]) -> bool:
    """Tell whether the 95% interval of the median lies within 1% of the median."""
    ratio = median_interval_ratio(durations_s)
    return ratio is not None and ratio <= TARGET_RATIO


def enough_rounds(durations_s: Sequence[float], policy: TimingPolicy) -> bool:
    """Tell whether to stop after these rounds: the shortest time over and converged, or the cap reached."""
    total_s = sum(durations_s)
    return total_s >= policy.rounds_cap_s or (total_s >= policy.shortest_s and converged(durations_s))


def rounds_before_next_check(rounds: int) -> int:
    """Return how many more rounds to run before asking `enough_rounds` again."""
    return max(1, int(rounds * GROWTH))
