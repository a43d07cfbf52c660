"""Every way not to have an energy, or to have one with a mark; and what --energy asks for."""

from __future__ import annotations

import errno
import os
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.instruments.energy.instrument import EnergyRequiredError
from benchmarks.meters import METERS, MeterSource, Reading
from benchmarks.meters.energy_counter import EnergyCounter
from benchmarks.meters.meter import Reader, at_once
from benchmarks.meters.rapl import Rapl
from fixtures.device import nvml
from tests.support.board import (
    BATCH_SIZE,
    CPU,
    OF_A_VISIT,
    Bench,
    Benches,
    Board,
)
from tests.support.fake_nvml import field_value
from tests.support.registries import register


@pytest.fixture
def bench(monkeypatch, quick_energy) -> Benches:
    """Makes a bench for a board."""
    return Benches(monkeypatch, quick_energy)


def meter_of_the_machine(monkeypatch, make) -> None:
    """Make a meter the only one of a CPU."""
    source = MeterSource("rapl_powercap", "of a test", 10, ("cpu",), lambda device, policy: make())
    register(monkeypatch, METERS, source)


def is_null(found: dict) -> bool:
    """Whether a record says nothing but why there is no energy."""
    known = {name: value for name, value in found.items() if value is not None}
    return known == {
        "status": found["status"],
        "method": "none",
        "reason": found["reason"],
        "code": found["code"],
        "windows": 0,
        "power_series": (),
    }


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
def test_what_cannot_be_trusted_is_null_with_a_code_and_a_sentence(bench, functions, code):
    made = bench(Board(**functions), visits=2)
    found = made.measured()
    assert found["code"] == code
    assert (found["status"], found["method"]) == ("unavailable", "none")
    assert len(found["reason"]) > 10
    assert is_null(found)
    for visit in made.visits_made:
        assert (visit["energy_code"], visit["error"]) == (code, None)
        assert len(visit["energy_reason"]) > 10
        assert all(visit[name] is None for name in OF_A_VISIT)
        assert visit["loop_ms"] > 0  # the rounds are timed all the same
    assert len(made.case.timed.durations_s) >= 2


class Switch:
    """Something of NVML's that is as `broken` says in chosen visits, and whole in the others."""

    def __init__(self, broken, whole) -> None:
        self.on, self._broken, self._whole = False, broken, whole

    def __call__(self, *arguments: object):
        return (self._broken if self.on else self._whole)(*arguments)


def spoiled(bench, name: str, broken, whole, *, spoiled_visit: int) -> Bench:
    """Make four visits of which one is spoiled, and what follows them."""
    switch = Switch(broken, whole)
    made = bench(Board(**{name: switch}))
    for number in range(1, 5):
        switch.on = number == spoiled_visit
        made.visit()
    switch.on = False
    made.close()
    return made


def processes(*pids: int):
    return lambda handle: [SimpleNamespace(pid=pid) for pid in (*pids, os.getpid())]


@pytest.mark.parametrize("spoiled_visit", [1, 3, 4])
def test_another_process_in_one_visit_costs_that_visits_energy_alone(bench, spoiled_visit):
    name = "nvmlDeviceGetComputeRunningProcesses"
    made = spoiled(bench, name, processes(77), processes(), spoiled_visit=spoiled_visit)
    codes = [visit["energy_code"] for visit in made.visits_made]
    assert codes == ["OTHER_PROCESS" if number == spoiled_visit else None for number in range(1, 5)]
    assert "1 other process(es) compute on this GPU" in made.visits_made[spoiled_visit - 1]["energy_reason"]
    found = made.energy()
    assert (found["status"], found["windows"], len(found["power_series"])) == ("marked", 3, 3)
    assert "1 of 4 visits have no energy: 1 other process(es) compute on this GPU" in found["marks"]
    assert found["energy_per_sample_mj"] > 0


def test_a_meter_that_fails_in_one_visit_costs_that_visits_energy_alone(bench):
    made = bench(Board())
    library, counter = nvml.load_library(), made.board.counter_mj
    fails = [False]

    def read(handle: object) -> int:
        if fails[0]:
            raise library.NVMLError(15)
        return counter(handle)

    library.nvmlDeviceGetTotalEnergyConsumption = read
    for number in range(1, 5):
        fails[0] = number == 2
        made.visit()
    fails[0] = False
    found = made.close()
    first, second, third, fourth = made.visits_made
    assert second["energy_code"] == "NVML_ERROR_GPU_IS_LOST"
    assert all(second[name] is None for name in OF_A_VISIT)
    assert all(visit["energy_mj"] > 0 for visit in (first, third, fourth))
    assert (found["status"], found["windows"]) == ("marked", 3)
    assert "1 of 4 visits have no energy: nvmlDeviceGetTotalEnergyConsumption: NVML_ERROR_GPU_IS_LOST" in found["marks"]
    product = first["energy_mj"] * third["energy_mj"] * fourth["energy_mj"]
    assert found["energy_per_sample_mj"] == pytest.approx(product ** (1 / 3))


