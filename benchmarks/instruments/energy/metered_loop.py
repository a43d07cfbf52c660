"""A loop of forwards beside which a meter reads: neither waits for the other."""

from __future__ import annotations

import random
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from benchmarks.instruments.energy.meters import Meter, Reading


@dataclass(frozen=True)
class Window:
    """A meter's reading, and the forwards (a fraction at each end) that ran in exactly that time."""

    reading: Reading
    forwards: float


def metered_loop(
    meter: Meter, duration_s: float, count: int, run_one: Callable[[], object], lead_in_s: float, phase_s: float
) -> list[Window]:
    """Run the loop while a meter measures `count` windows of about `duration_s` each.

    The first begins `lead_in_s` and a random share of `phase_s` after the loop. Raises what the meter raised
    (`NvmlError`, `MeterError`), as soon as it has.
    """

    def read() -> list[Reading]:
        time.sleep(lead_in_s + random.uniform(0, phase_s))  # noqa: S311
        return meter.measure(duration_s, count)

    completions_s = [time.perf_counter()]
    with ThreadPoolExecutor(max_workers=1) as beside:
        measuring = beside.submit(read)
        while not measuring.done():
            run_one()
            completions_s.append(time.perf_counter())
    readings = measuring.result()
    # The last readings may end between two forwards, or just after the last: one more makes sure that none does.
    run_one()
    completions_s.append(time.perf_counter())
    return [Window(reading, forwards_between(completions_s, reading.start_s, reading.end_s)) for reading in readings]


def forwards_between(completions_s: Sequence[float], start_s: float, end_s: float) -> float:
    """Return how many forwards ran between two moments, the ones cut by an end counted by the share of their time."""
    return forwards_until(completions_s, end_s) - forwards_until(completions_s, start_s)


def forwards_until(completions_s: Sequence[float], moment_s: float) -> float:
    """Return the forwards completed until a moment, linear between two completions; the first entry is the start."""
    after = min(max(bisect_left(completions_s, moment_s), 1), len(completions_s) - 1)
    before_s, after_s = completions_s[after - 1], completions_s[after]
    return after - 1 + (moment_s - before_s) / (after_s - before_s)
