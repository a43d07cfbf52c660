"""Energy per sample of the forward loop, with an error bar, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch

from benchmarks.instruments.energy.figures import energy_u95, figures
from benchmarks.instruments.energy.metered_loop import Window, metered_loop
from benchmarks.instruments.energy.meters import EnergyCounter, InstantPower, Meter, MeterError, choose_meter
from benchmarks.instruments.energy.rapl import Rapl
from benchmarks.instruments.machine.validity import (
    DISQUALIFYING_POLICIES,
    Snapshot,
    other_processes,
    snapshot,
    violation_share,
)
from fixtures.device.nvml import Gpu, NvmlError, open_gpu

IDLE_S = 0.2
CROSS_CHECK_S = 0.8
#: Beyond these a figure is not given, because it would not be repeatable.
FEWEST_TICKS = 20
LARGEST_U95 = 0.05
LARGEST_DRIFT = 0.02
LONGEST_THROTTLING = 0.01
#: Counter and integrated power may differ by this much.
LARGEST_DISPUTE = 0.05
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
        (idle_before,) = meter.measure(IDLE_S, 1)
        windows = metered_loop(meter, meter.window_s, meter.windows, run_one)
        integrated_w, no_check = integrated_power_w(meter, gpu, windows, run_one)
        (idle_after,) = meter.measure(IDLE_S, 1)
        found = figures(windows, (idle_before, idle_after), samples_per_forward, tokens_per_forward)
        found |= {"method": meter.method, "scope": meter.scope, **meter_facts(meter)}
        refuse(found, before, snapshot(device))
        if integrated_w is None:
            return found | {"cross_check_rel": None, "cross_check_reason": no_check}
        return found | cross_check(integrated_w, found["mean_power_w"])
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
    if abs(found["drift_rel"]) > max(LARGEST_DRIFT, found["drift_u95_rel"] or math.inf):
        raise MeterError(
            "DRIFT",
            f"energy per sample changed by {found['drift_rel']:+.1%} (± {found['drift_u95_rel']:.1%}) over the "
            f"windows; expected {LARGEST_DRIFT:.0%} at most. Let the machine settle and run again",
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


def integrated_power_w(
    meter: Meter, gpu: Gpu | None, windows: Sequence[Window], run_one: Callable[[], object]
) -> tuple[float | None, str | None]:
    """Go on with the loop and return its integrated instantaneous power, or None and why there is none.

    What scatters too much for a figure is not checked.
    """
    if gpu is None or not isinstance(meter, EnergyCounter):
        return None, f"{meter.method} has no second meter to compare with"
    if energy_u95(windows) > LARGEST_U95:
        return None, "the windows scatter"
    try:
        second = InstantPower(gpu)
    except NvmlError as error:
        return None, str(error)
    (check,) = metered_loop(second, CROSS_CHECK_S, 1, run_one, lead_in_s=0)
    return check.reading.power_w, None


def cross_check(integrated_w: float, counter_w: float) -> dict[str, Any]:
    """Compare the counter's power with integrated instantaneous power, from a window of its own.

    Where they differ by more than 5% the status is `disputed`.
    """
    difference = integrated_w / counter_w - 1
    checked: dict[str, Any] = {"cross_check_rel": difference, "cross_check_reason": None}
    if abs(difference) > LARGEST_DISPUTE:
        checked |= {"status": "disputed", "reason": f"counter and integrated power differ by {difference:+.1%}"}
    return checked
