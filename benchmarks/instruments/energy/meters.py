"""Meters: what can tell the energy of a stretch of time. The best one that answers is chosen by asking it."""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass
from typing import Protocol

from fixtures.device.nvml import Gpu, NvmlError


class MeterError(Exception):
    """A meter gives no energy; `code` names the reason in one word."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True)
class Reading:
    """Energy between two moments of `time.perf_counter`.

    `ticks` counts the meter's own updates in between; `rel_u` is the relative standard uncertainty that its resolution
    in time leaves.
    """

    start_s: float
    end_s: float
    energy_mj: float
    ticks: int
    rel_u: float

    @property
    def power_w(self) -> float:
        """Mean power."""
        return self.energy_mj / 1000 / (self.end_s - self.start_s)


class Meter(Protocol):
    """Reads energy. `measure` blocks and is called beside the loop, from a thread of its own."""

    method: str
    scope: str
    #: Seconds of one window, and how many windows there are.
    window_s: float
    windows: int
    tick_period_s: float | None

    @property
    def read_cost_s(self) -> float | None:
        """Seconds that one read takes on this device, or None before the first."""
        ...

    def measure(self, duration_s: float, count: int) -> list[Reading]:
        """Return the energy of `count` windows, one after another, each of about `duration_s`.

        Raises `NvmlError` or `MeterError`.
        """
        ...


class EnergyCounter:
    """NVML's energy counter (Volta and newer): exact between two of its ticks, so windows begin and end on one."""

    method = "nvml_energy_counter"
    scope = "gpu"
    window_s, windows = 0.3, 7

    #: No tick within this time: the counter stands still.
    PATIENCE_S = 1.0
    #: Polling starts so much before a tick is due.
    EARLY_S = 0.012
    TICKS_FOR_PERIOD = 4

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self._read_costs_s: list[float] = []
        self.tick_period_s: float | None = None
        gpu.total_energy_mj()  # probing: a GPU without a counter raises here

    @property
    def read_cost_s(self) -> float | None:
        """Median time of one read."""
        costs = sorted(self._read_costs_s)
        return costs[len(costs) // 2] if costs else None

    def measure(self, duration_s: float, count: int) -> list[Reading]:
        """Wait for a tick, let as many pass as come nearest to `duration_s`: there the following window begins.

        The loop goes on meanwhile. Between the ends nothing is read: the sensor samples in a rhythm of its own, and a
        read of 3 ms in the same rhythm would be seen by every sample or by none.
        """
        if self.tick_period_s is None:
            self.tick_period_s = self._find_tick_period()
        readings: list[Reading] = []
        start_mj, start_s, _ = self._next_tick()
        for _ in range(count):
            due_s = start_s + max(1, round(duration_s / self.tick_period_s)) * self.tick_period_s
            time.sleep(max(0.0, due_s - self.EARLY_S - time.perf_counter()))
            end_mj, end_s, spacing_s = self._next_tick()
            if end_mj <= start_mj:
                raise MeterError("COUNTER_WENT_BACK", f"the energy counter went from {start_mj} to {end_mj} mJ")
            elapsed_s = end_s - start_s
            # Each end is known to lie between two reads; the difference of two such uniform errors.
            rel_u = spacing_s / math.sqrt(6) / elapsed_s
            ticks = round(elapsed_s / self.tick_period_s)
            readings.append(Reading(start_s, end_s, end_mj - start_mj, ticks, rel_u))
            start_mj, start_s = end_mj, end_s
        return readings

    def _find_tick_period(self) -> float:
        """Return the mean time between a few ticks: one pair would be off by the time that a read takes."""
        _, first_s, _ = self._next_tick()
        last_s = first_s
        for _ in range(self.TICKS_FOR_PERIOD):
            _, last_s, _ = self._next_tick()
        return (last_s - first_s) / self.TICKS_FOR_PERIOD

    def _next_tick(self) -> tuple[int, float, float]:
        """Poll until the counter changes; return its value, the moment, and the seconds between the last two reads."""
        value, read_s = self._read()
        begun_s = read_s
        while True:
            previous_s = read_s
            reading, read_s = self._read()
            if reading != value:
                return reading, (previous_s + read_s) / 2, read_s - previous_s
            if read_s - begun_s > self.PATIENCE_S:
                raise MeterError(
                    "COUNTER_STOOD_STILL", f"the energy counter stood at {value} mJ for {self.PATIENCE_S} s"
                )

    def _read(self) -> tuple[int, float]:
        """Read the counter; return it with the moment in the middle of the read."""
        before_s = time.perf_counter()
        value = self._gpu.total_energy_mj()
        after_s = time.perf_counter()
        self._read_costs_s.append(after_s - before_s)
        return value, (before_s + after_s) / 2


class InstantPower:
    """NVML's instantaneous power, integrated over time. Equal samples count: a constant power is a power."""

    method = "power_integration_instant"
    scope = "gpu"
    window_s, windows = 0.4, 6
    #: The sensor's own period on the boards that this was written for (100 ms); samples are closer than that.
    tick_period_s: float | None = 0.1
    SPACING_S = 0.02
    #: What passes before the sensor shows the present.
    SETTLING_S = 0.0

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self.read_cost_s: float | None = None
        self._power_w()

    def measure(self, duration_s: float, count: int) -> list[Reading]:
        """Sample at irregular moments and integrate by trapezoids."""
        return [self._window(duration_s) for _ in range(count)]

    def _window(self, duration_s: float) -> Reading:
        time.sleep(self.SETTLING_S)
        moments, powers = [time.perf_counter()], [self._power_w()]
        self.read_cost_s = time.perf_counter() - moments[0]
        while moments[-1] - moments[0] < duration_s:
            # Irregular, so as not to keep step with the sensor.
            time.sleep(random.uniform(0.5, 1.5) * self.SPACING_S)  # noqa: S311
            moments.append(time.perf_counter())
            powers.append(self._power_w())
        energy_j = sum((powers[i] + powers[i + 1]) / 2 * (moments[i + 1] - moments[i]) for i in range(len(moments) - 1))
        if energy_j <= 0:
            raise MeterError("NO_POWER", f"the power sensor showed {powers[-1]:g} W over {duration_s:.1f} s")
        elapsed_s, tick_s = moments[-1] - moments[0], self.tick_period_s or 0.1
        return Reading(
            moments[0], moments[-1], 1000 * energy_j, round(elapsed_s / tick_s), tick_s / math.sqrt(6) / elapsed_s
        )

    def _power_w(self) -> float:
        return self._gpu.instant_power_w()


class AveragePower(InstantPower):
    """NVML's averaged power (the last second), which needs long windows and forgets their beginning."""

    method = "power_integration_avg1s"
    window_s, windows = 20.0, 2
    SETTLING_S = 2.0

    def _power_w(self) -> float:
        return self._gpu.average_power_w()


def choose_meter(gpu: Gpu) -> Meter:
    """Return the best meter that answers; raise `NvmlError` of the last where none does."""
    for meter in (EnergyCounter, InstantPower):
        try:
            return meter(gpu)
        except NvmlError:
            continue  # the next one may be there; the last one's error is the caller's
    return AveragePower(gpu)
