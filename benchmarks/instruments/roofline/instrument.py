"""How far a forward is from what the device can do: its own ceilings, measured in the same session."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from benchmarks.ceilings import peak_bytes_per_s, peak_flops, product_format
from benchmarks.instruments.base import AfterLastVisit, AfterVisits
from benchmarks.instruments.roofline.flops import count_flops
from benchmarks.kernels import Kernels
from benchmarks.measured_case import MeasuredCase
from benchmarks.policies import Policies
from core.metrics.figures import Figure, Reason
from core.metrics.ranges import NOT_NEGATIVE
from core.metrics.records import Record, metric
from fixtures.dataset.batches import Batch
from fixtures.executions import Forward
from fixtures.precisions.storage import stored_tensors


@dataclass(frozen=True, kw_only=True)
class RooflineRecord(Record):
    """Further figures of latency: what the device itself spends on a forward, and the least that it could."""

    section: ClassVar[str] = "latency"
    kernel_time_ms: Figure[float] = metric(
        "ms",
        "lower",
        "summed time of the kernels of one forward, weighted like the median",
        within=NOT_NEGATIVE,
        reason=Reason("kernel_time_reason", after="padded_kernels"),
        place=420,
    )
    kernels: int | None = metric("", None, "kernels of one forward of the more frequent variant", within=NOT_NEGATIVE)
    full_kernel_time_ms: float | None
    padded_kernel_time_ms: float | None
    full_kernels: int | None
    padded_kernels: int | None
    roofline_fraction: Figure[float] = metric(
        "", "higher", "the device's own limit over the latency", within=NOT_NEGATIVE, reason=Reason("roofline_reason")
    )
    limit_ms: float | None = metric(
        "ms", None, "shortest time in which the device could do the work", within=NOT_NEGATIVE
    )
    limited_by: str | None
    forward_gflop: float | None
    forward_mb: float
    peak_tflops: float
    peak_gb_per_s: float


class Roofline(AfterVisits):
    """Profiles forwards of each variant, and compares the latency with the device's ceilings.

    The ceilings are measured once in a session, that of arithmetic once for each dtype.
    """

    name = "roofline"
    description = "time of the kernels, and the latency against the device's own limits"
    record = RooflineRecord

    def __init__(self, policies: Policies) -> None:
        super().__init__(policies)
        self._peak_flops: dict[tuple[torch.dtype, str], float] = {}
        self._peak_bytes_per_s: float | None = None

    def measure(self, case: MeasuredCase, after: AfterLastVisit) -> Record:
        """Return kernel time, and the distance from the limit."""
        device, policy, precision = case.settings.device, self.policies.ceilings, case.precision
        key = product_format(precision)
        with case.phase("limits"):
            # First: after the large products of a ceiling the clock is lower for a while.
            kernels = kernel_figures(case, after)
            if key not in self._peak_flops:
                self._peak_flops[key] = peak_flops(key[0], device, policy)
            if self._peak_bytes_per_s is None:
                self._peak_bytes_per_s = peak_bytes_per_s(device, policy)
            work = forward_work(case.model, case.eager, case.data.batches[0], precision.autocast)
            latency_ms = statistics.geometric_mean(visit.latency.median_ms for visit in case.done)
            limits = roofline(work, self._peak_flops[key], self._peak_bytes_per_s, latency_ms)
            return RooflineRecord(**kernels, **limits)


def kernel_figures(case: MeasuredCase, after: AfterLastVisit) -> dict[str, Any]:
    """Return time and number of the kernels of a forward by variant; null with a reason on a CPU and without CUPTI."""
    figures: dict[str, Any] = dict.fromkeys(
        ("kernels", "full_kernel_time_ms", "padded_kernel_time_ms", "full_kernels", "padded_kernels")
    )
    if case.settings.device.type != "cuda":
        return {**figures, "kernel_time_ms": Figure(None, reason="no CUDA kernels on a CPU")}
    by_variant: dict[str, Kernels] = {}
    for example in case.data.examples:
        kernels = after.kernels(example)
        if kernels is None:
            return {**figures, "kernel_time_ms": Figure(None, reason="the profiler saw no kernel (CUPTI)")}
        by_variant[example.variant] = kernels
        figures[f"{example.variant}_kernel_time_ms"] = kernels.time_ms
        figures[f"{example.variant}_kernels"] = kernels.count
    shares = case.data.variant_shares
    kernel_time_ms = sum(shares[variant] * kernels.time_ms for variant, kernels in by_variant.items())
    figures["kernels"] = by_variant[max(shares, key=lambda variant: shares[variant])].count
    return {**figures, "kernel_time_ms": Figure(kernel_time_ms)}


def forward_work(model: torch.nn.Module, eager: Forward, batch: Batch, autocast: torch.dtype | None) -> dict[str, Any]:
    """Return the FLOPs of one forward, and the fewest bytes it must move: each weight read once, logits written once.

    A key-value cache is read once too.

    Weights count as they are stored, and under `autocast` in its dtype, since autocast keeps its casts. `flops` are
    those of matrix products, convolutions and attention (a multiply-add is two), or None with a `flops_reason`.
    """
    logits, flops, reason = count_flops(lambda: eager(batch))
    return {
        "flops": flops,
        "flops_reason": reason,
        "bytes": weight_bytes(model, autocast) + eager.state_bytes + logits.numel() * logits.element_size(),
    }


def weight_bytes(model: torch.nn.Module, autocast: torch.dtype | None) -> int:
    """Return the bytes of all parameters as a forward reads them, tied ones once.

    A quantized parameter is read as it is stored.
    """
    names = {name for name, _ in model.named_parameters()}
    total = 0
    for stored in stored_tensors(model):
        if stored.name not in names:
            continue  # a buffer
        is_cast = autocast is not None and stored.is_whole and stored.tensor.is_floating_point()
        total += stored.tensor.numel() * autocast.itemsize if autocast and is_cast else stored.nbytes
    return total


def roofline(work: dict[str, Any], flops_per_s: float, bytes_per_s: float, latency_ms: float) -> dict[str, Any]:
    """Return the least time the work can take on this device, and the share of the latency that it is.

    `roofline_fraction` is limit / latency: 1 is as fast as the device allows. Source: Williams, Waterman and Patterson,
    Roofline (2009): the longer of the arithmetic's and the memory traffic's time. Where the FLOPs could not be counted
    that is null with the reason.
    """
    known = {
        "forward_mb": work["bytes"] / 1e6,
        "peak_tflops": flops_per_s / 1e12,
        "peak_gb_per_s": bytes_per_s / 1e9,
    }
    if work["flops"] is None:
        unknown = dict.fromkeys(("limit_ms", "limited_by", "forward_gflop"))
        return {"roofline_fraction": Figure(None, reason=work["flops_reason"]), **unknown, **known}
    arithmetic_ms, traffic_ms = 1000 * work["flops"] / flops_per_s, 1000 * work["bytes"] / bytes_per_s
    limit_ms = max(arithmetic_ms, traffic_ms)
    return {
        "roofline_fraction": Figure(limit_ms / latency_ms),
        "limit_ms": limit_ms,
        "limited_by": "arithmetic" if arithmetic_ms >= traffic_ms else "memory",
        "forward_gflop": work["flops"] / 1e9,
        **known,
    }
