"""NVML's GPM counters on a GPU whose work is known, in pynvml's own structures."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Mapping
from types import SimpleNamespace

import pynvml
import torch

from benchmarks.loop import ForwardLoop
from fixtures.dataset.batches import Batch
from fixtures.device.gpm import METRICS
from fixtures.executions import Forward
from tests.support.fake_nvml import fake_nvml, power_fields

BATCH = Batch(torch.ones(1, 1), torch.ones(1, 1), text_tokens=1)
#: Between two samples that are closer than this the counters say nothing, and NVML that all went well.
SHORTEST_S = 0.1


class CountedGpu:
    """A GPU that does what forwards ask of it, and counts. `refused` maps a metric to the number of its error."""

    def __init__(
        self, refused: Mapping[str, int] | None = None, *, supported: bool = True, **functions: object
    ) -> None:
        self.refused, self.supported, self.functions = dict(refused or {}), supported, functions
        self._numbers = {number: name for name, number in METRICS.items()}
        self._done_s = dict.fromkeys(METRICS, 0.0)
        self._samples: dict[int, tuple[float, dict[str, float]] | None] = {}
        #: What holds a sample in NVML's memory.
        self._kept: list[ctypes.Structure] = []
        #: The moments at which samples were taken, and how many were freed.
        self.sampled_s: list[float] = []
        self.freed = 0

    def loop(self, forward_s: float, **shares: float) -> ForwardLoop:
        """A loop of forwards that keep the GPU busy for so long, with these shares of its units."""

        def forward() -> torch.Tensor:
            time.sleep(forward_s)
            for name, share in shares.items():
                self._done_s[name] += share * forward_s
            return torch.zeros(1)

        return ForwardLoop(Forward(lambda _: None, forward), [BATCH], torch.device("cpu"))

    def alloc(self) -> object:
        self._kept.append(pynvml.struct_c_nvmlGpmSample_t())
        pointer = ctypes.pointer(self._kept[-1])
        self._samples[self._address(pointer)] = None
        return pointer

    def free(self, sample: object) -> None:
        del self._samples[self._address(sample)]
        self.freed += 1

    def sample(self, handle: object, sample: object) -> object:
        self.sampled_s.append(time.perf_counter())
        self._samples[self._address(sample)] = (self.sampled_s[-1], dict(self._done_s))
        return sample

    def metrics(self, request: object) -> object:
        assert (request.version, request.numMetrics) == (1, 1)
        (start_s, before), (end_s, after) = (
            self._samples[self._address(sample)] for sample in (request.sample1, request.sample2)
        )
        metric = request.metrics[0]
        name = self._numbers[metric.metricId]
        metric.nvmlReturn = self.refused.get(name, 0)
        is_short = end_s - start_s < SHORTEST_S
        metric.value = 100 * (after[name] - before[name]) / max(end_s - start_s, 1e-9)
        if is_short:
            metric.value = float("nan") if name == "memory" else 0.0
        return request

    @staticmethod
    def _address(pointer: object) -> int:
        return ctypes.addressof(pointer.contents)

    def library(self) -> SimpleNamespace:
        """NVML on this GPU alone."""
        defaults = {
            "c_nvmlGpmMetricsGet_t": pynvml.c_nvmlGpmMetricsGet_t,
            "nvmlGpmQueryDeviceSupport": lambda handle: SimpleNamespace(isSupportedDevice=int(self.supported)),
            "nvmlGpmSampleAlloc": self.alloc,
            "nvmlGpmSampleFree": self.free,
            "nvmlGpmSampleGet": self.sample,
            "nvmlGpmMetricsGet": self.metrics,
            "nvmlDeviceGetFieldValues": power_fields(f186_s0=300_000, f185_s0=290_000, f185_s2=61_000),
        }
        return fake_nvml(**(defaults | self.functions))