def test_a_gpu_lost_in_mid_window_is_null(bench):
    made = bench(Board(), visits=2)
    library, counter = nvml.load_library(), made.board.counter_mj

    def read(handle: object) -> int:
        if made.board.busy_s > 0.03:  # of the first visit's window of 0.1 s
            raise library.NVMLError(15)
        return counter(handle)

    library.nvmlDeviceGetTotalEnergyConsumption = read
    found = made.measured()
    assert [visit["energy_code"] for visit in made.visits_made] == ["NVML_ERROR_GPU_IS_LOST"] * 2
    assert found["code"] == "NVML_ERROR_GPU_IS_LOST"
    assert is_null(found)


def test_windows_that_scatter_too_much_are_refused(bench):
    made = bench(Board(), visits=2, largest_u95=0.0)
    found = made.measured()
    assert (found["code"], found["status"]) == ("TOO_UNCERTAIN", "unavailable")
    assert "the visits scatter" in found["reason"]
    assert is_null(found)


def test_too_few_ticks_of_all_visits_together_are_refused(bench):
    """One visit of four has its share of the ticks alone."""
    made = bench(Board(), visits=4)
    made.visit()
    assert made.energy()["code"] == "TOO_FEW_TICKS"
    assert "expected 20" in made.energy()["reason"]
    assert is_null(made.energy())
    for _ in range(3):
        made.visit()
    assert made.energy()["code"] is None
    assert made.energy()["ticks"] >= 20


@pytest.mark.parametrize(
    ("policy", "words"),
    [({"marked_u95": 0.0}, "the visits scatter by"), ({"marked_gap_share": 0.0}, "no forward ran")],
)
def test_a_figure_beyond_a_lesser_limit_is_given_with_a_mark(bench, policy, words):
    found = bench(Board(), **policy).measured()
    assert found["status"] == "marked"
    assert words in found["marks"]
    assert found["energy_per_sample_mj"] > 0
    assert found["code"] is None


def test_power_that_rises_from_visit_to_visit_is_marked_as_a_drift(bench):
    made = bench(Board())
    for _ in range(4):
        made.visit()
        made.board.busy_w += 100
    found = made.close()
    assert found["drift_rel"] > 0.3  # power rises from 200 to 500 W; how long a round takes depends on the machine
    assert found["status"] == "marked"
    # Whether as a drift or as scatter depends on how evenly the machine runs; test_energy_figures.py tells them apart.


class KnownMeter:
    """A meter that always shows the same power; the second one shows another."""

    method, scope, read_cost_s, tick_period_s = "rapl_powercap", "all", None, 0.001
    needs_long_window = begins_at_update = False

    def __init__(self, power_w: float, second: KnownMeter | None = None) -> None:
        self._power_w, self._second = power_w, second

    def second_meter(self) -> KnownMeter | None:
        return self._second

    def visit_window_s(self, remaining_visits: int, ticks: int, read: Reader = at_once) -> float:
        return 0.02

    def measure(self, duration_s: float, read: Reader = at_once) -> Reading:
        start_s = time.perf_counter()
        time.sleep(duration_s)
        end_s = time.perf_counter()
        return Reading(start_s, end_s, 1000 * self._power_w * (end_s - start_s), round(1000 * duration_s), 0.0)


@pytest.mark.parametrize(
    ("second_w", "difference", "disputed"),
    [(104.99, 0.0499, False), (105.01, 0.0501, True), (95.01, -0.0499, False), (94.99, -0.0501, True)],
)
def test_meters_that_differ_by_more_than_5_percent_dispute_a_figure(bench, monkeypatch, second_w, difference, disputed):
    meter_of_the_machine(monkeypatch, lambda: KnownMeter(100.0, KnownMeter(second_w)))
    found = bench(Board(), visits=2, device=CPU, largest_dispute=0.05).measured()
    assert found["cross_check_rel"] == pytest.approx(difference)
    assert (found["status"] == "disputed") is disputed
    assert ("counter and integrated power differ" in (found["marks"] or "")) is disputed
    assert found["mean_power_w"] == pytest.approx(100)


