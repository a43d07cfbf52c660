"""What the device itself spends on one forward, from the profiler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile


def kernel_time(forward: Callable[[], object], device: torch.device) -> dict[str, Any]:
    """Profile one forward and return the summed time of its kernels (`kernel_time_ms`) and their number.

    Null with a reason on a CPU, and where the profiler sees no kernel. Memory copies on the device count as kernels.
    """
    if device.type != "cuda":
        return {"kernel_time_ms": None, "kernels": None, "kernel_time_reason": "no CUDA kernels on a CPU"}
    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as profiled:
        forward()
        torch.cuda.synchronize(device)
    durations_us = [event.device_time for event in profiled.events() or [] if event.device_type.name == "CUDA"]
    total_ms = sum(durations_us) / 1000
    if not total_ms > 0:
        return {"kernel_time_ms": None, "kernels": None, "kernel_time_reason": "the profiler saw no kernel (CUPTI)"}
    return {"kernel_time_ms": total_ms, "kernels": len(durations_us), "kernel_time_reason": None}
