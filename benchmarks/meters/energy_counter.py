"""NVML's energy counter, read at its own ticks."""

from __future__ import annotations

import math
import statistics
import time

from benchmarks.meters.board import whole_board
from benchmarks.meters.meter import Meter, MeterError, MeterSource, Reader, Reading, at_once
from benchmarks.meters.power_sensor import GPU_ALONE, MODULE, instant_power
from benchmarks.policies import CounterPolicy, EnergyPolicy
from fixtures.device.nvml import MODULE_SCOPE, Gpu, NvmlError


class EnergyCounter:
    """NVML's energy counter (Volta and newer): exact between two of its ticks, so windows begin and end on one.

    On a superchip (GH200) it counts the whole module's energy, that of the CPU and its memory included.
    """

    method = "nvml_energy_counter"
    needs_long_window = False
    begins_at_update = True
    TICKS_FOR_PERIOD = 4

    def __init__(self, gpu: Gpu, policy: EnergyPolicy) -> None:
        self._gpu = gpu
        self._energy_policy = policy
        self._policy: CounterPolicy = policy.counter
        self._read_costs_s: list[float] = []
        self.tick_period_s: float | None = None
        self._ticks_s: tuple[float, float] | None = None
        gpu.total_energy_mj()  # probing: a GPU without a counter raises here
        self.scope = scope_of_counter(gpu)

    @property
    def read_cost_s(self) -> float | None:
        """Median time of one read."""
        return statistics.median(self._read_costs_s) if self._read_costs_s else None

    def second_meter(self) -> Meter | None:
        """Return the instantaneous power of what the counter is of: another register of the same sensor."""
        return instant_power(self._gpu, self._energy_policy, self.scope)

    def visit_window_s(self, remaining_visits: int, ticks: int, read: Reader = at_once) -> float:
        """Return the seconds of some ticks: so many that the visits but one have enough."""
        needed = math.ceil((self._energy_policy.fewest_ticks - ticks) / max(1, remaining_visits - 1))
        return max(self._policy.ticks, needed) * self._period_s(read)

    def measure(self, duration_s: float, read: Reader = at_once) -> Reading:
        """Wait for a tick, then for the number of ticks nearest to `duration_s`.

        The loop keeps running. Between the ends nothing is read: the sensor samples at its own period, and a read of 3
        ms at the same period would be seen by every sample or by none.
        """
        period_s = self._period_s(read)
        start_mj, start_s, start_spacing_s = self._tick_after(time.perf_counter(), read)
        ticks = max(1, round(duration_s / period_s))
        end_mj, end_s, end_spacing_s = self._tick_after(start_s + (ticks - 0.5) * period_s, read)
        if end_mj <= start_mj:
            raise MeterError("COUNTER_WENT_BACK", f"the energy counter went from {start_mj} to {end_mj} mJ")
        elapsed_s = end_s - start_s
        # Each end is known to lie between two reads; the difference of two such uniform errors.
        rel_u = math.hypot(start_spacing_s, end_spacing_s) / math.sqrt(12) / elapsed_s
        return Reading(start_s, end_s, end_mj - start_mj, round(elapsed_s / period_s), rel_u)

    def _period_s(self, read: Reader) -> float:
        """Return the time between two ticks: at first the mean of a few, later that between the first and the last."""
        if self.tick_period_s is None or self._ticks_s is None:
            _, first_s, _ = self._next_tick(read)
            for _ in range(self.TICKS_FOR_PERIOD):
                _, last_s, _ = self._next_tick(read)
            self._ticks_s = first_s, last_s
            self.tick_period_s = (last_s - first_s) / self.TICKS_FOR_PERIOD
        return self.tick_period_s

    def _tick_after(self, moment_s: float, read: Reader) -> tuple[int, float, float]:
        """Wait for the first tick after a moment, polling only when it is due."""
        period_s = self._period_s(read)
        first_s, last_s = self._ticks_s or (moment_s, moment_s)
        due_s = last_s + math.ceil((moment_s + self._policy.early_s - last_s) / period_s) * period_s
        time.sleep(max(0.0, due_s - self._policy.early_s - time.perf_counter()))
        value, tick_s, spacing_s = self._next_tick(read)
        self._ticks_s = first_s, tick_s
        self.tick_period_s = (tick_s - first_s) / round((tick_s - first_s) / period_s)
        return value, tick_s, spacing_s

    def _next_tick(self, read: Reader) -> tuple[int, float, float]:
        """Poll until the counter changes; return its value, the moment, and the seconds between the last two reads."""
        value, read_s = read(self._read)
        begun_s = read_s
        while True:
            previous_s = read_s
            reading, read_s = read(self._read)
            if reading != value:
                return reading, (previous_s + read_s) / 2, read_s - previous_s
            if read_s - begun_s > self._policy.patience_s:
                raise MeterError(
                    "COUNTER_STOOD_STILL", f"the energy counter stood at {value} mJ for {self._policy.patience_s} s"
                )

    def _read(self) -> tuple[int, float]:
        """Read the counter; return it with the moment in the middle of the read."""
        before_s = time.perf_counter()
        value = self._gpu.total_energy_mj()
        after_s = time.perf_counter()
        self._read_costs_s.append(after_s - before_s)
        return value, (before_s + after_s) / 2


def scope_of_counter(gpu: Gpu) -> str:
    """Return what a GPU's energy counter is of: its module where NVML knows the module's power, else the GPU alone.

    Source: ml-energy/zeus, pull request 172: "on GH200 the cumulative energy counter is for the entire chip/module".
    Not tried on such a chip here; the cross-check disputes the counter where its power is not the module's.
    """
    try:
        return MODULE if gpu.instant_power_w(MODULE_SCOPE) > 0 else GPU_ALONE
    except NvmlError:
        return GPU_ALONE


ENERGY_COUNTER = MeterSource(
    EnergyCounter.method,
    "NVML's energy counter of the board (Volta and newer)",
    10,
    ("cuda",),
    lambda device, policy: EnergyCounter(whole_board(device), policy),
)
