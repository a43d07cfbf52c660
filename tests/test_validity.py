"""A measurement is valid only where everything that could spoil it was looked at."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from types import SimpleNamespace

import pytest
import torch

from benchmarks.instruments.machine import environment
from benchmarks.instruments.machine import validity as verdict
from benchmarks.instruments.machine.readings import Snapshot, snapshot
from benchmarks.instruments.machine.validity import validity
from fixtures.device import nvml
from tests.fake_nvml import fake_nvml

CUDA = torch.device("cuda", 0)
GOOD = {
    "sm_clock_mhz": 1980,
    "temperature_c": 50,
    "power_limit_w": 700.0,
    "throttle_reasons": [],
    "compute_pids": [os.getpid()],
    "POWER_ns": 0,
    "THERMAL_ns": 0,
    "BOARD_LIMIT_ns": 0,
    "RELIABILITY_ns": 0,
}


def state(time_s: float, busy_s: float = 0.0, unknown: dict | None = None, **gpu: object) -> Snapshot:
    return Snapshot(time_s, busy_s, 0.0, GOOD | gpu, unknown or {})


def test_nothing_to_object_to_is_valid():
    found = validity(state(0), state(10), None)
    assert (found["valid"], found["status"], found["reasons"]) == (True, "valid", [])


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        ({"THERMAL_ns": int(0.2e9)}, "clocks were held down by THERMAL for 2.0%"),
        ({"RELIABILITY_ns": int(0.2e9)}, "clocks were held down by RELIABILITY"),
        ({"sm_clock_mhz": 1500}, "the SM clock fell from 1980 to 1500 MHz"),
        ({"compute_pids": [os.getpid(), 77]}, "1 other process(es) compute on this GPU"),
    ],
)
def test_each_disturbance_is_a_reason(after, reason):
    found = validity(state(0), state(10, **after), None)
    assert found["valid"] is False
    assert reason in found["reasons"][0]


def test_power_capping_and_short_violations_are_recorded_and_no_reason():
    found = validity(state(0), state(10, POWER_ns=int(3e9), THERMAL_ns=int(0.05e9)), None)
    assert found["valid"] is True
    assert found["throttle"]["violation_share"]["POWER"] == pytest.approx(0.3)
    assert found["throttle"]["violation_share"]["THERMAL"] == pytest.approx(0.005)


def test_a_busy_machine_is_a_reason():
    found = validity(state(0), state(10, busy_s=10.0 * os.cpu_count() / 2), None)
    assert "other programs keep 50% of the CPU busy" in found["reasons"][0]


def test_an_emulated_precision_is_a_reason():
    assert validity(state(0), state(10), "fp16 is not native here")["reasons"] == ["fp16 is not native here"]


def test_a_field_that_cannot_be_read_makes_it_unknown_never_valid():
    found = validity(state(0), state(10, unknown={"THERMAL_ns": "not supported"}, THERMAL_ns=None), None)
    assert (found["valid"], found["status"]) == (None, "unknown")
    assert found["throttle"]["violation_share"]["THERMAL"] is None


def test_this_process_under_another_number_is_not_a_neighbour():
    assert validity(state(0), state(1, compute_pids=[999_999]), None)["other_processes"] == 0
    assert validity(state(0), state(1, compute_pids=[]), None)["other_processes"] == 0


@pytest.fixture
def library(monkeypatch):
    """NVML whose functions the test replaces."""
    functions = {
        "nvmlDeviceGetViolationStatus": lambda handle, policy: SimpleNamespace(violationTime=5 * policy),
        "nvmlDeviceGetCurrentClocksThrottleReasons": lambda handle: 0x4 | 0x1,
        "nvmlDeviceGetComputeRunningProcesses": lambda handle: [SimpleNamespace(pid=7)],
    }
    monkeypatch.setattr(nvml, "gpu_uuid", lambda device: "GPU-1")
    nvml.open_gpu.cache_clear()
    monkeypatch.setattr(nvml, "load_library", lambda: fake_nvml(**functions))
    yield functions
    nvml.open_gpu.cache_clear()


def test_a_snapshot_reads_everything_in_its_unit(library):
    found = snapshot(CUDA)
    assert found.unknown == {}
    assert found.gpu == {
        "sm_clock_mhz": 1980,
        "temperature_c": 51,
        "power_limit_w": 700.0,
        "throttle_reasons": ["SwPowerCap"],
        "compute_pids": [7],
        "POWER_ns": 0,
        "THERMAL_ns": 5,
        "BOARD_LIMIT_ns": 15,
        "RELIABILITY_ns": 25,
    }
    assert nvml.sm_clock_mhz(CUDA) == 1980


@pytest.fixture
def quiet_machine(monkeypatch):
    """Nobody else uses the CPU, whatever this machine is doing."""
    monkeypatch.setattr(verdict, "others_load", lambda *_: 0.0)


@pytest.mark.usefixtures("quiet_machine")
def test_a_gpu_lost_in_mid_run_is_unknown_with_nvmls_reason(library):
    before = snapshot(CUDA)
    library.update(dict.fromkeys([name for name in vars(fake_nvml()) if name.startswith("nvmlDeviceGet")], 15))
    library["nvmlDeviceGetHandleByUUID"] = lambda uuid: uuid
    nvml.open_gpu.cache_clear()
    found = validity(before, snapshot(CUDA), None)
    assert found["status"] == "unknown"
    assert "NVML_ERROR_GPU_IS_LOST" in found["unknown"]["sm_clock_mhz"]
    assert found["sm_clock_mhz"] is None
    assert nvml.sm_clock_mhz(CUDA) is None


@pytest.mark.usefixtures("quiet_machine")
def test_a_cpu_is_unknown_because_no_clock_is_watched():
    found = validity(snapshot(torch.device("cpu")), snapshot(torch.device("cpu")), None)
    assert found["valid"] is None
    assert found["unknown"]["gpu"]


def git(folder, *arguments: str) -> None:
    identity = ["-c", "user.name=x", "-c", "user.email=x@y", "-c", "commit.gpgsign=false"]
    subprocess.run(
        [shutil.which("git") or "git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True
    )


def test_the_commit_is_the_folders_with_a_plus_where_files_differ_from_it(tmp_path):
    assert environment.git_commit(tmp_path / "nowhere") is None
    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / "code.py").write_text("1")
    for arguments in (("init", "-q"), ("add", "code.py"), ("commit", "-qm", "x")):
        git(folder, *arguments)
    (folder / "untracked").touch()
    clean = environment.git_commit(folder)
    assert re.fullmatch("[0-9a-f]{40}", clean)
    (folder / "code.py").write_text("2")
    environment.git_commit.cache_clear()
    assert environment.git_commit(folder) == f"{clean}+"
    environment.git_commit.cache_clear()
