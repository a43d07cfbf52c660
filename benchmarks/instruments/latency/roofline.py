"""How far a forward is from what the device can do: its own ceilings, measured in the same session."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.utils.benchmark import Timer

from benchmarks.instruments.latency.flops import count_flops
from benchmarks.instruments.size import parameter_count
from fixtures.dataset.batches import Batch
from fixtures.executions import Forward

#: Side of the square matrices, and bytes copied: large enough to fill the device, small enough for a 2-core CPU.
MATRIX_SIDE = {"cuda": 8192, "cpu": 1024}
COPIED_BYTES = 2**28
TIMED_S = 0.1


def peak_flops(dtype: torch.dtype, device: torch.device) -> float:
    """Return the FLOP/s of one large matrix product of random values in a dtype (zeros would run faster than data)."""
    side = MATRIX_SIDE[device.type]
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / seconds_of("left @ right", left=left, right=right)


def peak_bytes_per_s(device: torch.device) -> float:
    """Return the bytes a second, read plus written, of one large copy on the device."""
    source = torch.randint(0, 255, (COPIED_BYTES,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / seconds_of("target.copy_(source)", target=target, source=source)


def seconds_of(statement: str, **tensors: torch.Tensor) -> float:
    """Return the mean seconds of a statement, repeated for 0.1 s after a first time.

    Not `Timer.blocked_autorange`, which takes two to four times as long, to find out how often to repeat.
    """
    timer = Timer(statement, globals=tensors, num_threads=torch.get_num_threads())
    repeats = max(1, math.ceil(TIMED_S / timer.timeit(1).mean))
    return float(timer.timeit(repeats).mean)


def forward_work(model: torch.nn.Module, eager: Forward, batch: Batch, compute: torch.dtype) -> dict[str, Any]:
    """Return the FLOPs of one forward, and the fewest bytes it must move: each weight read once, logits written once.

    Weights count in the dtype they are computed in, since autocast keeps its casts. `flops` are those of matrix
    products, convolutions and attention (a multiply-add is two), or None with a `flops_reason`.
    """
    logits, flops, reason = count_flops(lambda: eager(batch.input_ids, batch.attention_mask))
    return {
        "flops": flops,
        "flops_reason": reason,
        "bytes": parameter_count(model) * compute.itemsize + logits.numel() * logits.element_size(),
    }


def roofline(work: dict[str, Any], flops_per_s: float, bytes_per_s: float, latency_ms: float) -> dict[str, Any]:
    """Return the least time the work can take on this device, and the share of the latency that it is.

    `roofline_fraction` is limit / latency: 1 is as fast as the device allows. Source: Williams, Waterman and Patterson,
    Roofline (2009): the longer of the arithmetic's and the memory traffic's time. Where the FLOPs could not be counted
    that is null, and `roofline_reason` says why.
    """
    known = {
        "forward_mb": work["bytes"] / 1e6,
        "peak_tflops": flops_per_s / 1e12,
        "peak_gb_per_s": bytes_per_s / 1e9,
    }
    if work["flops"] is None:
        unknown = dict.fromkeys(("roofline_fraction", "limit_ms", "limited_by", "forward_gflop"))
        return {**unknown, "roofline_reason": work["flops_reason"], **known}
    arithmetic_ms, traffic_ms = 1000 * work["flops"] / flops_per_s, 1000 * work["bytes"] / bytes_per_s
    limit_ms = max(arithmetic_ms, traffic_ms)
    return {
        "roofline_fraction": limit_ms / latency_ms,
        "limit_ms": limit_ms,
        "limited_by": "arithmetic" if arithmetic_ms >= traffic_ms else "memory",
        "forward_gflop": work["flops"] / 1e9,
        "roofline_reason": None,
        **known,
    }
