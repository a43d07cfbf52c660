"""What is read from a GPU through PyTorch, with PyTorch's answers made up: units, sums, and what is left out."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from benchmarks.instruments.latency import kernels
from benchmarks.instruments.machine import environment
from benchmarks.instruments.size import Size
from benchmarks.loop import synchronizer, waiter
from benchmarks.policies import Policies
from benchmarks.run import BenchmarkRun
from fixtures.device import memory
from fixtures.device.nvml import NvmlError
from tests.tiny import tiny_gpt2

CUDA = torch.device("cuda", 1)


class Profiled:
    """A profiler that saw these events: the device's type and microseconds."""

    def __init__(self, *events: tuple[str, float]) -> None:
        self._events = [SimpleNamespace(device_type=SimpleNamespace(name=name), device_time=us) for name, us in events]

    def __call__(self, **_: object) -> Profiled:
        return self

    def __enter__(self) -> Profiled:
        return self

    def __exit__(self, *_: object) -> None: ...

    def events(self) -> list[SimpleNamespace]:
        return self._events


@pytest.fixture
def waited(monkeypatch) -> list[torch.device]:
    """The devices that were waited for."""
    devices: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "synchronize", devices.append)
    return devices


def test_kernel_time_is_the_sum_over_the_devices_events_in_milliseconds(monkeypatch, waited):
    calls: list[int] = []
    monkeypatch.setattr(kernels, "profile", Profiled(("CUDA", 1500.0), ("CPU", 9999.0), ("CUDA", 250.0)))
    figures = kernels.kernel_time(lambda: calls.append(1), CUDA)
    assert figures == {"kernel_time_ms": 1.75, "kernels": 2, "kernel_time_reason": None}
    assert (calls, waited) == ([1], [CUDA])


@pytest.mark.parametrize("events", [(), (("CPU", 5.0),), (("CUDA", 0.0),)])
def test_a_profiler_that_saw_no_kernel_gives_no_time_of_zero(monkeypatch, waited, events):
    monkeypatch.setattr(kernels, "profile", Profiled(*events))
    figures = kernels.kernel_time(lambda: None, CUDA)
    assert (figures["kernel_time_ms"], figures["kernels"]) == (None, None)
    assert "CUPTI" in figures["kernel_time_reason"]


def test_a_gpu_is_described_in_megabytes_with_the_drivers_version_or_the_reason(monkeypatch):
    properties = SimpleNamespace(name="H100", major=9, minor=0, multi_processor_count=132, total_memory=85_000_000_000)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    monkeypatch.setattr(environment, "gpu_uuid", lambda device: "GPU-1")
    monkeypatch.setattr(environment, "open_gpu", lambda device: SimpleNamespace(driver_version=lambda: "580.1"))
    assert environment.gpu(CUDA) == {
        "name": "H100",
        "uuid": "GPU-1",
        "capability": "9.0",
        "multiprocessors": 132,
        "memory_mb": 85_000,
        "driver": "580.1",
        "driver_reason": None,
    }
    essentials = environment.essentials(CUDA)
    assert (essentials["device_name"], essentials["driver"]) == ("H100", "580.1")

    def closed(device: torch.device) -> None:
        raise NvmlError("nvmlInit", "LIBRARY_NOT_FOUND")

    monkeypatch.setattr(environment, "open_gpu", closed)
    assert environment.gpu(CUDA)["driver"] is None
    assert "LIBRARY_NOT_FOUND" in environment.gpu(CUDA)["driver_reason"]


@pytest.fixture
def statistics(monkeypatch) -> dict[str, int]:
    """PyTorch's count of memory; workspaces are cleared before it is read."""
    counted = {"requested_bytes.all.current": 7, "requested_bytes.all.peak": 11, "allocated_bytes.all.current": 1000}
    monkeypatch.setattr(torch._C, "_cuda_clearCublasWorkspaces", lambda: counted.update(cleared=1), raising=False)
    monkeypatch.setattr(torch.cuda, "memory_stats", lambda device: counted)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: counted.update(reset=1))
    return counted


def test_memory_is_what_tensors_asked_for(statistics):
    assert memory.requested_bytes(CUDA) == 7
    assert memory.peak_bytes(CUDA) == (11, None)
    assert "cleared" not in statistics  # a reading changes nothing
    memory.clear_workspaces(torch.device("cpu"))
    assert "cleared" not in statistics
    memory.clear_workspaces(CUDA)
    assert statistics["cleared"] == 1
    memory.start_peak_memory(CUDA)
    assert statistics["reset"] == 1
    assert memory.requested_bytes(torch.device("cpu")) == 0
    statistics.clear()
    assert memory.requested_bytes(CUDA) == 0  # nothing has been allocated yet


def test_free_memory_is_the_devices_and_what_pytorch_has_in_reserve(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 1000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 30)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 20)
    assert memory.free_and_total_bytes(CUDA) == (110, 1000)


@pytest.mark.parametrize(
    ("device", "peak", "peak_mb", "reason"),
    [
        (CUDA, 7_000_004, 7.0, None),
        (CUDA, 0, None, "this allocator of PyTorch does not count what tensors ask for"),
        (torch.device("cpu"), 7_000_004, None, "PyTorch counts no allocations on a CPU"),
    ],
)
def test_sizes_are_in_megabytes_and_the_peak_is_without_what_is_others(statistics, device, peak, peak_mb, reason):
    statistics["requested_bytes.all.peak"] = peak
    run = BenchmarkRun(*[None] * 7)
    run.settings, run.checkpoint = SimpleNamespace(device=device), SimpleNamespace(size_bytes=3_000_000)
    run.resident, run._others_bytes = SimpleNamespace(model=tiny_gpt2()), 4
    record = Size(Policies()).measure(run)
    assert (record.peak_memory_mb, record.peak_memory_reason, record.checkpoint_size_mb) == (peak_mb, reason, 3.0)


def test_a_gpu_is_waited_for_by_an_event_behind_the_work_and_a_cpu_not_at_all(monkeypatch, waited):
    done: list[str] = []
    event = SimpleNamespace(
        record=lambda stream: done.append(f"record {stream}"), synchronize=lambda: done.append("wait")
    )
    monkeypatch.setattr(torch.cuda, "Event", lambda: event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: "stream")
    waiter(CUDA)()
    assert done == ["record stream", "wait"]
    synchronizer(CUDA)()
    assert waited == [CUDA]
    cpu = torch.device("cpu")
    assert (synchronizer(cpu)(), waiter(cpu)(), waited) == (None, None, [CUDA])
