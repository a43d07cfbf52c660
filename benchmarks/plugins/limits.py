"""Writes how far the latency is from what the device can do, and how much of it is waiting for launches."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from benchmarks.instruments.latency.kernels import kernel_time
from benchmarks.instruments.latency.roofline import forward_work, peak_bytes_per_s, peak_flops, roofline
from benchmarks.loop import launch_bound_share
from benchmarks.run import ForwardRun


class LimitsPlugin:
    """Keeps the device's ceilings, measured once for each dtype, and pairs eager benchmarks with graph ones."""

    def __init__(self) -> None:
        self._peak_flops: dict[torch.dtype, float] = {}
        self._peak_bytes_per_s: float | None = None
        self._latencies: dict[tuple[str, str], dict[str, Any]] = {}

    @pytest.hookimpl(trylast=True)  # after the latency is known and the energy metered
    def pytest_forward_timed(self, run: ForwardRun) -> None:
        """Profile one forward, measure the ceilings where they are not known, and compare."""
        with run.phase("limits"):
            self._measure(run)
        self._compare_with_graph(run.precision.name, run.execution, run.extra_info["latency"])

    def _measure(self, run: ForwardRun) -> None:
        device, compute, latency = run.settings.device, run.precision.compute, run.extra_info["latency"]
        if compute not in self._peak_flops:
            self._peak_flops[compute] = peak_flops(compute, device)
        if self._peak_bytes_per_s is None:
            self._peak_bytes_per_s = peak_bytes_per_s(device)
        latency.update(kernel_time(run.loop.forward_and_wait, device))
        work = forward_work(run.model, run.eager, run.dataset.batches[0], compute)
        latency.update(roofline(work, self._peak_flops[compute], self._peak_bytes_per_s, latency["median_ms"]))

    def _compare_with_graph(self, precision: str, execution: str, latency: dict[str, Any]) -> None:
        self._latencies[precision, execution] = latency
        eager, graph = (self._latencies.get((precision, name)) for name in ("eager", "graph"))
        latency["launch_bound_share"] = None
        latency["launch_bound_reason"] = "needs both eager and graph in one session"
        if execution in ("eager", "graph") and eager and graph:
            share = launch_bound_share(eager["median_ms"], graph["median_ms"])
            for pair in (eager, graph):
                pair.update(launch_bound_share=share, launch_bound_reason=None)


def pytest_configure(config: pytest.Config) -> None:
    """Keep the ceilings for the session."""
    config.pluginmanager.register(LimitsPlugin(), "forward-limits")
