"""Energy per sample of the forward loop, with an error bar, or the reason why there is none."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from scipy.stats import t as student

from benchmarks.measure.metered_loop import Window, metered_loop
from benchmarks.measure.meters import EnergyCounter, InstantPower, Meter, MeterError, Reading, choose_meter
from benchmarks.measure.nvml import Gpu, NvmlError, open_gpu
from benchmarks.measure.rapl import Rapl
from benchmarks.measure.validity import DISQUALIFYING_POLICIES, Snapshot, other_processes, snapshot, violation_share

IDLE_S = 0.3
CROSS_CHECK_S = 1.2
#: Beyond these a figure is not given, because it would not be repeatable.
FEWEST_TICKS = 20
LARGEST_U95 = 0.05
LARGEST_DRIFT = 0.02
LONGEST_THROTTLING = 0.01
#: Counter and integrated power may differ by this much.
LARGEST_DISPUTE = 0.05
#: Error of the sensor itself, the same for all measurements on one board, so it cancels in their ratios: about 5% on 19
#: boards (Yang, Adamek and Armour, 2023, arXiv 2312.02741).
SENSOR_REL_ERROR = 0.05

FIGURES = (
    "energy_per_sample_mj",
    "energy_per_sample_net_mj",
    "mean_power_w",
    "idle_power_w",
    "idle_power_before_w",
    "idle_power_after_w",
    "window_s",
    "rel_u95",
    "samples_per_joule",
    "tokens_per_joule",
    "energy_delay_product_mj_ms",
    "tick_period_ms",
    "read_cost_ms",
    "cross_check_rel",
)


def measure_energy(
    run_one: Callable[[], object], samples_per_forward: int, tokens_per_forward: float, device: torch.device
) -> dict[str, Any]:
    """Meter the loop and return its energy per sample, or null with method, code and reason.

    `tokens_per_forward` is the mean number of text tokens. On a CPU the energy is the whole machine's (RAPL).
    """
    try:
        meter, gpu = (Rapl(), None) if device.type == "cpu" else open_meter(device)
        refuse_shared(gpu)
        before = snapshot(device)
        idle_before = meter.measure(IDLE_S)
        second, no_second = second_meter(meter, gpu)
        jobs = [(meter, meter.window_s)] * meter.windows + ([(second, CROSS_CHECK_S)] if second else [])
        windows = metered_loop(jobs, run_one)
        idle_after = meter.measure(IDLE_S)
        found = figures(windows[: meter.windows], (idle_before, idle_after), samples_per_forward, tokens_per_forward)
        found |= {"method": meter.method, "scope": meter.scope, **meter_facts(meter)}
        refuse(found, before, snapshot(device))
        if second is None:
            return found | {"cross_check_rel": None, "cross_check_reason": no_second}
        return found | cross_check(windows[-1].reading.power_w, found["mean_power_w"])
    except (NvmlError, MeterError) as error:
        return unavailable(str(error), error.code)


def unavailable(reason: str, code: str) -> dict[str, Any]:
    """Return the record of an energy that could not be measured: every figure null, never 0."""
    return {"status": "unavailable", "method": "none", "reason": reason, "code": code, **dict.fromkeys(FIGURES)} | {
        "windows": 0
    }


@cache
def open_meter(device: torch.device) -> tuple[Meter, Gpu]:
    """Return the best meter of a GPU, and the GPU; one for the session, so that its ticks are timed once.

    Raises `NvmlError`.
    """
    gpu = open_gpu(device)
    return choose_meter(gpu), gpu


def refuse_shared(gpu: Gpu | None) -> None:
    """Raise `MeterError` where the board's energy is not this GPU's alone (MIG)."""
    if gpu is not None and gpu.is_partitioned():
        raise MeterError("MIG", "the GPU is partitioned (MIG); its meter shows the energy of all partitions together")


def figures(
    windows: Sequence[Window], idle: tuple[Reading, Reading], samples_per_forward: int, tokens_per_forward: float
) -> dict[str, Any]:
    """Return energy per sample, total and above idle, with its uncertainty.

    Energy per sample is the mean over windows of energy / forwards / samples. Its relative 95% uncertainty joins the
    spread of the windows (Student's t) and the meter's resolution in time.
    """
    per_sample_mj = [window.reading.energy_mj / window.forwards / samples_per_forward for window in windows]
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
        "rel_u95": relative_u95(per_sample_mj, [window.reading.rel_u for window in windows]),
        "drift_rel": drift(per_sample_mj),
        "sensor_rel_error": SENSOR_REL_ERROR,
        "samples_per_joule": 1000 / energy_mj,
        "tokens_per_joule": 1000 / energy_mj * tokens_per_forward / samples_per_forward,
        "energy_delay_product_mj_ms": energy_mj * 1000 * total_s / samples,
    }


def relative_u95(values: Sequence[float], resolutions: Sequence[float]) -> float:
    """Return sqrt((t(K-1, .975) s / (sqrt(K) mean))^2 + (1.96 u)^2 / K) for K windows with relative resolution u."""
    count = len(values)
    standard_error = statistics.stdev(values) / math.sqrt(count) / statistics.fmean(values)
    spread = float(student.ppf(0.975, count - 1)) * standard_error
    resolution = 1.96 * math.sqrt(statistics.fmean(u**2 for u in resolutions) / count)
    return math.hypot(spread, resolution)


def drift(values: Sequence[float]) -> float:
    """Return the change from the first to the last window, relative to their mean, of a straight line through them."""
    slope = statistics.linear_regression(range(len(values)), values).slope
    return slope * (len(values) - 1) / statistics.fmean(values)


def refuse(found: dict[str, Any], before: Snapshot, after: Snapshot) -> None:
    """Raise `MeterError` where the figures found are not to be trusted; add the share of power capping otherwise."""
    elapsed_s = after.time_s - before.time_s
    shares = {policy: violation_share(before, after, f"{policy}_ns", elapsed_s) for policy in DISQUALIFYING_POLICIES}
    held = {policy: share for policy, share in shares.items() if share is not None and share > LONGEST_THROTTLING}
    others = other_processes(after) or other_processes(before)
    if others:
        raise MeterError(
            "OTHER_PROCESS", f"{others} other process(es) compute on this GPU and use its energy; stop them"
        )
    if held:
        policy, share = next(iter(held.items()))
        raise MeterError("THROTTLED", f"clocks were held down by {policy} for {share:.1%} of the windows; cool the GPU")
    if found["ticks"] < FEWEST_TICKS:
        raise MeterError(
            "TOO_FEW_TICKS", f"the meter ticked {found['ticks']} times in all windows; expected {FEWEST_TICKS}"
        )
    if abs(found["drift_rel"]) > LARGEST_DRIFT and abs(found["drift_rel"]) > found["rel_u95"]:
        raise MeterError(
            "DRIFT",
            f"energy per sample changed by {found['drift_rel']:+.1%} over the windows; expected {LARGEST_DRIFT:.0%} at "
            "most. Let the machine settle and run again",
        )
    if found["rel_u95"] > LARGEST_U95:
        raise MeterError(
            "TOO_UNCERTAIN",
            f"the windows scatter: {found['energy_per_sample_mj']:.0f} mJ ± {found['rel_u95']:.1%}; expected within "
            f"{LARGEST_U95:.0%}. Quiet the machine, or quote the graph execution",
        )
    found["power_cap_share"] = violation_share(before, after, "POWER_ns", elapsed_s)


def meter_facts(meter: Meter) -> dict[str, float | None]:
    """Return the tick period and the cost of a read that the meter was found to have on this device."""
    return {
        "tick_period_ms": None if meter.tick_period_s is None else 1000 * meter.tick_period_s,
        "read_cost_ms": None if meter.read_cost_s is None else 1000 * meter.read_cost_s,
    }


def second_meter(meter: Meter, gpu: Gpu | None) -> tuple[InstantPower | None, str | None]:
    """Return the meter to compare the energy counter with, or None and why there is none."""
    if gpu is None or not isinstance(meter, EnergyCounter):
        return None, f"{meter.method} has no second meter to compare with"
    try:
        return InstantPower(gpu), None
    except NvmlError as error:
        return None, str(error)


def cross_check(integrated_w: float, counter_w: float) -> dict[str, Any]:
    """Compare the counter's power with integrated instantaneous power, from a window of its own.

    Where they differ by more than 5% the status is `disputed`.
    """
    difference = integrated_w / counter_w - 1
    checked: dict[str, Any] = {"cross_check_rel": difference, "cross_check_reason": None}
    if abs(difference) > LARGEST_DISPUTE:
        checked |= {"status": "disputed", "reason": f"counter and integrated power differ by {difference:+.1%}"}
    return checked
