"""Energy per sample of a loop of forwards with its uncertainty, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch

from benchmarks.instruments.energy.figures import energy_u95, figures
from benchmarks.instruments.energy.metered_loop import Window, metered_loop
from benchmarks.instruments.energy.meters import Meter, MeterError, choose_meter
from benchmarks.instruments.energy.rapl import Rapl
from benchmarks.instruments.machine.readings import (
    DISQUALIFYING_POLICIES,
    Snapshot,
    other_processes,
    snapshot,
    violation_share,
)
from benchmarks.policies import EnergyPolicy
from fixtures.device.nvml import Gpu, NvmlError, open_gpu

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
    run_one: Callable[[], object],
    samples_per_forward: int,
    tokens_per_forward: float,
    device: torch.device,
    policy: EnergyPolicy,
) -> dict[str, Any]:
    """Meter a loop of forwards and return its energy per sample, or null with method, code and reason.

    `tokens_per_forward` is the mean number of text tokens. On a CPU the energy is the whole machine's (RAPL).
    """
    try:
        meter, gpu = (Rapl(), None) if device.type == "cpu" else open_meter(device, policy)
        refuse_partitioned(gpu)
        before = snapshot(device)
        (idle_before,) = meter.measure(policy.idle_s, 1)
        windows = metered_loop(meter, meter.window_s, meter.windows, run_one, policy.lead_in_s, policy.phase_s)
        integrated_w, no_check_reason = integrated_power_w(meter, windows, run_one, policy)
        (idle_after,) = meter.measure(policy.idle_s, 1)
        record = figures(windows, (idle_before, idle_after), samples_per_forward, tokens_per_forward)
        record |= {"method": meter.method, "scope": meter.scope, **meter_facts(meter)}
        record["power_cap_share"] = refuse(record, before, snapshot(device), policy)
        if integrated_w is None:
            return record | {"cross_check_rel": None, "cross_check_reason": no_check_reason}
        return record | cross_check(integrated_w, record["mean_power_w"], policy)
    except (NvmlError, MeterError) as error:
        return unavailable(str(error), error.code)


def unavailable(reason: str, code: str) -> dict[str, Any]:
    """Return the record of an energy that could not be measured: every figure null, never 0."""
    return {"status": "unavailable", "method": "none", "reason": reason, "code": code, **dict.fromkeys(FIGURES)} | {
        "windows": 0
    }


@cache
def open_meter(device: torch.device, policy: EnergyPolicy) -> tuple[Meter, Gpu]:
    """Return the best meter of a GPU, and the GPU; one for the session, so that its ticks are timed once.

    Raises `NvmlError`.
    """
    gpu = open_gpu(device)
    return choose_meter(gpu, policy), gpu


def refuse_partitioned(gpu: Gpu | None) -> None:
    """Raise `MeterError` where the board's energy is not this GPU's alone (MIG)."""
    if gpu is not None and gpu.is_partitioned():
        raise MeterError("MIG", "the GPU is partitioned (MIG); its meter shows the energy of all partitions together")


def refuse(record: dict[str, Any], before: Snapshot, after: Snapshot, policy: EnergyPolicy) -> float | None:
    """Raise `MeterError` where figures are not to be trusted; return the share of power capping otherwise."""
    elapsed_s = after.time_s - before.time_s
    others = other_processes(after) or other_processes(before)
    if others:
        raise MeterError(
            "OTHER_PROCESS", f"{others} other process(es) compute on this GPU and use its energy; stop them"
        )
    for name in DISQUALIFYING_POLICIES:
        share = violation_share(before, after, f"{name}_ns", elapsed_s)
        if share is not None and share > policy.longest_throttling:
            raise MeterError(
                "THROTTLED", f"clocks were held down by {name} for {share:.1%} of the windows; cool the GPU"
            )
    if record["ticks"] < policy.fewest_ticks:
        raise MeterError(
            "TOO_FEW_TICKS", f"the meter ticked {record['ticks']} times in all windows; expected {policy.fewest_ticks}"
        )
    if abs(record["drift_rel"]) > max(policy.largest_drift, record["drift_u95_rel"] or math.inf):
        raise MeterError(
            "DRIFT",
            f"energy per sample changed by {record['drift_rel']:+.1%} (± {record['drift_u95_rel']:.1%}) over the "
            f"windows; expected {policy.largest_drift:.0%} at most. Let the machine settle and run again",
        )
    if record["rel_u95"] > policy.largest_u95:
        raise MeterError(
            "TOO_UNCERTAIN",
            f"the windows scatter: {record['energy_per_sample_mj']:.0f} mJ ± {record['rel_u95']:.1%}; expected within "
            f"{policy.largest_u95:.0%}. Quiet the machine, or quote the graph execution",
        )
    return violation_share(before, after, "POWER_ns", elapsed_s)


def meter_facts(meter: Meter) -> dict[str, float | None]:
    """Return the tick period and the cost of a read that the meter has on this device."""
    return {
        "tick_period_ms": None if meter.tick_period_s is None else 1000 * meter.tick_period_s,
        "read_cost_ms": None if meter.read_cost_s is None else 1000 * meter.read_cost_s,
    }


def integrated_power_w(
    meter: Meter, windows: Sequence[Window], run_one: Callable[[], object], policy: EnergyPolicy
) -> tuple[float | None, str | None]:
    """Go on with the loop and return the power that a second meter reads, or None and why there is none.

    A figure that scatters too much to be given is not checked.
    """
    if energy_u95(windows) > policy.largest_u95:
        return None, "the windows scatter"
    try:
        second = meter.second_meter()
    except NvmlError as error:
        return None, str(error)
    if second is None:
        return None, f"{meter.method} has no second meter to compare with"
    (check,) = metered_loop(second, policy.cross_check_s, 1, run_one, lead_in_s=0, phase_s=policy.phase_s)
    return check.reading.power_w, None


def cross_check(integrated_w: float, counter_w: float, policy: EnergyPolicy) -> dict[str, Any]:
    """Compare the counter's power with integrated instantaneous power, from a window of its own.

    Where they differ by more than the policy allows the status is `disputed`.
    """
    difference = integrated_w / counter_w - 1
    checked: dict[str, Any] = {"cross_check_rel": difference, "cross_check_reason": None}
    if abs(difference) > policy.largest_dispute:
        checked |= {"status": "disputed", "reason": f"counter and integrated power differ by {difference:+.1%}"}
    return checked
