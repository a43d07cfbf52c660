"""The loop that was timed, going on while a meter beside it reads: neither waits for the other."""

from __future__ import annotations

import random
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.measure.meters import Meter, MeterError, Reading
from benchmarks.measure.nvml import NvmlError

#: The loop runs so long before the first window, for clocks and power to settle.
LEAD_IN_S = 0.3
#: Windows start at a random moment within this time of each other.
PHASE_S = 0.1


@dataclass(frozen=True)
class Window:
    """A meter's reading, and the forwards (a fraction at each end) that ran in exactly that time."""

    reading: Reading
    forwards: float


def metered_loop(jobs: Sequence[tuple[Meter, float]], run_one: Callable[[], object]) -> list[Window]:
    """Run the loop while one meter after another measures a window of at least so many seconds; one window a job.

    Raises what the meter raised (`NvmlError`, `MeterError`).
    """
    readings: list[Reading] = []
    failures: list[NvmlError | MeterError] = []

    def read() -> None:
        try:
            time.sleep(LEAD_IN_S)
            for meter, duration_s in jobs:
                time.sleep(random.uniform(0, PHASE_S))  # noqa: S311
                readings.append(meter.measure(duration_s))
        except (NvmlError, MeterError) as error:
            failures.append(error)

    thread = threading.Thread(target=read, daemon=True)
    completions_s = [time.perf_counter()]
    thread.start()
    while thread.is_alive():
        run_one()
        completions_s.append(time.perf_counter())
    if failures:
        raise failures[0]
    if len(readings) != len(jobs):
        raise MeterError("METER_DIED", f"the meter gave {len(readings)} of {len(jobs)} windows; its error stands above")
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