def test_gaps_between_the_rounds_are_metered_and_marked(bench):
    board = Board()
    board.gap_s = 0.001
    found = bench(board, largest_dispute=9).measured()
    assert 0.3 < found["gap_share"] < 0.7
    assert found["status"] == "marked"
    assert "of the time no forward ran" in found["marks"]
    assert found["loop_ms"] > 2


def test_energy_off_reads_no_meter(bench):
    made = bench(Board(), visits=2, energy="off")
    found = made.measured()
    assert (found["status"], found["code"]) == ("off", "OFF")
    assert "--energy off" in found["reason"]
    assert is_null(found)
    assert made.board.reads_s == []
    assert [visit["energy_mj"] for visit in made.visits_made] == [None, None]


def test_energy_required_and_measured_is_no_error(bench):
    assert bench(Board(), energy="require").measured()["energy_per_sample_mj"] > 0


def test_energy_required_and_without_a_meter_is_an_error(bench):
    made = bench(Board(nvmlDeviceGetMigMode=lambda handle: (1, 1)), visits=2, energy="require")
    with pytest.raises(EnergyRequiredError, match=r"--energy require: the energy of fp32-eager-b2x\d+ .* \(MIG\)"):
        made.measured()


def test_energy_required_and_refused_is_an_error_after_the_visits(bench):
    made = bench(Board(), visits=2, energy="require", largest_u95=0.0)
    made.visit()
    made.visit()
    with pytest.raises(EnergyRequiredError, match="is not known \\(the visits scatter"):
        made.close()


#: A board that has neither counter nor instantaneous power.
AVERAGE_ONLY = {
    "nvmlDeviceGetTotalEnergyConsumption": 3,
    "nvmlDeviceGetFieldValues": lambda handle, fields: [field_value(3, 0)],
    "nvmlDeviceGetPowerUsage": lambda handle: 120_000,
}


def test_a_sensor_of_average_power_gets_one_long_window_after_the_visits(bench, quick_energy):
    made = bench(Board(**AVERAGE_ONLY), visits=2)
    visits = [made.visit(), made.visit()]
    assert [visit["energy_mj"] for visit in visits] == [None, None]
    assert [visit["energy_code"] for visit in visits] == ["NO_WINDOW", "NO_WINDOW"]
    assert all(visit["loop_ms"] > 0 for visit in visits)
    assert (made.energy()["status"], made.energy()["code"]) == ("unavailable", "NO_WINDOW")
    found = made.close()
    assert (found["method"], found["windows"], found["reason"]) == ("power_integration_avg1s", 1, None)
    assert found["window_s"] >= quick_energy.average.window_s
    assert found["mean_power_w"] == pytest.approx(120)
    assert found["energy_per_sample_mj"] == pytest.approx(120 * found["loop_ms"] / BATCH_SIZE)
    assert (found["rel_u95"], found["cross_check_rel"]) == (None, None)
    assert "no second meter" in found["cross_check_reason"]
    assert "visits have no energy" not in str(found["marks"])
    assert found["energy_per_sample_net_mj"] is None  # 120 W idle, too


def test_a_long_window_that_fails_is_null_with_its_reason(bench):
    made = bench(Board(**AVERAGE_ONLY), visits=1)
    made.visit()
    nvml.load_library().nvmlDeviceGetPowerUsage = lambda handle: 0
    found = made.close()
    assert (found["status"], found["code"]) == ("unavailable", "NO_POWER")
    assert is_null(found)


def test_instantaneous_power_is_metered_in_the_visits(bench):
    made = bench(Board(nvmlDeviceGetTotalEnergyConsumption=3), visits=2)
    found = made.measured()
    assert (found["method"], found["windows"]) == ("power_integration_instant", 2)
    assert found["mean_power_w"] == pytest.approx(200)
    assert all(visit["window_s"] >= 0.1 for visit in made.visits_made)


def test_a_machine_without_rapl_has_no_energy(bench, tmp_path, monkeypatch):
    meter_of_the_machine(monkeypatch, lambda: Rapl(tmp_path))
    found = bench(Board(), visits=1, device=CPU).measured()
    assert found["code"] == "NO_RAPL"
    assert is_null(found)


