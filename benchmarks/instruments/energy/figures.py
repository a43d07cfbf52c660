"""From the metered windows of a case's visits to its energy and the uncertainty of that."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.meters import Reading
from benchmarks.policies import EnergyPolicy
from core.metrics.figures import Figure
from core.statistics.intervals import student_t

#: Error of the sensor itself, the same for all measurements on one board, so it cancels in their ratios as far as it is
#: one of its gain: about 5% on 19 boards (Yang, Adamek and Armour, 2023, arXiv 2312.02741).
SENSOR_REL_ERROR = 0.05


@dataclass(frozen=True)
class MeteredWindow:
    """One window of a case: energy of a sample in mJ, time of a round in ms, gaps as a share, mean power in W.

    `rel_u` is the relative standard uncertainty that the meter's resolution in time leaves.
    """

    energy_mj: float
    loop_ms: float
    gap_share: float
    power_w: float
    window_s: float
    rounds: float
    ticks: int
    rel_u: float


def energy_figures(
    windows: Sequence[MeteredWindow], idle: Sequence[Reading], batch_size: int, tokens_per_forward: float
) -> dict[str, Any]:
    """Return energy per sample, total and above idle, with the uncertainty of their means over the windows.

    Energy per sample is the geometric mean of the windows. `idle` holds the readings of the power with the loop
    stopped; without one there is no net energy.
    """
    energy_mj = statistics.geometric_mean([window.energy_mj for window in windows])
    loop_ms = statistics.geometric_mean([window.loop_ms for window in windows])
    drifted, drift_u95 = energy_drift([window.energy_mj for window in windows])
    return {
        "energy_per_sample_mj": Figure(energy_mj),
        "rel_u95": relative_u95([w.energy_mj for w in windows], [w.rel_u for w in windows]),
        **net_energy(windows, idle, batch_size),
        "mean_power_w": statistics.fmean(window.power_w for window in windows),
        "loop_ms": loop_ms,
        "gap_share": statistics.fmean(window.gap_share for window in windows),
        "windows": len(windows),
        "window_s": sum(window.window_s for window in windows),
        "forwards": sum(window.rounds for window in windows),
        "ticks": sum(window.ticks for window in windows),
        "drift_rel": drifted,
        "drift_u95_rel": drift_u95 if math.isfinite(drift_u95) else None,
        "sensor_rel_error": SENSOR_REL_ERROR,
        "samples_per_joule": 1000 / energy_mj,
        "tokens_per_joule": 1000 / energy_mj * tokens_per_forward / batch_size,
        "energy_delay_product_mj_ms": energy_mj * loop_ms,
    }


def net_energy(windows: Sequence[MeteredWindow], idle: Sequence[Reading], batch_size: int) -> dict[str, Any]:
    """Return the energy of a sample above idle: that of each window less idle power times the time of a sample.

    Null where power is less than three standard deviations above idle. Its 95% interval joins the spread of the windows
    and the change of idle power from before the visits to after them, half of which stands for its error: without both
    there is none.
    """
    if not idle:
        return {"energy_per_sample_net_mj": Figure(None, reason="the idle power could not be read")}
    idle_w = statistics.fmean(reading.power_w for reading in idle)
    idle_error_w = abs(idle[-1].power_w - idle[0].power_w) / 2
    power_w = statistics.fmean(window.power_w for window in windows)
    spread_w = statistics.stdev(window.power_w for window in windows) if len(windows) > 1 else 0.0
    if not power_w - idle_w > 3 * math.hypot(spread_w, idle_error_w):
        reason = f"{power_w:.0f} W is not clearly above the idle power of {idle_w:.0f} W"
        return {"idle_power_w": idle_w, "energy_per_sample_net_mj": Figure(None, reason=reason)}
    net_mj = [window.energy_mj - idle_w * window.loop_ms / batch_size for window in windows]
    centre = statistics.fmean(net_mj)
    if len(windows) < 2 or len(idle) < 2:
        return {"idle_power_w": idle_w, "energy_per_sample_net_mj": Figure(centre)}
    spread_mj = student_t(len(windows) - 1) * statistics.stdev(net_mj) / math.sqrt(len(windows))
    idle_error_mj = 1.96 * idle_error_w * statistics.fmean(window.loop_ms for window in windows) / batch_size
    half_width = math.hypot(spread_mj, idle_error_mj)
    net = Figure(centre, centre - half_width, centre + half_width)
    return {"idle_power_w": idle_w, "energy_per_sample_net_mj": net}


def relative_u95(values: Sequence[float], resolutions: Sequence[float]) -> float | None:
    """Return the relative 95% uncertainty of the mean of K windows with relative resolution u; None for one window.

    sqrt((t(K-1, .975) s / sqrt(K))^2 + (1.96 u)^2 / K), with s the standard deviation of the logarithms: the first term
    is evaluated from the windows, the other is known in advance (types A and B of the Guide to the Expression of
    Uncertainty in Measurement, JCGM 100:2008).
    """
    count = len(values)
    if count < 2:
        return None
    spread = student_t(count - 1) * statistics.stdev(map(math.log, values)) / math.sqrt(count)
    resolution = 1.96 * math.sqrt(statistics.fmean(u**2 for u in resolutions) / count)
    return math.hypot(spread, resolution)


def energy_drift(values: Sequence[float]) -> tuple[float, float]:
    """Return the change from the first to the last window, and its 95% half-width, both relative to their mean.

    Of a straight line by least squares; with one window nothing changes, and of fewer than three nothing is known of
    the error, which is infinite then.
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


def marks(record: Mapping[str, Any], policy: EnergyPolicy) -> list[str]:
    """Return what a reader of the figure has to know: a wide interval, a drift, gaps between the rounds."""
    sentences = []
    if record["rel_u95"] is None:
        sentences.append("one window has no spread, so there is no interval")
    elif record["rel_u95"] > policy.marked_u95:
        sentences.append(f"the visits scatter by ± {record['rel_u95']:.1%} (95%, of their mean)")
    drift_u95 = math.inf if record["drift_u95_rel"] is None else record["drift_u95_rel"]
    if abs(record["drift_rel"]) > max(policy.marked_drift, drift_u95):
        sentences.append(f"energy changed by {record['drift_rel']:+.1%} from the first visit to the last")
    if record["gap_share"] > policy.marked_gap_share:
        sentences.append(f"for {record['gap_share']:.0%} of the time no forward ran, between one round and the next")
    return sentences
