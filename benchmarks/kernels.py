"""What the device itself spends on one forward, from the profiler."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch.profiler import ProfilerActivity, profile

#: Forwards of each variant that are profiled: of one the summed time scatters by a tenth.
FORWARDS = 10
#: How the profiler names what only moves memory; the last is a small copy within a graph.
COPIES = ("Memcpy", "Memset", "memcpy32_post")


@dataclass(frozen=True)
class Kernels:
    """The kernels of one forward: their summed time, their number, how often each name occurs, and for how long.

    Copies and fills of memory count in the times, for the device spends them, and not in the numbers.
    """

    time_ms: float
    count: int
    names: Mapping[str, float]
    times_ms: Mapping[str, float]


def profiled_kernels(forward: Callable[[], object], device: torch.device, forwards: int = FORWARDS) -> Kernels | None:
    """Profile some forwards of one batch; return the median of their times.

    None where no kernel is seen to take time (CUPTI is missing or in use).
    """
    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as profiled:
        for _ in range(forwards):
            forward()
        torch.cuda.synchronize(device)
    events = sorted(
        (event for event in profiled.events() or [] if event.device_type.name == "CUDA"),
        key=lambda event: event.time_range.start,
    )
    if not sum(event.device_time for event in events) > 0:
        return None
    each, rest = divmod(len(events), forwards)
    groups = [events[number * each : (number + 1) * each] for number in range(forwards)] if not rest else [events]
    times_ms = [sum(event.device_time for event in group) / 1000 for group in groups]
    names = Counter(event.name for event in groups[-1] if not event.name.startswith(COPIES))
    shared = forwards if rest else 1
    of_one = {name: count / shared for name, count in names.items()}
    spent_ms: Counter[str] = Counter()
    for event in groups[-1]:
        spent_ms[event.name] += event.device_time / 1000 / shared
    return Kernels(statistics.median(times_ms) / shared, names.total() // shared, of_one, spent_ms)


def operator_times_ms(forward: Callable[[], object]) -> Mapping[str, float]:
    """Profile a forward on a CPU; return the milliseconds of each operator by name, without those that it calls."""
    with profile(activities=[ProfilerActivity.CPU], acc_events=True) as profiled:
        forward()
    return {event.key: event.self_cpu_time_total / 1000 for event in profiled.key_averages()}
