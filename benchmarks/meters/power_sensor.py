"""A power that NVML shows, integrated over time."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from functools import partial

from benchmarks.meters.board import whole_board
from benchmarks.meters.meter import Meter, MeterError, MeterSource, Reader, Reading, at_once
from benchmarks.policies import EnergyPolicy, PowerPolicy
from fixtures.device.nvml import GPU_SCOPE, MODULE_SCOPE, Gpu

#: What a meter of NVML's is of, as records name it: the GPU with its memory, or with a superchip's CPU and its memory.
GPU_ALONE, MODULE = "gpu", "module"
POWER_SCOPES = {GPU_ALONE: GPU_SCOPE, MODULE: MODULE_SCOPE}
INSTANT, AVERAGE = "power_integration_instant", "power_integration_avg1s"


class PowerSensor:
    """A power that NVML shows, integrated over time. Equal samples count: a constant power is a power."""

    begins_at_update = False

    def __init__(
        self, method: str, read_power_w: Callable[[], float], policy: PowerPolicy, scope: str = GPU_ALONE
    ) -> None:
        self.method, self.scope = method, scope
        self._read_power_w = read_power_w
        self._policy = policy
        self.tick_period_s: float | None = policy.tick_period_s
        self.read_cost_s: float | None = None
        read_power_w()  # probing: a GPU without the sensor raises here

    def second_meter(self) -> Meter | None:
        """Return None: nothing better is at hand."""
        return None

    @property
    def needs_long_window(self) -> bool:
        """Whether the sensor has to settle first."""
        return self._policy.settling_s > 0

    def visit_window_s(self, remaining_visits: int, ticks: int, read: Reader = at_once) -> float:
        """Return the policy's window, however many visits there are."""
        return self._policy.window_s

    def measure(self, duration_s: float, read: Reader = at_once) -> Reading:
        """Sample at irregular moments and integrate by trapezoids; a sample takes some microseconds."""
        time.sleep(self._policy.settling_s)
        irregular = random.SystemRandom()
        moments, powers = [time.perf_counter()], [self._read_power_w()]
        self.read_cost_s = time.perf_counter() - moments[0]
        while moments[-1] - moments[0] < duration_s:
            # Irregular, so as not to keep step with the sensor.
            time.sleep(irregular.uniform(0.5, 1.5) * self._policy.spacing_s)
            moments.append(time.perf_counter())
            powers.append(self._read_power_w())
        energy_j = sum((powers[i] + powers[i + 1]) / 2 * (moments[i + 1] - moments[i]) for i in range(len(moments) - 1))
        if energy_j <= 0:
            raise MeterError("NO_POWER", f"the power sensor showed {powers[-1]:g} W over {duration_s:.1f} s")
        elapsed_s, tick_s = moments[-1] - moments[0], self._policy.tick_period_s
        return Reading(
            moments[0], moments[-1], 1000 * energy_j, round(elapsed_s / tick_s), tick_s / math.sqrt(6) / elapsed_s
        )


def instant_power(gpu: Gpu, policy: EnergyPolicy, scope: str = GPU_ALONE) -> PowerSensor:
    """Return the meter of NVML's instantaneous power, the GPU's or its module's. Raises `NvmlError`."""
    return PowerSensor(INSTANT, partial(gpu.instant_power_w, POWER_SCOPES[scope]), policy.instant, scope)


def average_power(gpu: Gpu, policy: EnergyPolicy) -> PowerSensor:
    """Return the meter of NVML's power of the last second: it needs long windows and forgets their beginning."""
    return PowerSensor(AVERAGE, gpu.average_power_w, policy.average)


INSTANT_POWER = MeterSource(
    INSTANT,
    "NVML's power at the moment, integrated",
    20,
    ("cuda",),
    lambda device, policy: instant_power(whole_board(device), policy),
)
AVERAGE_POWER = MeterSource(
    AVERAGE,
    "NVML's mean power of the last second, integrated over a long window",
    30,
    ("cuda",),
    lambda device, policy: average_power(whole_board(device), policy),
)
