"""A window of the GPU's counters beside rounds, and the powers of the second that ends with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.loop import ForwardLoop, Rounds, run_beside
from benchmarks.policies import ActivityPolicy
from core.metrics.figures import Figure
from fixtures.device.gpm import Counters
from fixtures.device.nvml import GPU_SCOPE, MEMORY_SCOPE, Gpu, NvmlError


@dataclass(frozen=True)
class Window:
    """What the counters show of some seconds in which so many rounds ran, and the powers at their end in watts."""

    shares: Mapping[str, float]
    seconds: float
    rounds: float
    memory_power_w: Figure[float]
    gpu_power_w: Figure[float]


def window_beside(loop: ForwardLoop, gpu: Gpu, counters: Counters, policy: ActivityPolicy, round_s: float) -> Window:
    """Run rounds of about `round_s` seconds each; return a window of the counters beside them.

    It begins when they have run for a while: one that begins at once still holds what ran before. The powers are means
    of one second, all of which is of these rounds. Raises `GpmError` and `NvmlError`.
    """

    def watch(_: Rounds) -> tuple[float, float, Figure[float], Figure[float]]:
        time.sleep(policy.settling_s)
        start_s = moment_of(counters.begin)
        time.sleep(max(policy.window_s, policy.fewest_rounds * round_s))
        end_s = moment_of(counters.end)
        return start_s, end_s, mean_power(gpu, MEMORY_SCOPE), mean_power(gpu, GPU_SCOPE)

    rounds, (start_s, end_s, memory_w, gpu_w) = run_beside(loop, watch)
    return Window(counters.shares(), end_s - start_s, rounds.between(start_s, end_s), memory_w, gpu_w)


def moment_of(sample: Callable[[], None]) -> float:
    """Take a sample; return the moment in the middle of that."""
    before_s = time.perf_counter()
    sample()
    return (before_s + time.perf_counter()) / 2


def mean_power(gpu: Gpu, scope: int) -> Figure[float]:
    """Return a scope's mean power of the last second in watts; null with the reason where NVML does not tell it."""
    try:
        return Figure(gpu.average_power_of_w(scope))
    except NvmlError as error:
        return Figure(None, reason=str(error))
