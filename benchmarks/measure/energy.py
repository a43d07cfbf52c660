"""Energy of the forward loop, from the GPU's own energy counter."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.measure.nvml import Gpu, NvmlError, open_gpu

WINDOW_S = 3.0
#: How long the counter is watched for the time between its ticks.
TICK_SEARCH_S = 0.5

Clock = Callable[[], float]


def measure_energy(run_one: Callable[[], object], batch_size: int, device: torch.device) -> dict[str, Any]:
    """Run the loop for at least 3 s and return the energy a sample took, or null with the method, code and reason."""
    try:
        return counter_window(open_gpu(device), run_one, batch_size)
    except NvmlError as error:
        return unavailable(f"no GPU energy counter: {error}", error.code)


def unavailable(reason: str, code: str) -> dict[str, Any]:
    """Return the record of an energy that could not be measured: every figure null, never 0."""
    figures = (
        "energy_per_sample_mj",
        "energy_per_sample_net_mj",
        "mean_power_w",
        "idle_power_w",
        "window_s",
        "rel_u95",
    )
    return {
        "status": "unavailable",
        "method": "none",
        "reason": reason,
        "code": code,
        **dict.fromkeys(figures),
        "windows": 0,
        "tick_period_ms": None,
    }


def counter_window(
    gpu: Gpu, run_one: Callable[[], object], batch_size: int, clock: Clock = time.perf_counter
) -> dict[str, Any]:
    """Return energy per sample over one window of the counter, with the error that its ticks leave.

    Both ends of the window fall anywhere between two ticks, which leaves an error of tick / (sqrt(6) T) (one standard
    deviation: the difference of two uniform variables). Raises `NvmlError` where there is no counter.
    """
    tick_s = tick_period_s(gpu, run_one, clock)
    start_mj, start_s, forwards = gpu.total_energy_mj(), clock(), 0
    while clock() - start_s < WINDOW_S:
        run_one()
        forwards += 1
    end_s, end_mj = clock(), gpu.total_energy_mj()
    window_s, energy_mj = end_s - start_s, end_mj - start_mj
    if energy_mj <= 0:
        return unavailable(
            f"the energy counter went from {start_mj} to {end_mj} mJ in {window_s:.1f} s", "COUNTER_STOOD_STILL"
        )
    return {
        "status": "ok",
        "method": "nvml_energy_counter",
        "reason": None,
        "code": None,
        "energy_per_sample_mj": energy_mj / (forwards * batch_size),
        "energy_per_sample_net_mj": None,
        "net_reason": "idle power is not measured",
        "mean_power_w": energy_mj / 1000 / window_s,
        "idle_power_w": None,
        "window_s": window_s,
        "windows": 1,
        "forwards": forwards,
        "rel_u95": None if tick_s is None else 1.96 * tick_s / (math.sqrt(6) * window_s),
        "rel_u95_reason": None if tick_s is not None else f"the counter did not tick twice in {TICK_SEARCH_S} s",
        "tick_period_ms": None if tick_s is None else 1000 * tick_s,
    }


def tick_period_s(gpu: Gpu, run_one: Callable[[], object], clock: Clock) -> float | None:
    """Return the mean time between changes of the energy counter while the loop runs, or None below two changes."""
    start_s = clock()
    changes: list[float] = []
    value = gpu.total_energy_mj()
    while clock() - start_s < TICK_SEARCH_S:
        run_one()
        reading = gpu.total_energy_mj()
        if reading != value:
            changes.append(clock())
            value = reading
    return (changes[-1] - changes[0]) / (len(changes) - 1) if len(changes) > 1 else None
