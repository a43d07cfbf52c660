"""When a window of energy begins, and how long it is: in whole rounds, at a moment that keeps no step with them."""

from __future__ import annotations

import math
import random
import statistics
import time
from itertools import pairwise

from benchmarks.loop import Rounds
from benchmarks.measured_case import MeasuredCase
from benchmarks.meters import Meter, MeterError
from benchmarks.policies import EnergyPolicy

#: Between two looks at whether rounds have ended.
LOOK_S = 0.005


def window_of_rounds(case: MeasuredCase, meter: Meter, rounds: Rounds, window_s: float, policy: EnergyPolicy) -> float:
    """Wait until a window may begin, beside the rounds; return its seconds: whole rounds that last `window_s` at least.

    - A meter that shows the energy of its last update shows that of the warm-up, or of a pause, until it has updated
      once beside the rounds. One whose windows begin at an update needs no wait before it.
    - A window of whole rounds cuts off as much at its beginning as it adds at its end, and begins anywhere in a round:
      what is cut has the mean power on average, whatever the meter's updates keep step with.
    - On a CPU it lasts as long as the rounds of the visit.

    Raises `MeterError` where no rounds end.
    """
    round_s = wait_for_a_round(rounds, 0.0 if meter.begins_at_update else meter.tick_period_s or 0.0, policy.patience_s)
    # The system's: pytest-randomly sets Python's own to the same beginning before each test, which is a visit.
    time.sleep(random.SystemRandom().uniform(0.0, round_s))
    # Two more than are needed: the first rounds, which tell how long one takes, may be faster than the others.
    of_a_visit = case.rounds_a_visit if case.settings.device.type == "cpu" else 0
    return max(policy.fewest_rounds + 2, of_a_visit, math.ceil(window_s / round_s)) * round_s


def wait_for_a_round(rounds: Rounds, lag_s: float, patience_s: float) -> float:
    """Wait until three rounds have ended and `lag_s` is over; return the median seconds from one beginning to the next.

    Raises `MeterError` where none end.
    """
    begun_s = time.perf_counter()
    time.sleep(lag_s)
    while len(rounds.start_s) < 3:
        if rounds.are_over or time.perf_counter() > begun_s + patience_s:
            raise MeterError("NO_ROUNDS", "no three rounds ended beside the meter")
        time.sleep(LOOK_S)
    starts_s = list(rounds.start_s)  # which grow
    return statistics.median(after - before for before, after in pairwise(starts_s))
