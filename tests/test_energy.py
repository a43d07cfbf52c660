"""Energy from a counter whose every reading is known; and every way not to have one."""

from __future__ import annotations

import pytest
import torch

from benchmarks.measure import energy, nvml
from benchmarks.measure.energy import counter_window, measure_energy
from benchmarks.measure.nvml import Gpu
from tests.fake_nvml import fake_nvml

CUDA = torch.device("cuda", 0)


@pytest.fixture(autouse=True)
def _fresh_nvml():
    nvml.open_gpu.cache_clear()
    yield
    nvml.open_gpu.cache_clear()


class Board:
    """A GPU that draws `power_w`, counts energy in ticks of 100 ms, and takes 10 ms for a forward."""

    def __init__(self, power_w: float) -> None:
        self.now_s = 0.0
        self.power_w = power_w

    def clock(self) -> float:
        return self.now_s

    def forward(self) -> None:
        self.now_s += 0.010

    def counter_mj(self, handle: object) -> int:
        ticks = int(self.now_s / 0.1 + 1e-9)
        return round(1_000_000 + self.power_w * 100 * ticks)


def test_energy_per_sample_is_power_times_time():
    board = Board(power_w=200)
    gpu = Gpu(fake_nvml(nvmlDeviceGetTotalEnergyConsumption=board.counter_mj), "handle")
    found = counter_window(gpu, board.forward, batch_size=2, clock=board.clock)
    assert found["status"] == "ok"
    assert found["method"] == "nvml_energy_counter"
    assert found["energy_per_sample_mj"] == pytest.approx(200 * 10 / 2, rel=0.04)  # one tick of 3 s is 3.3%
    assert found["mean_power_w"] == pytest.approx(200, rel=0.04)
    assert found["window_s"] >= 3
    assert found["tick_period_ms"] == pytest.approx(100)
    assert found["rel_u95"] == pytest.approx(1.96 * 0.1 / (6**0.5 * found["window_s"]))


def test_a_counter_that_stands_still_is_no_energy_of_zero():
    board = Board(power_w=0)
    gpu = Gpu(fake_nvml(nvmlDeviceGetTotalEnergyConsumption=board.counter_mj), "handle")
    found = counter_window(gpu, board.forward, batch_size=1, clock=board.clock)
    assert found["energy_per_sample_mj"] is None
    assert found["code"] == "COUNTER_STOOD_STILL"


@pytest.mark.parametrize(
    ("functions", "code"),
    [
        ({"nvmlInit": 12}, "NVML_ERROR_LIBRARY_NOT_FOUND"),
        ({"nvmlInit": 18}, "NVML_ERROR_LIB_RM_VERSION_MISMATCH"),
        ({"nvmlInit": 9}, "NVML_ERROR_DRIVER_NOT_LOADED"),
        ({"nvmlDeviceGetHandleByUUID": 6}, "NVML_ERROR_NOT_FOUND"),
        ({"nvmlDeviceGetHandleByUUID": 4}, "NVML_ERROR_NO_PERMISSION"),
        ({"nvmlDeviceGetTotalEnergyConsumption": 3}, "NVML_ERROR_NOT_SUPPORTED"),
        ({"nvmlDeviceGetTotalEnergyConsumption": 15}, "NVML_ERROR_GPU_IS_LOST"),
    ],
)
def test_without_a_counter_every_figure_is_null_with_nvmls_own_reason(monkeypatch, functions, code):
    monkeypatch.setattr(nvml, "load_library", lambda: fake_nvml(**functions))
    monkeypatch.setattr(nvml, "gpu_uuid", lambda device: "GPU-1")
    found = measure_energy(lambda: None, 1, CUDA)
    assert found["status"] == "unavailable"
    assert found["method"] == "none"
    assert found["code"] == code
    assert code in found["reason"]
    figures = [found[key] for key in ("energy_per_sample_mj", "mean_power_w", "idle_power_w", "window_s", "rel_u95")]
    assert figures == [None] * 5


def test_the_gpu_is_found_by_its_uuid_with_nvmls_prefix(monkeypatch):
    asked = []
    library = fake_nvml(nvmlDeviceGetHandleByUUID=lambda uuid: asked.append(uuid))
    monkeypatch.setattr(nvml, "load_library", lambda: library)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: type("P", (), {"uuid": "11-22"}))
    nvml.open_gpu(CUDA)
    assert asked == ["GPU-11-22"]


def test_a_cpu_has_no_gpu_energy(monkeypatch):
    monkeypatch.setattr(nvml, "load_library", fake_nvml)
    assert energy.measure_energy(lambda: None, 1, torch.device("cpu"))["code"] == "NOT_A_GPU"
