"""What the units of a GPU do while a case runs, beside what they do at the device's own limits."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch

from benchmarks.ceilings import product_format
from benchmarks.instruments.activity.loads import Load, products, reading
from benchmarks.instruments.activity.window import Window, window_beside
from benchmarks.instruments.base import AfterLastVisit, AfterVisits
from benchmarks.machine.readings import other_processes, snapshot
from benchmarks.measured_case import MeasuredCase
from benchmarks.policies import Policies
from core.metrics.figures import NOT_MEASURED, Figure, Reason
from core.metrics.ranges import NOT_NEGATIVE, POSITIVE, SHARE
from core.metrics.records import Record, metric
from fixtures.device.gpm import MEMORY, PIPES, SM, TENSOR, TENSOR_PIPES, GpmError, open_counters
from fixtures.device.nvml import Gpu, NvmlError, open_gpu

#: Below this share of the time a product does not use a tensor pipe: FP32 without TF32 shows 0 on each of them.
USED = 0.01


@dataclass(frozen=True, kw_only=True)
class ActivityRecord(Record):
    """What NVML's GPM counters show of a window of the case's rounds; null with the reason where there are none."""

    section: ClassVar[str] = "activity"
    sm_share: Figure[float] = metric(
        "",
        None,
        "share of the SMs that were busy, mean of a window after the last visit (GPM)",
        within=SHARE,
        column="sm_active_share",
        reason=Reason("reason", column="activity_reason", words="why the counters do not say what the GPU did"),
        place=440,
    )
    tensor_share: float | None = metric(
        "",
        None,
        "share of the time with tensor operations of any kind (GPM)",
        within=SHARE,
        column="tensor_share",
        default=None,
    )
    #: The same of each pipe, tensor and other.
    pipes: Mapping[str, float] = field(default_factory=dict)
    #: The pipe that products of the case's format use. On an H200 that of FP8 is FP16's, so it proves no FP8.
    tensor_pipe: str | None = None
    tensor_of_peak: Figure[float] = metric(
        "",
        None,
        "use of the format's tensor pipe, over that in a large product of the same format",
        within=NOT_NEGATIVE,
        column="tensor_share_of_peak",
        reason=Reason("tensor_reason"),
        default=NOT_MEASURED,
    )
    memory_share: float | None = metric(
        "",
        None,
        "memory traffic over the theoretical bandwidth (GPM)",
        within=NOT_NEGATIVE,
        column="memory_share",
        default=None,
    )
    memory_of_read: Figure[float] = metric(
        "",
        None,
        "memory traffic over that of reading alone, which reaches `read_gb_per_s`",
        within=NOT_NEGATIVE,
        column="memory_share_of_read",
        reason=Reason("memory_reason"),
        default=NOT_MEASURED,
    )
    memory_gb_per_s: float | None = metric(
        "GB/s", None, "memory traffic, read and written", within=NOT_NEGATIVE, default=None
    )
    read_gb_per_s: float | None = metric(
        "GB/s", None, "bandwidth of reading alone, by the clock", within=POSITIVE, default=None
    )
    memory_power_w: Figure[float] = metric(
        "W",
        None,
        "power of the GPU's memory while the rounds ran, mean of one second",
        within=NOT_NEGATIVE,
        reason=Reason("memory_power_reason"),
        default=NOT_MEASURED,
    )
    gpu_power_w: Figure[float] = metric(
        "W",
        None,
        "power of the whole GPU in the same second",
        within=NOT_NEGATIVE,
        reason=Reason("gpu_power_reason"),
        default=NOT_MEASURED,
    )
    window_s: float | None = None
    rounds: float | None = None


#: Of an eager forward the counters would show how long the host keeps the GPU waiting, which `gap_share` does.
NOT_REPLAYED = "the counters are read beside executions that are replayed; what eager ones wait is in the breakdown"


class Activity(AfterVisits):
    """Reads the counters beside rounds of each case, and once in a session beside loads of known size.

    Those are reading alone, and a large product in each format.
    """

    name = "activity"
    description = "what SMs, tensor pipes and memory do while a case runs (GPM), and the power of the memory"
    record = ActivityRecord

    def __init__(self, policies: Policies) -> None:
        super().__init__(policies)
        self._reading: tuple[Window, float] | str | None = None
        self._products: dict[tuple[torch.dtype, str], Window | str] = {}

    def measure(self, case: MeasuredCase, after: AfterLastVisit) -> Record:
        """Return the counters' shares of the time, and of what they show at the device's limits."""
        if not case.is_replayed and case.settings.device.type == "cuda":
            return ActivityRecord(sm_share=Figure(None, reason=NOT_REPLAYED))
        with case.phase("limits"):
            try:
                gpu = counted_gpu(case.settings.device)
                round_s = statistics.median(visit.latency.median_ms for visit in case.done) / 1000
                with open_counters(gpu) as counters:
                    window = window_beside(after.loop, gpu, counters, self.policies.activity, round_s)
            except (GpmError, NvmlError) as error:
                return ActivityRecord(sm_share=Figure(None, reason=str(error)))
            return self._record(case, gpu, window)

    def _record(self, case: MeasuredCase, gpu: Gpu, window: Window) -> Record:
        shares, device, policies = window.shares, case.settings.device, self.policies
        # After the case's own window: the large products lower the clock for a while.
        if self._reading is None:
            self._reading = self._read(gpu, device)
        key = product_format(case.precision)
        if key not in self._products:
            load = products(key[0], device, policies.ceilings.matrix_side[device.type])
            self._products[key] = self._window_of(gpu, load)
        pipe, of_peak = of_product(shares, self._products[key])
        off: Figure[float] = Figure(None, reason="switched off with --energy off")
        is_off = case.settings.energy == "off"
        of_read, read_gb_per_s = of_reading(shares, self._reading)
        return ActivityRecord(
            sm_share=Figure(shares[SM]),
            tensor_share=shares.get(TENSOR),
            pipes={name: shares[name] for name in PIPES if name in shares},
            tensor_pipe=pipe,
            tensor_of_peak=of_peak,
            memory_share=shares[MEMORY],
            memory_of_read=of_read,
            memory_gb_per_s=None if of_read.value is None or read_gb_per_s is None else of_read.value * read_gb_per_s,
            read_gb_per_s=read_gb_per_s,
            memory_power_w=off if is_off else window.memory_power_w,
            gpu_power_w=off if is_off else window.gpu_power_w,
            window_s=window.seconds,
            rounds=window.rounds,
        )

    def _read(self, gpu: Gpu, device: torch.device) -> tuple[Window, float] | str:
        """Return the window beside reading alone, and the bytes a second by the clock; or why there is none."""
        read_bytes = self.policies.activity.read_bytes
        load = reading(device, read_bytes)
        window = self._window_of(gpu, load)
        if isinstance(window, str):
            return window
        return window, window.rounds * load.repeats * read_bytes / window.seconds

    def _window_of(self, gpu: Gpu, load: Load) -> Window | str:
        try:
            with open_counters(gpu) as counters:
                return window_beside(load.loop, gpu, counters, self.policies.activity, load.round_s)
        except (GpmError, NvmlError) as error:
            return str(error)


def counted_gpu(device: torch.device) -> Gpu:
    """Return the GPU whose counters are of this process alone.

    Raises `NvmlError`, and `GpmError` where they are not.
    """
    if device.type != "cuda":
        raise GpmError("a CPU has no GPM counters")
    others = other_processes(snapshot(device))
    if others:
        raise GpmError(
            f"{others} other process(es) compute on this GPU, and its counters show their work too; stop them"
        )
    return open_gpu(device)


def of_product(shares: Mapping[str, float], product: Window | str) -> tuple[str | None, Figure[float]]:
    """Return the tensor pipe that a large product uses, and how much a case uses it, over the product."""
    if isinstance(product, str):
        return None, Figure(None, reason=product)
    used = {name: product.shares[name] for name in TENSOR_PIPES if product.shares.get(name, 0.0) > USED}
    if not used:
        return None, Figure(None, reason="products of this format use no tensor pipe")
    pipe = max(used, key=lambda name: used[name])
    return pipe, Figure(shares.get(pipe, 0.0) / used[pipe])


def of_reading(shares: Mapping[str, float], read: tuple[Window, float] | str) -> tuple[Figure[float], float | None]:
    """Return a case's memory traffic over that of reading alone, and the GB/s of that."""
    if isinstance(read, str):
        return Figure(None, reason=read), None
    window, bytes_per_s = read
    return Figure(shares[MEMORY] / window.shares[MEMORY]), bytes_per_s / 1e9
