"""What is read from a GPU through PyTorch, with PyTorch's answers made up: units, sums, and what is left out."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from benchmarks.instruments.latency import kernels, roofline
from benchmarks.instruments.size import Size
from benchmarks.loop import synchronizer, waiter
from benchmarks.machine import environment
from benchmarks.policies import Policies
from benchmarks.run import BenchmarkRun
from fixtures.device import memory
from fixtures.device.nvml import NvmlError
from fixtures.precisions import PRECISIONS
from fixtures.tasks.language_modeling import TASK
from tests.tiny import tiny_gpt2

CUDA = torch.device("cuda", 1)


class Profiled:
    """A profiler that saw these events one after the other: the device's type, microseconds, and name."""

    def __init__(self, *events: tuple[str, float, str]) -> None:
        self._events = [
            SimpleNamespace(
                device_type=SimpleNamespace(name=kind),
                device_time=us,
                name=name,
                time_range=SimpleNamespace(start=start),
            )
            for start, (kind, us, name) in enumerate(events)
        ]

    def __call__(self, **_: object) -> Profiled:
        return self

    def __enter__(self) -> Profiled:
        return self

    def __exit__(self, *_: object) -> None: ...

    def events(self) -> list[SimpleNamespace]:
        return self._events[::-1]  # in no order


@pytest.fixture
def waited(monkeypatch) -> list[torch.device]:
    """The devices that were waited for."""
    devices: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "synchronize", devices.append)
    return devices


def test_kernels_are_counted_by_forward_and_their_time_is_the_median_forwards(monkeypatch, waited):
    calls: list[int] = []
    forwards = [
        [("CUDA", 1000.0 + 100 * number, "gemm"), ("CPU", 9999.0, "launch"), ("CUDA", 250.0, "Memcpy DtoD")]
        for number in range(10)
    ]
    monkeypatch.setattr(kernels, "profile", Profiled(*(event for forward in forwards for event in forward)))
    found = kernels.profiled_kernels(lambda: calls.append(1), CUDA)
    assert found == kernels.Kernels(time_ms=pytest.approx(1.45 + 0.25), count=1, names={"gemm": 1})
    assert (len(calls), waited) == (10, [CUDA])


def test_kernels_that_cannot_be_told_apart_by_forward_are_shared_among_them(monkeypatch, waited):
    monkeypatch.setattr(kernels, "profile", Profiled(*[("CUDA", 1000.0, "gemm")] * 25))
    found = kernels.profiled_kernels(lambda: None, CUDA)
    assert (found.time_ms, found.count) == (2.5, 2)


@pytest.mark.parametrize("events", [(), (("CPU", 5.0, "launch"),), (("CUDA", 0.0, "gemm"),)])
def test_a_profiler_that_saw_no_kernel_gives_no_time_of_zero(monkeypatch, waited, events):
    monkeypatch.setattr(kernels, "profile", Profiled(*events))
    assert kernels.profiled_kernels(lambda: None, CUDA) is None


def run_of(device: torch.device, by_variant: dict[str, kernels.Kernels | None]) -> SimpleNamespace:
    """A run with 3 full batches of 4."""
    examples = [SimpleNamespace(variant=variant) for variant in by_variant]
    shares = {"full": 0.75, "padded": 0.25}
    return SimpleNamespace(
        settings=SimpleNamespace(device=device),
        data=SimpleNamespace(examples=examples, variant_shares=shares),
        loop=SimpleNamespace(run_on=lambda example: by_variant[example.variant]),
    )


def test_kernel_time_is_weighted_like_the_latency(monkeypatch):
    monkeypatch.setattr(roofline, "profiled_kernels", lambda forward, device: forward())
    by_variant = {"full": kernels.Kernels(1.0, 211, {}), "padded": kernels.Kernels(2.0, 260, {})}
    assert roofline.kernel_figures(run_of(CUDA, by_variant)) == {
        "kernel_time_ms": 1.25,
        "kernels": 211,
        "full_kernel_time_ms": 1.0,
        "padded_kernel_time_ms": 2.0,
        "full_kernels": 211,
        "padded_kernels": 260,
        "kernel_time_reason": None,
    }


@pytest.mark.parametrize(
    ("device", "reason"),
    [(torch.device("cpu"), "no CUDA kernels on a CPU"), (CUDA, "the profiler saw no kernel (CUPTI)")],
)
def test_without_kernels_their_time_is_null_with_a_reason(monkeypatch, device, reason):
    monkeypatch.setattr(roofline, "profiled_kernels", lambda forward, device: forward())
    figures = roofline.kernel_figures(run_of(device, {"full": None}))
    assert figures.pop("kernel_time_reason") == reason
    assert set(figures.values()) == {None}


def not_supported() -> None:
    raise NvmlError("NVML_ERROR_NOT_SUPPORTED", "nvmlDeviceGetEccMode")


def test_a_gpu_is_described_in_megabytes_with_the_drivers_version_or_the_reason(monkeypatch):
    properties = SimpleNamespace(name="H100", major=9, minor=0, multi_processor_count=132, total_memory=85_000_000_000)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    monkeypatch.setattr(environment, "gpu_uuid", lambda device: "GPU-1")
    board = SimpleNamespace(
        driver_version=lambda: "580.1", power_limit_w=lambda: 700.0, is_persistent=lambda: True, has_ecc=not_supported
    )
    monkeypatch.setattr(environment, "open_gpu", lambda device: board)
    environment.gpu.cache_clear()
    assert environment.gpu(CUDA) == {
        "name": "H100",
        "uuid": "GPU-1",
        "capability": "9.0",
        "multiprocessors": 132,
        "memory_mb": 85_000,
        "driver": "580.1",
        "driver_reason": None,
        "power_limit_w": 700.0,
        "persistence_mode": True,
        "ecc": None,
    }
    essentials = environment.essentials(CUDA)
    assert (essentials["device_name"], essentials["device_uuid"], essentials["driver"]) == ("H100", "GPU-1", "580.1")
    assert (essentials["power_limit_w"], essentials["persistence_mode"], essentials["ecc"]) == (700.0, True, None)

    def closed(device: torch.device) -> None:
        raise NvmlError("nvmlInit", "LIBRARY_NOT_FOUND")

    monkeypatch.setattr(environment, "open_gpu", closed)
    environment.gpu.cache_clear()
    assert environment.gpu(CUDA)["driver"] is None
    assert "LIBRARY_NOT_FOUND" in environment.gpu(CUDA)["driver_reason"]
    assert environment.gpu(CUDA)["power_limit_w"] is None
    environment.gpu.cache_clear()


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


class SizedRun(BenchmarkRun):
    """A run whose model and precision are at hand."""

    model = tiny_gpt2()
    precision = PRECISIONS["fp32"]


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
    settings, checkpoint = SimpleNamespace(device=device), SimpleNamespace(size_bytes=3_000_000)
    run = SizedRun(settings, None, None, 1, TASK, checkpoint, None, None, session_start_s=0.0)
    run._others_bytes = 4
    run.keep_peak_memory()
    if peak:
        statistics["requested_bytes.all.peak"] = 99  # of a later visit
    run.keep_peak_memory()
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
