"""Meters: which is chosen, what its readings mean, and what it refuses to call an energy."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from benchmarks.instruments.energy import meters
from benchmarks.instruments.energy.meters import average_power, choose_meter, instant_power
from benchmarks.instruments.energy.rapl import Rapl
from benchmarks.policies import EnergyPolicy
from fixtures.device import nvml
from fixtures.device.nvml import Gpu, NvmlError
from tests.fake_nvml import fake_nvml, field_value

CUDA = torch.device("cuda", 0)
POLICY = EnergyPolicy()
pytestmark = pytest.mark.usefixtures("quick_energy")


def gpu(**functions: object) -> Gpu:
    return Gpu(fake_nvml(**functions), "handle")


def test_meters_are_chosen_by_asking_in_the_order_of_their_worth():
    assert choose_meter(gpu(), POLICY).method == "nvml_energy_counter"
    assert choose_meter(gpu(nvmlDeviceGetTotalEnergyConsumption=3), POLICY).method == "power_integration_instant"
    no_field = {"nvmlDeviceGetTotalEnergyConsumption": 3, "nvmlDeviceGetFieldValues": lambda h, f: [field_value(3, 0)]}
    assert choose_meter(gpu(**no_field), POLICY).method == "power_integration_avg1s"
    with pytest.raises(NvmlError, match="NVML_ERROR_NOT_SUPPORTED"):
        choose_meter(gpu(**no_field, nvmlDeviceGetPowerUsage=3), POLICY)


@pytest.mark.parametrize(
    ("answer", "code"), [(field_value(3, 0), "NVML_ERROR_NOT_SUPPORTED"), (field_value(0, 9, 0), "UNKNOWN_VALUE_TYPE")]
)
def test_a_field_that_failed_is_an_error_not_a_power_of_zero(answer, code):
    with pytest.raises(NvmlError) as caught:
        gpu(nvmlDeviceGetFieldValues=lambda handle, fields: [answer]).instant_power_w()
    assert caught.value.code == code


@pytest.mark.parametrize("meter", [instant_power, average_power])
def test_a_constant_power_integrates_to_power_times_time(meter, quick_energy):
    board = {
        "nvmlDeviceGetFieldValues": lambda handle, fields: [field_value(0, 150_500)],
        "nvmlDeviceGetPowerUsage": lambda handle: 150_500,
    }
    reading = meter(gpu(**board), quick_energy).measure(0.05, 1)[0]
    assert reading.energy_mj == pytest.approx(150_500 * (reading.end_s - reading.start_s))
    assert reading.power_w == pytest.approx(150.5)


def test_a_power_of_zero_is_no_energy():
    with pytest.raises(meters.MeterError, match="showed 0 W"):
        instant_power(gpu(), POLICY).measure(0.01, 1)


def rapl_package(folder, number: int, energy_uj: int) -> None:
    domain = folder / f"intel-rapl:{number}"
    domain.mkdir(parents=True)
    (domain / "name").write_text(f"package-{number}\n")
    (domain / "max_energy_range_uj").write_text("1000000\n")
    (domain / "energy_uj").write_text(f"{energy_uj}\n")


def test_cpu_packages_add_up_and_wrap_around(tmp_path, monkeypatch):
    rapl_package(tmp_path, 0, 900_000)
    rapl_package(tmp_path, 1, 100_000)
    part = tmp_path / "intel-rapl:0:0"
    part.mkdir()
    (part / "name").write_text("core")
    meter = Rapl(tmp_path)

    moments_s = iter([10.0, 10.5])

    def pass_time(seconds: float) -> None:
        (tmp_path / "intel-rapl:0" / "energy_uj").write_text("50000")  # 150,000 on, past its end at 1,000,000
        (tmp_path / "intel-rapl:1" / "energy_uj").write_text("120000")

    monkeypatch.setattr("time.sleep", pass_time)
    monkeypatch.setattr("time.perf_counter", lambda: next(moments_s))
    (reading,) = meter.measure(1.0, 1)
    assert reading.energy_mj == pytest.approx(170)
    assert (reading.start_s, reading.end_s, reading.ticks) == (10.0, 10.5, 500)
    assert reading.rel_u == pytest.approx(0.001 / 6**0.5 / 0.5)  # both ends lie anywhere within a millisecond
    assert reading.power_w == pytest.approx(0.34)
    assert "machine" in meter.scope


def test_cpu_packages_that_stand_still_are_no_energy_of_zero(tmp_path):
    rapl_package(tmp_path, 0, 5)
    with pytest.raises(meters.MeterError, match="stood still"):
        Rapl(tmp_path).measure(0.001, 1)


def test_a_machine_without_rapl_says_so(tmp_path):
    with pytest.raises(meters.MeterError, match="no CPU package"):
        Rapl(tmp_path)


def test_a_counter_that_only_root_may_read_says_how_to_grant_it(tmp_path, monkeypatch):
    rapl_package(tmp_path, 0, 5)
    read_text = type(tmp_path).read_text

    def guarded(path, *arguments, **options):
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(path))
        return read_text(path, *arguments, **options)

    monkeypatch.setattr(type(tmp_path), "read_text", guarded)
    with pytest.raises(meters.MeterError, match=r"sudo chmod a\+r"):
        Rapl(tmp_path)


def test_the_gpu_is_found_by_its_uuid_with_nvmls_prefix(monkeypatch):
    asked = []
    library = fake_nvml(nvmlDeviceGetHandleByUUID=lambda uuid: asked.append(uuid))
    monkeypatch.setattr(nvml, "load_library", lambda: library)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="11-22"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-33-44,GPU-11-22")
    nvml.open_gpu(CUDA)
    assert asked == ["GPU-11-22"]
