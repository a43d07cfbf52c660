"""From metered windows to energy per sample and its uncertainty."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from analysis.intervals import student_t
from benchmarks.instruments.energy.metered_loop import Window
from benchmarks.instruments.energy.meters import Reading

#: Error of the sensor itself, the same for all measurements on one board, so it cancels in their ratios: about 5% on 19
#: boards (Yang, Adamek and Armour, 2023, arXiv 2312.02741).
SENSOR_REL_ERROR = 0.05
#: What windows that lie within seconds cannot see: the machine's slow drift. One standard deviation of 20 windows of
#: 5 s, spread over 136 s of an FP16 graph loop on a shared H100: 0.30%.
SLOW_REL_SD = 0.003


def figures(
    windows: Sequence[Window], idle: tuple[Reading, Reading], samples_per_forward: int, tokens_per_forward: float
) -> dict[str, Any]:
    """Return energy per sample, total and above idle, with its uncertainty.

    Energy per sample is the mean over windows of energy / forwards / samples. Its relative 95% uncertainty joins the
    spread of the windows (Student's t), the meter's resolution in time, and what the machine does more slowly.
    """
    per_sample_mj = [window.reading.energy_mj / window.forwards / samples_per_forward for window in windows]
    drifted, drift_u95 = drift(per_sample_mj)
    powers_w = [window.reading.power_w for window in windows]
    energy_mj, power_w = statistics.fmean(per_sample_mj), statistics.fmean(powers_w)
    total_s = sum(window.reading.end_s - window.reading.start_s for window in windows)
    samples = sum(window.forwards for window in windows) * samples_per_forward
    idle_w = statistics.fmean(reading.power_w for reading in idle)
    net_w = power_w - idle_w
    # Idle power before and after differ by more than the meter's noise: half their difference stands for its error.
    net_sd_w = math.hypot(statistics.stdev(powers_w), abs(idle[0].power_w - idle[1].power_w) / 2)
    has_net = net_w > 3 * net_sd_w
    return {
        "status": "ok",
        "reason": None,
        "code": None,
        "energy_per_sample_mj": energy_mj,
        "energy_per_sample_net_mj": 1000 * net_w * total_s / samples if has_net else None,
        "net_reason": None if has_net else f"{power_w:.0f} W is not clearly above the idle power of {idle_w:.0f} W",
        "mean_power_w": power_w,
        "idle_power_w": idle_w,
        "idle_power_before_w": idle[0].power_w,
        "idle_power_after_w": idle[1].power_w,
        "windows": len(windows),
        "window_s": total_s,
        "forwards": sum(window.forwards for window in windows),
        "ticks": sum(window.reading.ticks for window in windows),
        "window_energies_mj": per_sample_mj,
        "power_series": power_series([idle[0], *(window.reading for window in windows), idle[1]]),
        "rel_u95": energy_u95(windows),
        "drift_rel": drifted,
        "drift_u95_rel": drift_u95 if math.isfinite(drift_u95) else None,
        "sensor_rel_error": SENSOR_REL_ERROR,
        "samples_per_joule": 1000 / energy_mj,
        "tokens_per_joule": 1000 / energy_mj * tokens_per_forward / samples_per_forward,
        "energy_delay_product_mj_ms": energy_mj * 1000 * total_s / samples,
    }


def power_series(readings: Sequence[Reading]) -> list[tuple[float, float]]:
    """Return [seconds, watts] for each reading: its middle, counted from the start of the first, and its mean power."""
    begun_s = readings[0].start_s
    return [((reading.start_s + reading.end_s) / 2 - begun_s, reading.power_w) for reading in readings]


def energy_u95(windows: Sequence[Window]) -> float:
    """Return the relative 95% uncertainty of the energy of a forward."""
    energies_mj = [window.reading.energy_mj / window.forwards for window in windows]
    return relative_u95(energies_mj, [window.reading.rel_u for window in windows])


def relative_u95(values: Sequence[float], resolutions: Sequence[float]) -> float:
    """Return the relative 95% uncertainty of the mean of K windows with relative resolution u.

    sqrt((t(K-1, .975) s / (sqrt(K) mean))^2 + (1.96 u)^2 / K + (1.96 SLOW_REL_SD)^2): the first term is evaluated from
    the windows, the others are known in advance (types A and B of the Guide to the Expression of Uncertainty in
    Measurement, JCGM 100:2008).
    """
    count = len(values)
    standard_error = statistics.stdev(values) / math.sqrt(count) / statistics.fmean(values)
    spread = student_t(count - 1) * standard_error
    resolution = 1.96 * math.sqrt(statistics.fmean(u**2 for u in resolutions) / count)
    return math.hypot(spread, resolution, 1.96 * SLOW_REL_SD)


def drift(values: Sequence[float]) -> tuple[float, float]:
    """Return the change from the first to the last window, and its 95% half-width, both relative to their mean.

    Of a straight line by least squares; with two windows nothing is known of its error, which is infinite then.
    """
    count, mean = len(values), statistics.fmean(values)
    if count < 3:
        return (values[-1] - values[0]) / mean, math.inf
    slope, intercept = statistics.linear_regression(range(count), values)
    residuals = (value - intercept - slope * position for position, value in enumerate(values))
    positions_spread = count * (count**2 - 1) / 12
    standard_error = math.sqrt(sum(residual**2 for residual in residuals) / (count - 2) / positions_spread)
    steps = (count - 1) / mean
    return slope * steps, student_t(count - 2) * standard_error * steps
