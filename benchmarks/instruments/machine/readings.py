"""The state of machine and GPU at one moment, and what two moments say of the time between them."""

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


def violation_share(before: Snapshot, after: Snapshot, name: str, elapsed_s: float) -> float | None:
    """Return the share of the time between two snapshots that a policy held the clocks down, or None if not known."""
    start, end = before.gpu.get(name), after.gpu.get(name)
    return None if start is None or end is None or elapsed_s <= 0 else (end - start) / 1e9 / elapsed_s


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
