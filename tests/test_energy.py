"""Energy from meters whose every reading is known; and every way not to have one."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from benchmarks.instruments.energy import measurement as energy
from benchmarks.instruments.energy.measurement import measure_energy
from benchmarks.instruments.energy.metered_loop import metered_loop
from benchmarks.instruments.energy.meters import Reading
from benchmarks.instruments.energy.rapl import Rapl
from benchmarks.policies import EnergyPolicy
from fixtures.device import nvml
from tests.fake_nvml import fake_nvml, field_value

CUDA = torch.device("cuda", 0)
TICK_S = 0.01


class Board:
    """A GPU that draws `idle_w`, or `busy_w` while a forward runs, and whose counter ticks every 10 ms."""

    def __init__(self, busy_w: float = 200.0, idle_w: float = 50.0, **functions: object) -> None:
        self.busy_w, self.idle_w = busy_w, idle_w
        self.busy_s, self.started_s = 0.0, time.perf_counter()
        self.tick = (-1.0, 0)
        self.functions = functions

    def forward(self) -> None:
        begun_s = time.perf_counter()
        time.sleep(0.001)
        self.busy_s += time.perf_counter() - begun_s

    def counter_mj(self, handle: object) -> int:
        elapsed_s = time.perf_counter() - self.started_s
        tick = elapsed_s // TICK_S
        if tick != self.tick[0]:
            energy_j = self.idle_w * elapsed_s + (self.busy_w - self.idle_w) * self.busy_s
            self.tick = (tick, round(1000 * energy_j))
        return 5_000_000 + self.tick[1]

    def library(self):
        defaults = {
            "nvmlDeviceGetTotalEnergyConsumption": self.counter_mj,
            "nvmlDeviceGetFieldValues": lambda handle, fields: [field_value(0, round(1000 * self.busy_w))],
        }
        return fake_nvml(**(defaults | self.functions))


@pytest.fixture
def metered(monkeypatch, quick_energy):
    """Meter a loop on a board."""

    def meter(board: Board, **policy: object) -> dict:
        monkeypatch.setattr(nvml, "load_library", board.library)
        monkeypatch.setattr(nvml, "gpu_uuid", lambda device: "GPU-1")
        return measure_energy(board.forward, 2, 60.0, CUDA, replace(quick_energy, **policy))

    return meter


def is_null(found: dict) -> bool:
    return all(found[key] is None for key in energy.FIGURES) and found["windows"] == 0


def test_energy_per_sample_is_the_power_over_the_rate(metered):
    found = metered(Board(busy_w=200, idle_w=50))
    assert (found["status"], found["method"], found["scope"]) == ("ok", "nvml_energy_counter", "gpu")
    assert found["windows"] == 7
    assert found["window_s"] >= 7 * (0.1 - 0.001)  # a tick is seen between two reads, so its moment is not exact
    assert found["ticks"] >= 70
    rate = 2 * found["forwards"] / found["window_s"]
    assert found["energy_per_sample_mj"] == pytest.approx(1000 * found["mean_power_w"] / rate, rel=0.05)
    assert 150 < found["mean_power_w"] <= 215  # nearly always busy
    assert found["idle_power_w"] == pytest.approx(50, rel=0.25)
    assert found["energy_per_sample_net_mj"] < found["energy_per_sample_mj"]
    assert found["tick_period_ms"] == pytest.approx(10, rel=0.1)
    assert found["samples_per_joule"] == pytest.approx(1000 / found["energy_per_sample_mj"])
    assert found["tokens_per_joule"] == pytest.approx(30 * found["samples_per_joule"])
    assert found["cross_check_rel"] is not None


def test_a_cross_check_that_disagrees_is_disputed(metered):
    found = metered(Board(nvmlDeviceGetFieldValues=lambda handle, fields: [field_value(0, 400_000)]))
    assert found["status"] == "disputed"
    assert "counter and integrated power differ by" in found["reason"]
    assert found["energy_per_sample_mj"] > 0


def test_without_a_second_meter_there_is_no_cross_check(metered):
    found = metered(Board(nvmlDeviceGetFieldValues=lambda handle, fields: [field_value(3, 0)]))
    assert found["status"] == "ok"
    assert found["cross_check_rel"] is None
    assert "NVML_ERROR_NOT_SUPPORTED" in found["cross_check_reason"]


@pytest.mark.parametrize(
    ("functions", "code"),
    [
        ({"nvmlInit": 12}, "NVML_ERROR_LIBRARY_NOT_FOUND"),
        ({"nvmlInit": 18}, "NVML_ERROR_LIB_RM_VERSION_MISMATCH"),
        ({"nvmlInit": 9}, "NVML_ERROR_DRIVER_NOT_LOADED"),
        ({"nvmlDeviceGetHandleByUUID": 6}, "NVML_ERROR_NOT_FOUND"),
        ({"nvmlDeviceGetHandleByUUID": 4}, "NVML_ERROR_NO_PERMISSION"),
        ({"nvmlDeviceGetMigMode": lambda handle: (1, 1)}, "MIG"),
        ({"nvmlDeviceGetTotalEnergyConsumption": lambda handle: 77}, "COUNTER_STOOD_STILL"),
        ({"nvmlDeviceGetTotalEnergyConsumption": lambda handle: -int(1e4 * time.perf_counter())}, "COUNTER_WENT_BACK"),
        (
            {
                "nvmlDeviceGetTotalEnergyConsumption": 15,
                "nvmlDeviceGetFieldValues": 15,
                "nvmlDeviceGetPowerUsage": 15,
            },
            "NVML_ERROR_GPU_IS_LOST",
        ),
        (
            {"nvmlDeviceGetComputeRunningProcesses": lambda h: [SimpleNamespace(pid=n) for n in (1, os.getpid())]},
            "OTHER_PROCESS",
        ),
        (
            {
                "nvmlDeviceGetViolationStatus": lambda h, p: SimpleNamespace(
                    violationTime=int(1e8 * time.perf_counter())
                )
            },
            "THROTTLED",
        ),
    ],
)
def test_what_cannot_be_trusted_is_null_with_a_code_and_a_sentence(metered, functions, code):
    found = metered(Board(**functions))
    assert found["code"] == code
    assert (found["status"], found["method"]) == ("unavailable", "none")
    assert len(found["reason"]) > 10
    assert is_null(found)


def test_a_gpu_lost_in_mid_window_is_null(metered):
    board = Board()
    reads = iter(range(10_000))

    def counter(handle: object) -> int:
        if next(reads) > 60:
            raise library.NVMLError(15)
        return board.counter_mj(handle)

    board.functions["nvmlDeviceGetTotalEnergyConsumption"] = counter
    library = board.library()
    board.library = lambda: library
    found = metered(board)
    assert found["code"] == "NVML_ERROR_GPU_IS_LOST"
    assert is_null(found)


def test_windows_that_scatter_too_much_are_refused(metered):
    assert metered(Board(), largest_u95=0.0)["code"] == "TOO_UNCERTAIN"


def test_too_few_ticks_are_refused(metered):
    assert metered(Board(), fewest_ticks=10_000)["code"] == "TOO_FEW_TICKS"


def test_a_machine_without_rapl_has_no_energy(tmp_path, monkeypatch):
    monkeypatch.setattr(energy, "Rapl", lambda: Rapl(tmp_path))
    found = measure_energy(lambda: None, 1, 1.0, torch.device("cpu"), EnergyPolicy())
    assert found["code"] == "NO_RAPL"
    assert is_null(found)


def test_an_error_of_the_meters_own_is_not_swallowed_by_its_thread():
    class Broken:
        def measure(self, duration_s: float, count: int) -> list[Reading]:
            raise ZeroDivisionError("a defect of ours")

    with pytest.raises(ZeroDivisionError, match="a defect of ours"):
        metered_loop(Broken(), 0.1, 1, lambda: time.sleep(0.001), lead_in_s=0, phase_s=0)
