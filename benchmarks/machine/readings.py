"""The state of machine and GPU at one moment, and what two moments say of the time between them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch

from benchmarks.tracing import tracers_left_on
from fixtures.device.nvml import Gpu, NvmlError, open_gpu

#: NVML's answer where a platform does not have a reading at all.
NOT_SUPPORTED = "NVML_ERROR_NOT_SUPPORTED"
#: Policies whose violation counters are kept. POWER is normal on a board that runs at its limit; the others are not.
VIOLATION_POLICIES = ("POWER", "THERMAL", "BOARD_LIMIT", "RELIABILITY")
DISQUALIFYING_POLICIES = ("THERMAL", "BOARD_LIMIT", "RELIABILITY")


@dataclass(frozen=True)
class Snapshot:
    """The state of machine and GPU at one moment. `gpu` maps a reading's name to its value, or to None.

    CPU times are seconds since the machine (of all cores) or this process began. `unknown` says of a reading why it
    failed, `unreadable` that this platform does not have it.
    """

    time_s: float
    busy_cpu_s: float
    own_cpu_s: float
    #: Taken from this virtual machine by others on its host, and waited for a core by programs of its own.
    stolen_cpu_s: float | None
    pressure_s: float | None
    gpu: dict[str, Any]
    unknown: dict[str, str]
    unreadable: dict[str, str]
    #: Names of what traces or profiles this process and is not switched off while rounds run.
    tracers: tuple[str, ...] = ()


def snapshot(device: torch.device) -> Snapshot:
    """Read everything once. A reading that NVML refuses is None, with NVML's own reason; a CPU has none to read."""
    cpu, own = psutil.cpu_times(), psutil.Process().cpu_times()
    readings: dict[str, Any] = {}
    unknown: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    if device.type == "cuda":
        try:
            gpu = open_gpu(device)
        except NvmlError as error:
            unknown["gpu"] = str(error)
        else:
            readings, unknown, unreadable = read_gpu(gpu)
    return Snapshot(
        time_s=time.perf_counter(),
        busy_cpu_s=cpu.user + cpu.system,
        own_cpu_s=own.user + own.system,
        stolen_cpu_s=getattr(cpu, "steal", None),
        pressure_s=cpu_pressure_s(),
        gpu=readings,
        unknown=unknown,
        unreadable=unreadable,
        tracers=tracers_left_on(),
    )


def cpu_pressure_s(path: Path = Path("/proc/pressure/cpu")) -> float | None:
    """Return for how many seconds some program has waited for a core since the machine began, or None if not counted.

    Source: Linux, Documentation/accounting/psi.rst: `total` is in microseconds.
    """
    try:
        first = path.read_text(encoding="ascii").splitlines()[0]
    except (OSError, IndexError):
        return None
    fields = dict(part.split("=") for part in first.split()[1:])
    return int(fields["total"]) / 1e6


def read_gpu(gpu: Gpu) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
    """Return what NVML says of a GPU by name, why readings failed, and which this GPU does not have."""
    readers: dict[str, Callable[[], Any]] = {
        "sm_clock_mhz": gpu.sm_clock_mhz,
        "temperature_c": gpu.temperature_c,
        "power_limit_w": gpu.power_limit_w,
        "throttle_reasons": gpu.throttle_reasons,
        "compute_pids": gpu.compute_pids,
        **{f"{policy}_ns": partial(gpu.violation_ns, policy) for policy in VIOLATION_POLICIES},
    }
    readings: dict[str, Any] = {}
    unknown: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    for name, reader in readers.items():
        try:
            readings[name] = reader()
        except NvmlError as error:
            readings[name] = None
            (unreadable if error.code == NOT_SUPPORTED else unknown)[name] = str(error)
    return readings, unknown, unreadable


def while_running(device: torch.device) -> dict[str, Any]:
    """Return SM clock in MHz, temperature in C and power in W at this moment; None where NVML does not say."""
    if device.type != "cuda":
        return {}
    values: dict[str, Any] = {}
    try:
        gpu = open_gpu(device)
    except NvmlError:
        return {}
    for name in ("sm_clock_mhz", "temperature_c", "instant_power_w"):
        try:
            values[name] = getattr(gpu, name)()
        except NvmlError:
            values[name] = None  # the snapshot before the visit says why
    return values


def violation_share(before: Snapshot, after: Snapshot, name: str) -> float | None:
    """Return the share of the time between two snapshots that a policy held the clocks down, or None if not known."""
    elapsed_s = after.time_s - before.time_s
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


def others_load(before: Snapshot, after: Snapshot) -> float:
    """Return the share of all cores that other programs used between two snapshots."""
    others_s = (after.busy_cpu_s - before.busy_cpu_s) - (after.own_cpu_s - before.own_cpu_s)
    return max(0.0, others_s) / max(after.time_s - before.time_s, 1e-9) / (os.cpu_count() or 1)


def steal_share(before: Snapshot, after: Snapshot) -> float | None:
    """Return the share of all cores that the host gave to others between two snapshots, or None if not counted."""
    if before.stolen_cpu_s is None or after.stolen_cpu_s is None:
        return None
    stolen_s = after.stolen_cpu_s - before.stolen_cpu_s
    share = stolen_s / max(after.time_s - before.time_s, 1e-9) / (os.cpu_count() or 1)
    return min(max(0.0, share), 1.0)  # counted in ticks of 10 ms, which may come to more than the time between


def pressure_share(before: Snapshot, after: Snapshot) -> float | None:
    """Return the share of the time in which some program waited for a core, or None if not counted."""
    if before.pressure_s is None or after.pressure_s is None:
        return None
    return max(0.0, after.pressure_s - before.pressure_s) / max(after.time_s - before.time_s, 1e-9)
