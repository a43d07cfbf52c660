"""What the device itself spends on one forward, from the profiler."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile

#: Forwards of each variant that are profiled: of one the summed time scatters by a tenth.
FORWARDS = 10
#: How the profiler names what only moves memory; the last is a small copy within a graph.
COPIES = ("Memcpy", "Memset", "memcpy32_post")
#: The kernel of `torch.cuda._sleep`, which marks where a forward begins and ends. Source: aten/src/ATen/cuda/Sleep.cu.
MARK = "spin_kernel"


@dataclass(frozen=True)
class Timeline:
    """What was done in one forward, in its order: names, and the milliseconds that each adds to those before it.

    Kernels that overlap count once, for the one that began first. `span_ms` is from the beginning of the first to the
    end of the last; what no part fills of it are the gaps between them.
    """

    parts: tuple[tuple[str, float], ...]
    span_ms: float

    @property
    def gaps_ms(self) -> float:
        """The time between the parts."""
        return max(0.0, self.span_ms - sum(ms for _, ms in self.parts))

    @property
    def times_ms(self) -> Mapping[str, float]:
        """The time of each name."""
        summed = dict.fromkeys((name for name, _ in self.parts), 0.0)
        for name, ms in self.parts:
            summed[name] += ms
        return summed


@dataclass(frozen=True)
class Kernels:
    """The kernels of one forward: their summed time, their number, how often each name occurs, and for how long.

    Copies and fills of memory count in the times, for the device spends them, and not in the numbers. So does what
    places a batch before the forward, which `timeline` leaves out; that is None where the two cannot be told apart.
    """

    time_ms: float
    count: int
    names: Mapping[str, float]
    times_ms: Mapping[str, float]
    timeline: Timeline | None = None


def profiled_kernels(
    forward: Callable[[], object],
    device: torch.device,
    place: Callable[[], object] | None = None,
    forwards: int = FORWARDS,
) -> Kernels | None:
    """Profile some forwards of one batch, which `place` places before each; return the median of their times.

    Between `place` and the forward, and behind that, stands a mark. None where no kernel is seen to take time (CUPTI is
    missing or in use).
    """
    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as profiled:
        for _ in range(forwards):
            if place is None:
                forward()
                continue
            place()
            torch.cuda._sleep(1)  # type: ignore[no-untyped-call]
            forward()
            torch.cuda._sleep(1)  # type: ignore[no-untyped-call]
        torch.cuda.synchronize(device)
    everything = sorted(
        (event for event in profiled.events() or [] if event.device_type.name == "CUDA"),
        key=lambda event: event.time_range.start,
    )
    events = [event for event in everything if MARK not in event.name]
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
    timeline = median_timeline(everything, forwards)
    return Kernels(statistics.median(times_ms) / shared, names.total() // shared, of_one, spent_ms, timeline)


def median_timeline(events: Sequence[FunctionEvent], forwards: int) -> Timeline | None:
    """Return the timeline of the forward with the median span, from events in their order; None without the marks."""
    marked: list[list[FunctionEvent]] = [[]]
    for event in events:
        if MARK in event.name:
            marked.append([])
        else:
            marked[-1].append(event)
    timelines = [timeline_of(run) for run in marked[1::2] if run]
    if len(marked) != 2 * forwards + 1 or len(timelines) != forwards:
        return None
    return sorted(timelines, key=lambda timeline: timeline.span_ms)[len(timelines) // 2]


def timeline_of(events: Sequence[FunctionEvent]) -> Timeline:
    """Return the timeline of kernels, one at least, in the order of their beginnings."""
    begun_us = ended_us = events[0].time_range.start
    parts = []
    for event in events:
        start_us, end_us = event.time_range.start, event.time_range.end
        parts.append((event.name, max(0.0, end_us - max(start_us, ended_us)) / 1000))
        ended_us = max(ended_us, end_us)
    return Timeline(tuple(parts), (ended_us - begun_us) / 1000)


def operator_timeline(forward: Callable[[], object]) -> Timeline:
    """Profile a forward on a CPU; return its operators, each without the time of those that it calls.

    The gaps between them are Python's. The forward before it, which may pay for memory that others have given back to
    the system, is not profiled.
    """
    forward()
    with profile(activities=[ProfilerActivity.CPU], acc_events=True) as profiled:
        forward()
    events = sorted(profiled.events() or [], key=lambda event: event.time_range.start)
    parts = tuple((event.name, event.self_cpu_time_total / 1000) for event in events)
    ended_us = max((event.time_range.end for event in events), default=0.0)
    begun_us = min((event.time_range.start for event in events), default=0.0)
    return Timeline(parts, (ended_us - begun_us) / 1000)
