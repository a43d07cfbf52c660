"""What forbids to believe a meter, and the check of one meter by another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.machine.readings import (
    DISQUALIFYING_POLICIES,
    Snapshot,
    other_processes,
    violation_share,
)
from benchmarks.meters import Meter, MeterError, Reading
from benchmarks.policies import EnergyPolicy
from core.metrics.figures import Figure
from fixtures.device.nvml import NvmlError


def require_undisturbed(before: Snapshot, after: Snapshot, policy: EnergyPolicy) -> None:
    """Raise `MeterError` where another process computed on the GPU during a window, or something slowed it down."""
    others = other_processes(after) or other_processes(before)
    if others:
        raise MeterError(
            "OTHER_PROCESS", f"{others} other process(es) compute on this GPU and use its energy; stop them"
        )
    for name in DISQUALIFYING_POLICIES:
        share = violation_share(before, after, f"{name}_ns")
        if share is not None and share > policy.longest_throttling:
            raise MeterError(
                "THROTTLED", f"clocks were held down by {name} for {share:.1%} of the window; cool the GPU"
            )


def refuse(record: dict[str, Any], policy: EnergyPolicy) -> None:
    """Raise `MeterError` where the windows together say nothing."""
    if record["ticks"] < policy.fewest_ticks:
        raise MeterError(
            "TOO_FEW_TICKS", f"the meter ticked {record['ticks']} times in all windows; expected {policy.fewest_ticks}"
        )
    if record["rel_u95"] is not None and record["rel_u95"] > policy.largest_u95:
        raise MeterError(
            "TOO_UNCERTAIN",
            f"the visits scatter: {record['energy_per_sample_mj'].value:.0f} mJ ± {record['rel_u95']:.0%}; expected "
            f"within {policy.largest_u95:.0%}. Quiet the machine, or quote the graph execution",
        )


def meter_facts(meter: Meter) -> dict[str, Any]:
    """Return what the meter is, its tick period and the cost of a read that it has on this device."""
    return {
        "method": meter.method,
        "scope": meter.scope,
        "tick_period_ms": None if meter.tick_period_s is None else 1000 * meter.tick_period_s,
        "read_cost_ms": None if meter.read_cost_s is None else 1000 * meter.read_cost_s,
    }


def cross_check(meter: Meter, policy: EnergyPolicy) -> Figure[float]:
    """Return by how much a second meter reads more of the same loop, relative, in the same time.

    Null with a reason where there is none. It finds mistakes of software: on a GPU both meters are registers of one
    sensor. Blocks, beside a loop.
    """
    try:
        second = meter.second_meter()
        if second is None:
            return Figure(None, reason=f"{meter.method} has no second meter to compare with")
        with ThreadPoolExecutor(1) as beside:
            in_same_time = beside.submit(second.measure, policy.cross_check_s)
            first_w = meter.measure(policy.cross_check_s).power_w
            second_w = in_same_time.result().power_w
    except (NvmlError, MeterError) as error:
        return Figure(None, reason=str(error))
    return Figure(second_w / first_w - 1)


def idle_power(meter: Meter, policy: EnergyPolicy) -> Reading | None:
    """Return a reading of a device whose loop stands still, or None where the meter fails: a visit will say why."""
    try:
        return meter.measure(policy.idle_s)
    except (NvmlError, MeterError):
        return None
