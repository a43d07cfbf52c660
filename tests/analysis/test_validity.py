"""A measurement is valid only where everything that could spoil it was looked at."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from types import SimpleNamespace

import pytest
import torch

from benchmarks.instruments import validity as verdict
from benchmarks.instruments.validity import Validity, VisitState, validity, visit_state
from benchmarks.loop import Rounds
from benchmarks.machine import environment, readings
from benchmarks.machine.readings import Snapshot, cpu_pressure_s, snapshot, while_running
from benchmarks.policies import Policies
from benchmarks.visit import DeviceReads
from fixtures.device import nvml
from tests.support.fake_nvml import fake_nvml

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
CORES = os.cpu_count() or 1
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


def state(time_s: float, busy_s: float = 0.0, unknown: dict | None = None, **more: object) -> Snapshot:
    cpu = {name: more.pop(name, 0.0) for name in ("stolen_cpu_s", "pressure_s")}
    return Snapshot(time_s, busy_s, 0.0, **cpu, gpu=GOOD | more, unknown=unknown or {}, unreadable={})


def visit(running: dict | None = None, **after: object) -> VisitState:
    """A visit of 10 s that ends in this state; `running` is what was read while its rounds ran."""
    return visit_state(state(0), state(10, **after), running or {})


def test_nothing_to_object_to_is_valid():
    found = validity([visit(), visit()], None)
    assert (found["valid"], found["status"], found["reasons"]) == (True, "valid", [])


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        ({"THERMAL_ns": int(0.2e9)}, "clocks were held down by THERMAL for 2.0%"),
        ({"RELIABILITY_ns": int(0.2e9)}, "clocks were held down by RELIABILITY"),
        ({"BOARD_LIMIT_ns": int(0.2e9)}, "clocks were held down by BOARD_LIMIT"),
        ({"compute_pids": [os.getpid(), 77]}, "1 other process(es) compute on this GPU"),
        ({"busy_s": 10.0 * CORES / 2}, "other programs keep 50% of the CPU busy"),
        ({"stolen_cpu_s": 10.0 * CORES * 0.3}, "the host gives 30% of the CPU to other machines"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_each_disturbance_of_one_visit_is_a_reason_of_the_case(after, reason, place):
    visits = [visit(), visit(), visit()]
    visits[place] = visit(**after)
    found = validity(visits, None)
    assert (found["valid"], found["status"]) == (False, "invalid")
    (stated,) = found["reasons"]
    assert reason in stated
    assert visits[place].reasons == [stated]


def test_a_reason_of_several_visits_is_stated_once():
    disturbed = {"compute_pids": [os.getpid(), 77]}
    assert len(validity([visit(**disturbed), visit(), visit(**disturbed)], None)["reasons"]) == 1


@pytest.mark.parametrize(("share", "valid"), [(0.249, True), (0.251, False)])
@pytest.mark.parametrize("name", ["busy_s", "stolen_cpu_s"])
def test_a_quarter_of_the_cores_may_be_used_by_others(name, share, valid):
    assert validity([visit(**{name: share * 10 * CORES})], None)["valid"] is valid


def test_shares_of_the_cpu_are_recorded_and_the_largest_of_the_visits_stands_for_the_case():
    visits = [
        visit(stolen_cpu_s=0.1 * 10 * CORES, pressure_s=0.5),
        visit(stolen_cpu_s=0.2 * 10 * CORES, pressure_s=2.0),
    ]
    assert [one.cpu_steal_share for one in visits] == pytest.approx([0.1, 0.2])
    assert [one.cpu_pressure_share for one in visits] == pytest.approx([0.05, 0.2])
    found = validity(visits[::-1], None)
    assert (found["cpu_steal_share"], found["cpu_pressure_share"]) == pytest.approx((0.2, 0.2))
    assert found["valid"] is True


def test_a_machine_that_counts_neither_steal_nor_pressure_is_not_told_to_have_none():
    found = validity([visit(stolen_cpu_s=None, pressure_s=None)], None)
    assert (found["cpu_steal_share"], found["cpu_pressure_share"], found["valid"]) == (None, None, True)


def test_pressure_is_the_total_of_some_in_seconds(tmp_path):
    path = tmp_path / "cpu"
    path.write_text("some avg10=1.00 avg60=2.00 avg300=3.00 total=2500000\nfull avg10=0.00 total=7\n")
    assert cpu_pressure_s(path) == 2.5
    assert cpu_pressure_s(tmp_path / "absent") is None
    path.write_text("")
    assert cpu_pressure_s(path) is None


def test_the_lowest_clock_of_the_visits_is_held_against_the_highest():
    slow, fast = visit({"sm_clock_mhz": 1500}), visit({"sm_clock_mhz": 1980})
    for order in ([slow, fast, fast], [fast, fast, slow]):
        found = validity(order, None)
        assert found["valid"] is False
        assert "the SM clock was 1500 MHz in one visit and 1980 MHz in another" in found["reasons"][0]
        assert found["sm_clock_mhz"] == 1500
    assert validity([slow, slow], None)["valid"] is True  # no change, whatever the clock


def test_the_clock_that_counts_is_the_one_while_rounds_ran_not_the_one_afterwards():
    found = visit({"sm_clock_mhz": 1500, "temperature_c": 70, "instant_power_w": 650.0}, sm_clock_mhz=300)
    assert (found.sm_clock_mhz, found.temperature_c, found.instant_power_w) == (1500, 70, 650.0)


def test_a_visit_whose_clock_was_not_read_does_not_hide_the_others():
    clocks = [{"sm_clock_mhz": 1500}, {"sm_clock_mhz": None}, {"sm_clock_mhz": 1980}]
    found = validity([visit(running) for running in clocks], None)
    assert (found["sm_clock_mhz"], found["valid"]) == (1500, False)


def test_the_hottest_visit_and_the_most_neighbours_stand_for_the_case():
    visits = [visit({"temperature_c": 60}), visit({"temperature_c": 71}, compute_pids=[os.getpid(), 1, 2]), visit()]
    found = validity(visits, None)
    assert (found["temperature_c"], found["other_processes"]) == (71, 2)


def test_power_capping_and_short_violations_are_recorded_and_no_reason():
    found = validity([visit(), visit(POWER_ns=int(3e9), THERMAL_ns=int(0.05e9)), visit()], None)
    assert found["valid"] is True
    assert found["throttle"]["violation_share"]["POWER"] == pytest.approx(0.3)
    assert found["throttle"]["violation_share"]["THERMAL"] == pytest.approx(0.005)


def test_an_emulated_precision_is_a_reason():
    found = validity([visit()], "fp16 is not native here")
    assert (found["reasons"], found["native"]) == (["fp16 is not native here"], False)


@pytest.mark.parametrize("place", [0, 1])
def test_a_field_that_cannot_be_read_in_one_visit_makes_it_unknown_never_valid(place):
    visits = [visit(), visit()]
    visits[place] = visit(unknown={"THERMAL_ns": "no permission"}, THERMAL_ns=None)
    found = validity(visits, None)
    assert (found["valid"], found["status"]) == (None, "unknown")
    assert found["unknown"] == {"THERMAL_ns": "no permission"}


@pytest.mark.parametrize("moment", [0, 1])
def test_a_reading_that_fails_at_either_end_of_a_visit_is_unknown(moment):
    ends = [state(0), state(10)]
    ends[moment] = state(10 * moment, unknown={"temperature_c": "no permission"})
    assert validity([visit_state(*ends, {})], None)["unknown"] == {"temperature_c": "no permission"}


def test_what_is_not_known_does_not_hide_a_reason():
    found = validity([visit(unknown={"THERMAL_ns": "no permission"}), visit(compute_pids=[os.getpid(), 7])], None)
    assert found["status"] == "invalid"


def test_a_share_that_was_not_read_in_any_visit_is_null():
    assert visit(THERMAL_ns=None).violation_share["THERMAL"] is None
    assert validity([visit(THERMAL_ns=None)], None)["throttle"]["violation_share"]["THERMAL"] is None


def test_this_process_under_another_number_is_not_a_neighbour():
    assert visit(compute_pids=[999_999]).other_processes == 0
    assert visit(compute_pids=[]).other_processes == 0


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
    assert (found.unknown, found.unreadable) == ({}, {})
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


@pytest.fixture
def quiet_machine(monkeypatch):
    """Nobody else uses the CPU, whatever this machine is doing."""
    monkeypatch.setattr(verdict, "others_load", lambda *_: 0.0)
    monkeypatch.setattr(verdict, "steal_share", lambda *_: 0.0)


def judged(device: torch.device) -> dict:
    """What is said of one visit in which nothing happens."""
    before = snapshot(device)
    return validity([visit_state(before, snapshot(device), while_running(device))], None)


@pytest.mark.usefixtures("quiet_machine")
def test_readings_that_a_platform_does_not_have_decide_nothing(library):
    library.update(nvmlDeviceGetViolationStatus=3, nvmlDeviceGetEnforcedPowerLimit=3)
    library["nvmlDeviceGetComputeRunningProcesses"] = lambda handle: []
    found = judged(CUDA)
    assert (found["valid"], found["status"], found["unknown"]) == (True, "valid", {})
    absent = {"POWER_ns", "THERMAL_ns", "BOARD_LIMIT_ns", "RELIABILITY_ns", "power_limit_w"}
    assert found["unreadable"].keys() == absent
    assert all("NVML_ERROR_NOT_SUPPORTED" in reason for reason in found["unreadable"].values())
    assert found["throttle"]["violation_share"]["THERMAL"] is None


@pytest.mark.usefixtures("quiet_machine")
@pytest.mark.parametrize(("number", "name"), [(4, "NVML_ERROR_NO_PERMISSION"), (15, "NVML_ERROR_GPU_IS_LOST")])
def test_any_other_error_leaves_the_validity_unknown(library, number, name):
    library["nvmlDeviceGetViolationStatus"] = number
    found = judged(CUDA)
    assert (found["valid"], found["status"], found["unreadable"]) == (None, "unknown", {})
    assert name in found["unknown"]["THERMAL_ns"]


@pytest.mark.usefixtures("quiet_machine")
def test_a_gpu_without_nvml_is_unknown(library):
    library["nvmlInit"] = 12
    found = judged(CUDA)
    assert found["status"] == "unknown"
    assert "NVML_ERROR_LIBRARY_NOT_FOUND" in found["unknown"]["gpu"]
    assert (found["sm_clock_mhz"], found["temperature_c"], found["other_processes"]) == (None, None, None)


@pytest.mark.usefixtures("quiet_machine")
def test_a_gpu_lost_in_mid_run_is_unknown_with_nvmls_reason(library):
    before = snapshot(CUDA)
    library.update(dict.fromkeys([name for name in vars(fake_nvml()) if name.startswith("nvmlDeviceGet")], 15))
    library["nvmlDeviceGetHandleByUUID"] = lambda uuid: uuid
    nvml.open_gpu.cache_clear()
    found = validity([visit_state(before, snapshot(CUDA), while_running(CUDA))], None)
    assert found["status"] == "unknown"
    assert "NVML_ERROR_GPU_IS_LOST" in found["unknown"]["sm_clock_mhz"]
    assert found["sm_clock_mhz"] is None


@pytest.mark.usefixtures("quiet_machine")
def test_a_cpu_has_nothing_to_read_and_is_valid():
    found = judged(CPU)
    assert (found["valid"], found["status"]) == (True, "valid")
    assert (found["unknown"], found["unreadable"]) == ({}, {})
    assert (found["sm_clock_mhz"], found["other_processes"]) == (None, None)


@pytest.mark.usefixtures("quiet_machine")
def test_the_instrument_reads_while_the_rounds_run_and_notes_when(library):
    """The clock is another one before, during and after the rounds."""
    clocks = iter((600, 1800, 700))
    library["nvmlDeviceGetClockInfo"] = lambda handle, clock: next(clocks)
    library["nvmlDeviceGetComputeRunningProcesses"] = lambda handle: []
    instrument, case, reads = (
        Validity(Policies()),
        SimpleNamespace(settings=SimpleNamespace(device=CUDA)),
        DeviceReads(Rounds([], 0)),
    )
    before = snapshot(CUDA)
    reading = instrument.beside(case, reads)
    record = instrument.visited(SimpleNamespace(before=before, after=snapshot(CUDA)), reading).as_json()
    assert (record["sm_clock_mhz"], record["temperature_c"], record["instant_power_w"]) == (1800, 51, 0.0)
    assert len(reads.intervals_s) == 1  # so that the rounds it disturbs are not timed


def test_seconds_stolen_and_waited_for_are_read_from_the_machine(monkeypatch):
    times = SimpleNamespace(user=30.0, system=20.0, steal=7.0)
    monkeypatch.setattr(readings.psutil, "cpu_times", lambda: times)
    monkeypatch.setattr(readings, "cpu_pressure_s", lambda: 3.0)
    found = snapshot(CPU)
    assert (found.stolen_cpu_s, found.pressure_s) == (7.0, 3.0)
    del times.steal  # macOS and Windows have none
    assert snapshot(CPU).stolen_cpu_s is None


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
