"""Whether the machine let a measurement be one: clocks, heat, power, neighbours, before and after."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import psutil
import torch

from fixtures.device.nvml import Gpu, NvmlError, open_gpu

#: Policies whose violation counters are kept. POWER is normal on a board that runs at its limit; the others are not.
POLICIES = ("POWER", "THERMAL", "BOARD_LIMIT", "RELIABILITY")
DISQUALIFYING_POLICIES = ("THERMAL", "BOARD_LIMIT", "RELIABILITY")
#: Longer than this share of the measurement, a violation is a reason not to trust it.
LONGEST_VIOLATION = 0.01
#: The SM clock may differ by this much between the beginning and the end.
CLOCK_CHANGE = 0.05
#: Share of the machine's cores that others may use meanwhile.
OTHERS_LOAD = 0.25


@dataclass(frozen=True)
class Snapshot:
    """The state of machine and GPU at one moment. `gpu` maps a reading's name to its value, or to None."""

    time_s: float
    busy_cpu_s: float
    own_cpu_s: float
    gpu: dict[str, Any]
    unknown: dict[str, str]


def snapshot(device: torch.device) -> Snapshot:
    """Read everything once. A reading that NVML refuses is None, with NVML's own reason under `unknown`."""
    cpu, own = psutil.cpu_times(), psutil.Process().cpu_times()
    readings: dict[str, Any] = {}
    unknown: dict[str, str] = {}
    try:
        gpu = open_gpu(device)
    except NvmlError as error:
        unknown["gpu"] = str(error)
    else:
        readings, unknown = read_gpu(gpu)
    return Snapshot(
        time_s=time.perf_counter(),
        busy_cpu_s=cpu.user + cpu.system,
        own_cpu_s=own.user + own.system,
        gpu=readings,
        unknown=unknown,
    )


def read_gpu(gpu: Gpu) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what NVML says of a GPU by name, and why it does not say the rest."""
    readers: dict[str, Callable[[], Any]] = {
        "sm_clock_mhz": gpu.sm_clock_mhz,
        "temperature_c": gpu.temperature_c,
        "power_limit_w": gpu.power_limit_w,
        "throttle_reasons": gpu.throttle_reasons,
        "compute_pids": gpu.compute_pids,
        **{f"{policy}_ns": partial(gpu.violation_ns, policy) for policy in POLICIES},
    }
    readings: dict[str, Any] = {}
    unknown: dict[str, str] = {}
    for name, reader in readers.items():
        try:
            readings[name] = reader()
        except NvmlError as error:
            readings[name], unknown[name] = None, str(error)
    return readings, unknown


def sm_clock_mhz(device: torch.device) -> int | None:
    """Return the SM clock, or None where it cannot be read."""
    try:
        return open_gpu(device).sm_clock_mhz()
    except NvmlError:
        return None  # the snapshots say why


def validity(before: Snapshot, after: Snapshot, emulated: str | None) -> dict[str, Any]:
    """Judge a measurement by the machine's state before and after it.

    `valid` is True, False, or None (`status` "unknown") where nothing speaks against it but not everything could be
    read. `emulated` is why the precision is not native, or None.
    """
    elapsed_s = after.time_s - before.time_s
    violations = {policy: violation_share(before, after, f"{policy}_ns", elapsed_s) for policy in POLICIES}
    others = other_processes(after)
    load = others_load(before, after, elapsed_s)
    reasons = [
        *([emulated] if emulated else []),
        *(
            f"clocks were held down by {policy} for {share:.1%} of the time (expected below {LONGEST_VIOLATION:.0%}): "
            "cool the GPU or raise its limit"
            for policy, share in violations.items()
            if policy in DISQUALIFYING_POLICIES and share is not None and share > LONGEST_VIOLATION
        ),
        *clock_reasons(before.gpu.get("sm_clock_mhz"), after.gpu.get("sm_clock_mhz")),
        *([f"{others} other process(es) compute on this GPU: stop them (nvidia-smi lists them)"] if others else []),
        *([f"other programs keep {load:.0%} of the CPU busy: stop them"] if load > OTHERS_LOAD else []),
    ]
    unknown = {**before.unknown, **after.unknown}
    valid = False if reasons else None if unknown else True
    return {
        "valid": valid,
        "status": {True: "valid", False: "invalid", None: "unknown"}[valid],
        "reasons": reasons,
        "unknown": unknown,
        "native": emulated is None,
        "throttle": {"violation_share": violations, "reasons_after": after.gpu.get("throttle_reasons")},
        "sm_clock_mhz": after.gpu.get("sm_clock_mhz"),
        "sm_clock_before_mhz": before.gpu.get("sm_clock_mhz"),
        "temperature_c": after.gpu.get("temperature_c"),
        "temperature_before_c": before.gpu.get("temperature_c"),
        "power_limit_w": after.gpu.get("power_limit_w"),
        "other_processes": others,
        "other_cpu_load": load,
    }


def invalidate(judged: dict[str, Any], reason: str) -> None:
    """Add a reason not to trust a measurement to what `validity` returned."""
    judged["reasons"].append(reason)
    judged.update(valid=False, status="invalid")


def violation_share(before: Snapshot, after: Snapshot, name: str, elapsed_s: float) -> float | None:
    """Return the share of the time between two snapshots that a policy held the clocks down, or None if not known."""
    start, end = before.gpu.get(name), after.gpu.get(name)
    return None if start is None or end is None or elapsed_s <= 0 else (end - start) / 1e9 / elapsed_s


def clock_reasons(before_mhz: int | None, after_mhz: int | None) -> list[str]:
    """Return a reason where the SM clock fell; that it rises from idle, the warm-up takes care of."""
    if before_mhz is None or after_mhz is None or after_mhz >= before_mhz * (1 - CLOCK_CHANGE):
        return []
    return [f"the SM clock fell from {before_mhz} to {after_mhz} MHz: cool the GPU or raise its power limit"]


def other_processes(state: Snapshot) -> int | None:
    """Return how many processes but this one compute on the GPU, or None if not known.

    In a container this process may be listed under a number of another namespace; one that is not listed by its own is
    taken to be among the rest.
    """
    pids = state.gpu.get("compute_pids")
    if pids is None:
        return None
    return len(pids) - 1 if pids and os.getpid() not in pids else len([pid for pid in pids if pid != os.getpid()])


def others_load(before: Snapshot, after: Snapshot, elapsed_s: float) -> float:
    """Return the share of all cores that other programs used between two snapshots."""
    others_s = (after.busy_cpu_s - before.busy_cpu_s) - (after.own_cpu_s - before.own_cpu_s)
    return max(0.0, others_s) / max(elapsed_s, 1e-9) / (os.cpu_count() or 1)
