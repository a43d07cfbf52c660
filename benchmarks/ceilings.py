"""What a device can do at most: its arithmetic and its memory, measured in the same session."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch.utils.benchmark import Timer

from benchmarks.policies import CeilingPolicy
from fixtures.precisions import Precision


def product_format(precision: Precision) -> tuple[torch.dtype, str]:
    """Return the dtype of most products of a precision, and how those of FP32 are computed.

    The output layer of a quantized model is counted as if it were in the format of its other layers too.
    """
    compute = precision.weights if precision.products and precision.weights else precision.compute
    return compute, precision.float32_products


def product_of(dtype: torch.dtype, device: torch.device, side: int) -> Callable[[], torch.Tensor]:
    """Return what multiplies two square matrices of random values in a dtype (zeros would run faster than data).

    Kernels of 8 bits take the second factor transposed alone, as the weight of a linear layer is.
    """
    spread = 40 if dtype == torch.int8 else 1
    left, right = (torch.randn(side, side, device=device).mul_(spread).to(dtype) for _ in range(2))
    one = torch.ones((), device=device)
    if dtype == torch.int8:
        return lambda: torch._int_mm(left, right.t())
    if dtype == torch.float8_e4m3fn:
        return lambda: torch._scaled_mm(left, right.t(), one, one, out_dtype=torch.bfloat16)
    return lambda: left @ right


def peak_flops(dtype: torch.dtype, device: torch.device, policy: CeilingPolicy) -> float:
    """Return the FLOP/s of one large matrix product in a dtype."""
    side = policy.matrix_side[device.type]
    return 2 * side**3 / seconds_of(product_of(dtype, device, side), policy.timed_s)


def peak_bytes_per_s(device: torch.device, policy: CeilingPolicy) -> float:
    """Return the bytes a second, read plus written, of one large copy on the device.

    It is launched in a stream: a copy of 1 GiB or more that is captured in a CUDA graph runs at 2.8 instead of 4.3 TB/s
    on an H200.
    """
    source = torch.randint(0, 255, (policy.copied_bytes,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / seconds_of(lambda: target.copy_(source), policy.timed_s)


def seconds_of(run: Callable[[], object], timed_s: float) -> float:
    """Return the mean seconds of a call, repeated for about `timed_s` after a first time, once at least.

    Not `Timer.blocked_autorange`, which takes two to four times as long, to find out how often to repeat.
    """
    timer = Timer("run()", globals={"run": run}, num_threads=torch.get_num_threads())
    repeats = max(1, math.ceil(timed_s / timer.timeit(1).mean))
    return float(timer.timeit(repeats).mean)