def test_a_cpu_is_metered_by_its_packages(bench, tmp_path, monkeypatch):
    domain = tmp_path / "intel-rapl:0"
    domain.mkdir()
    for name, text in (("name", "package-0"), ("max_energy_range_uj", str(10**15))):
        (domain / name).write_text(text)
    (domain / "energy_uj").write_text("0")
    begun_s = time.perf_counter()

    class Package(Rapl):
        """A package of 40 W."""

        window_s = 0.05

        def _read_uj(self) -> list[int]:
            return [int(40e6 * (time.perf_counter() - begun_s))]

    meter_of_the_machine(monkeypatch, lambda: Package(tmp_path))
    made = bench(Board(), visits=2, device=CPU)
    found = made.measured()
    assert (found["method"], found["windows"]) == ("rapl_powercap", 2)
    assert "machine" in found["scope"]
    assert found["mean_power_w"] == pytest.approx(40, rel=0.05)
    assert found["energy_per_sample_mj"] == pytest.approx(40 * found["loop_ms"] / BATCH_SIZE, rel=0.05)
    assert "no second meter" in found["cross_check_reason"]


class FilePackage:
    """A package of 40 W in a powercap folder, whose counter gives an error in chosen visits."""

    def __init__(self, folder, monkeypatch) -> None:
        domain = folder / "intel-rapl:0"
        domain.mkdir()
        (domain / "name").write_text("package-0")
        (domain / "max_energy_range_uj").write_text(str(10**15))
        self.fails, self.begun_s, self.read_text = False, time.perf_counter(), Path.read_text
        monkeypatch.setattr(Path, "read_text", lambda path, *how, **more: self.read(path, *how, **more))
        meter_of_the_machine(monkeypatch, lambda: ShortRapl(folder))

    def read(self, path, *how, **more) -> str:
        if path.name != "energy_uj":
            return self.read_text(path, *how, **more)
        if self.fails:
            raise OSError(errno.ENODATA, os.strerror(errno.ENODATA), str(path))
        return str(int(40e6 * (time.perf_counter() - self.begun_s)))


class ShortRapl(Rapl):
    """The meter, with windows of 50 ticks."""

    window_s = 0.05


def test_a_cpu_counter_that_fails_in_one_visit_costs_that_visits_energy_alone(bench, tmp_path, monkeypatch):
    package = FilePackage(tmp_path, monkeypatch)
    made = bench(Board(), visits=4, device=CPU, energy="require")
    for number in range(1, 5):
        package.fails = number == 2
        made.visit()
    package.fails = False
    found = made.close()
    assert [visit["energy_code"] for visit in made.visits_made] == [None, "COUNTER_UNREADABLE", None, None]
    assert "No data available" in made.visits_made[1]["energy_reason"]
    assert all(made.visits_made[1][name] is None for name in OF_A_VISIT)
    assert (found["status"], found["windows"]) == ("marked", 3)
    assert "1 of 4 visits have no energy: " in found["marks"]
    assert found["mean_power_w"] == pytest.approx(40, rel=0.05)


@pytest.mark.parametrize(("lost", "code"), [((), None), ((3,), "TOO_FEW_TICKS")])
def test_the_other_visits_of_a_cpu_need_the_usual_ticks_or_energy_that_is_required_fails(
    bench, tmp_path, monkeypatch, lost, code
):
    """Five windows of 50 ticks have the 220 that are asked for here, four have not."""
    package = FilePackage(tmp_path, monkeypatch)
    made = bench(Board(), visits=5, device=CPU, energy="require", fewest_ticks=220)
    for number in range(1, 6):
        package.fails = number in lost
        made.visit()
    assert made.energy()["code"] == code
    with nullcontext() if code is None else pytest.raises(EnergyRequiredError):
        made.close()


def test_a_cpu_counter_that_fails_when_it_is_opened_fails_where_energy_is_required(bench, tmp_path, monkeypatch):
    package = FilePackage(tmp_path, monkeypatch)
    package.fails = True
    with pytest.raises(EnergyRequiredError, match="energy_uj cannot be read \\(No data available\\)"):
        bench(Board(), visits=2, device=CPU, energy="require").visit()


def test_an_error_of_the_meters_own_is_not_swallowed_by_its_thread(bench, monkeypatch):
    made = bench(Board())
    made.visit()

    def broken(self, duration_s: float, read: Reader = at_once) -> Reading:
        raise ZeroDivisionError("a defect of ours")

    monkeypatch.setattr(EnergyCounter, "measure", broken)
    with pytest.raises(ZeroDivisionError, match="a defect of ours"):
        made.visit()
    assert made.visits_made[1]["error"] == "a defect of ours"
    assert len(made.case.done) == 1
