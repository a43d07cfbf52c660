"""What a device can do at most: its arithmetic and its memory, measured in the same session."""

from __future__ import annotations

import math

import torch
from torch.utils.benchmark import Timer

from benchmarks.policies import CeilingPolicy


def peak_flops(dtype: torch.dtype, device: torch.device, policy: CeilingPolicy) -> float:
    """Return the FLOP/s of one large matrix product of random values in a dtype (zeros would run faster than data).

    Kernels of 8 bits take the second factor transposed alone, as the weight of a linear layer is.
    """
    side = policy.matrix_side[device.type]
    spread = 40 if dtype == torch.int8 else 1
    left, right = (torch.randn(side, side, device=device).mul_(spread).to(dtype) for _ in range(2))
    one = torch.ones((), device=device)
    statement = {
        torch.int8: "torch._int_mm(left, right.t())",
        torch.float8_e4m3fn: "torch._scaled_mm(left, right.t(), one, one, out_dtype=torch.bfloat16)",
    }.get(dtype, "left @ right")
    return 2 * side**3 / seconds_of(statement, policy.timed_s, left=left, right=right, one=one)


def peak_bytes_per_s(device: torch.device, policy: CeilingPolicy) -> float:
    """Return the bytes a second, read plus written, of one large copy on the device."""
    source = torch.randint(0, 255, (policy.copied_bytes,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / seconds_of("target.copy_(source)", policy.timed_s, target=target, source=source)


def seconds_of(statement: str, timed_s: float, **tensors: torch.Tensor) -> float:
    """Return the mean seconds of a statement, repeated for about `timed_s` after a first time.

    Not `Timer.blocked_autorange`, which takes two to four times as long, to find out how often to repeat.
    """
    timer = Timer(statement, globals=tensors, num_threads=torch.get_num_threads())
    repeats = max(1, math.ceil(timed_s / timer.timeit(1).mean))
    return float(timer.timeit(repeats).mean)
