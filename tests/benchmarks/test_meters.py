"""Meters: which is chosen, what its readings mean, and what it refuses to call an energy."""

from __future__ import annotations

import math
import time
from types import SimpleNamespace

import pytest
import torch

from benchmarks.loop import Rounds
from benchmarks.meters import MEMBERS, METERS, MeterError, MeterSource, open_meter, require_ranks, sources_for
from benchmarks.meters.energy_counter import EnergyCounter
from benchmarks.meters.power_sensor import average_power, instant_power
from benchmarks.policies import EnergyPolicy
from benchmarks.visit import DeviceReads
from core.errors import DeclarationError
from fixtures.device import nvml
from fixtures.device.nvml import Gpu, NvmlError
from tests.support.fake_nvml import fake_nvml, field_value, power_fields
from tests.support.registries import register

CUDA = torch.device("cuda", 0)
POLICY = EnergyPolicy()
pytestmark = pytest.mark.usefixtures("quick_energy")


def gpu(**functions: object) -> Gpu:
    return Gpu(fake_nvml(**functions), "handle")


class Clock:
    """A clock that moves only where something sleeps or reads."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(time, "perf_counter", lambda: made.now_s)
    monkeypatch.setattr(time, "sleep", made.sleep)
    return made


def test_meters_are_chosen_by_asking_in_the_order_of_their_worth(monkeypatch):
    def chosen(**functions: object) -> str:
        monkeypatch.setattr("benchmarks.meters.board.open_gpu", lambda _: gpu(**functions))
        return open_meter(CUDA, POLICY)[0].method

    assert chosen() == "nvml_energy_counter"
    assert chosen(nvmlDeviceGetTotalEnergyConsumption=3) == "power_integration_instant"
    no_field = {"nvmlDeviceGetTotalEnergyConsumption": 3, "nvmlDeviceGetFieldValues": lambda h, f: [field_value(3, 0)]}
    assert chosen(**no_field) == "power_integration_avg1s"
    with pytest.raises(MeterError, match=r"nvml_energy_counter: .*; power_integration_avg1s: .*NOT_SUPPORTED"):
        chosen(**no_field, nvmlDeviceGetPowerUsage=3)


def test_a_meter_beside_the_board_comes_first_where_it_answers_and_costs_nothing_where_it_does_not(monkeypatch):
    monkeypatch.setattr("benchmarks.meters.board.open_gpu", lambda _: gpu())
    external = SimpleNamespace(**dict.fromkeys(MEMBERS) | {"method": "wall_plug"})
    plugged = [True]

    def opened(device: torch.device, policy: EnergyPolicy) -> object:
        if not plugged[0]:
            raise MeterError("NOT_PLUGGED", "the meter does not answer")
        return external

    register(monkeypatch, METERS, MeterSource("wall_plug", "a meter in the wall", 0, ("cuda", "cpu"), opened))
    assert open_meter(CUDA, POLICY) == (external, None)
    assert open_meter(torch.device("cpu"), POLICY) == (external, None)
    plugged[0] = False
    meter, passed_over = open_meter(CUDA, POLICY)
    assert meter.method == "nvml_energy_counter"
    assert passed_over == "wall_plug: the meter does not answer"
    assert next(source.name for source in sources_for(CUDA)) == "wall_plug"


def test_where_no_meter_answers_all_their_reasons_are_given(monkeypatch):
    def fails(device: torch.device, policy: EnergyPolicy) -> object:
        raise MeterError("NOT_PLUGGED", "nothing is plugged in")

    def lost(_: torch.device) -> Gpu:
        raise NvmlError("NVML_ERROR_DRIVER_NOT_LOADED", "no driver")

    monkeypatch.setattr("benchmarks.meters.board.open_gpu", lost)
    with pytest.raises(NvmlError, match="no driver"):  # three meters with one reason
        open_meter(CUDA, POLICY)
    register(monkeypatch, METERS, MeterSource("wall_plug", "a meter in the wall", 0, ("cuda",), fails))
    every = r"wall_plug: nothing is plugged in; nvml_energy_counter: .*no driver"
    with pytest.raises(MeterError, match=every) as caught:
        open_meter(CUDA, POLICY)
    assert caught.value.code == "NVML_ERROR_DRIVER_NOT_LOADED"


def test_a_source_that_is_half_thought_through_is_refused(monkeypatch):
    named = MeterSource("wall_plug", "a meter in the wall", 0, ("cuda",), lambda *_: SimpleNamespace(method="plug"))
    register(monkeypatch, METERS, named)
    with pytest.raises(ValueError, match="the meter wall_plug says that its method is plug"):
        open_meter(CUDA, POLICY)
    bare = MeterSource("wall_plug", "a meter in the wall", 0, ("cuda",), lambda *_: SimpleNamespace(method="wall_plug"))
    register(monkeypatch, METERS, bare)
    with pytest.raises(DeclarationError, match="the meter wall_plug has no scope; expected every member of Meter"):
        open_meter(CUDA, POLICY)
    same_rank = MeterSource("another", "another meter", 10, ("cpu", "cuda"), lambda *_: None)
    with pytest.raises(ValueError, match="nvml_energy_counter and another both have the rank 10 for a cuda"):
        require_ranks([METERS["nvml_energy_counter"], same_rank])


def test_a_device_without_any_meter_is_one_sentence():
    with pytest.raises(MeterError, match="there is no meter for a meta") as caught:
        open_meter(torch.device("meta"), POLICY)
    assert caught.value.code == "NO_METER"


@pytest.mark.parametrize(
    ("answer", "code"), [(field_value(3, 0), "NVML_ERROR_NOT_SUPPORTED"), (field_value(0, 9, 0), "UNKNOWN_VALUE_TYPE")]
)
def test_a_field_that_failed_is_an_error_not_a_power_of_zero(answer, code):
    with pytest.raises(NvmlError) as caught:
        gpu(nvmlDeviceGetFieldValues=lambda handle, fields: [answer]).instant_power_w()
    assert caught.value.code == code


def test_power_is_read_of_the_scope_that_is_asked_for():
    board = gpu(
        nvmlDeviceGetFieldValues=power_fields(f186_s0=300_000, f186_s1=520_000, f185_s0=290_000, f185_s2=48_000)
    )
    assert (board.instant_power_w(), board.instant_power_w(nvml.MODULE_SCOPE)) == (300, 520)
    assert (board.average_power_of_w(nvml.GPU_SCOPE), board.average_power_of_w(nvml.MEMORY_SCOPE)) == (290, 48)
    with pytest.raises(NvmlError, match="field 186 of scope 2: NVML_ERROR_NOT_SUPPORTED"):
        board.instant_power_w(nvml.MEMORY_SCOPE)


@pytest.mark.parametrize(
    ("powers_mw", "scope", "second_w"),
    [
        ({"f186_s0": 300_000}, "gpu", 300),  # an H200
        ({"f186_s0": 300_000, "f186_s1": 520_000}, "module", 520),  # a GH200
        ({"f186_s0": 300_000, "f186_s1": 0}, "gpu", 300),  # an answer, and no power
    ],
)
def test_the_counter_is_compared_with_the_power_of_what_it_counts(powers_mw, scope, second_w, quick_energy):
    meter = EnergyCounter(gpu(nvmlDeviceGetFieldValues=power_fields(**powers_mw)), quick_energy)
    assert meter.scope == scope
    second = meter.second_meter()
    assert (second.scope, second.measure(0.02).power_w) == (scope, pytest.approx(second_w))


@pytest.mark.parametrize("meter", [instant_power, average_power])
def test_a_constant_power_integrates_to_power_times_time(meter, quick_energy):
    board = {
        "nvmlDeviceGetFieldValues": lambda handle, fields: [field_value(0, 150_500)],
        "nvmlDeviceGetPowerUsage": lambda handle: 150_500,
    }
    reading = meter(gpu(**board), quick_energy).measure(0.05)
    assert reading.end_s - reading.start_s >= 0.05
    assert reading.energy_mj == pytest.approx(150_500 * (reading.end_s - reading.start_s))
    assert reading.power_w == pytest.approx(150.5)


def test_a_power_of_zero_is_no_energy():
    with pytest.raises(MeterError, match="showed 0 W"):
        instant_power(gpu(), POLICY).measure(0.01)


def test_a_rising_power_is_integrated_by_trapezoids(quick_energy, clock):
    """100 W at the beginning, 1 W more with each second: the mean of the power at both ends."""
    clock.now_s = 0.0

    def power(handle: object, fields: object) -> list:
        return [field_value(0, round(100_000 + 1000 * clock.now_s))]

    meter = instant_power(gpu(nvmlDeviceGetFieldValues=power), quick_energy)
    reading = meter.measure(20.0)
    assert reading.start_s == 0.0
    assert reading.energy_mj == pytest.approx(1000 * (100 + reading.end_s / 2) * reading.end_s, rel=1e-4)


@pytest.mark.parametrize(("meter", "settles"), [(instant_power, False), (average_power, True)])
def test_only_a_sensor_that_settles_within_a_visit_has_a_window_in_it(meter, settles):
    made = meter(gpu(), POLICY)
    assert made.needs_long_window is settles
    assert made.visit_window_s(5, 0) == (POLICY.average if settles else POLICY.instant).window_s


def test_a_sensor_of_the_last_second_is_read_only_when_it_has_settled(clock):
    read_s = []

    def power(handle: object) -> int:
        read_s.append(clock.now_s)
        return 100_000

    meter = average_power(gpu(nvmlDeviceGetPowerUsage=power), POLICY)
    read_s.clear()  # whether it answers
    clock.now_s = 50.0
    reading = meter.measure(20.0)
    assert read_s[0] == reading.start_s == 52.0
    assert reading.end_s - reading.start_s >= 20.0


class Counter:
    """The energy counter of a board that draws 200 W: a tick every 100 ms, and 3 ms for a read, as on an H100."""

    TICK_S, READ_S, POWER_W = 0.1, 0.003, 200.0

    def __init__(self, clock: Clock, first_tick_s: float = 100.04) -> None:
        self.clock, self.first_tick_s = clock, first_tick_s
        self.reads_s: list[tuple[float, float]] = []
        self.stops_s, self.resets_s, self.quick_from_s = math.inf, math.inf, math.inf

    def read(self, handle: object) -> int:
        begun_s = self.clock.now_s
        self.clock.now_s += self.READ_S if begun_s < self.quick_from_s else self.READ_S / 3
        self.reads_s.append((begun_s, self.clock.now_s))
        seen_s = begun_s + self.READ_S / 2
        ticks = math.floor((min(seen_s, self.stops_s) - self.first_tick_s) / self.TICK_S)
        base_mj = 0 if seen_s >= self.resets_s else 7_000_000
        return base_mj + round(1000 * ticks * self.TICK_S * self.POWER_W)

    def meter(self, policy: EnergyPolicy = POLICY) -> EnergyCounter:
        return EnergyCounter(gpu(nvmlDeviceGetTotalEnergyConsumption=self.read), policy)


def test_each_end_of_a_window_is_as_uncertain_as_its_own_reads(clock):
    counter = Counter(clock)
    counter.quick_from_s = 101.0  # in the window, which begins after the ticks that time the period
    reading = counter.meter().measure(2.0)
    assert reading.start_s < 101.0 < reading.end_s
    assert reading.rel_u == pytest.approx(math.hypot(0.003, 0.001) / math.sqrt(12) / (reading.end_s - reading.start_s))


@pytest.mark.parametrize("ticks", [1, 4, 5, 6, 20])
def test_a_window_of_the_counter_is_a_whole_number_of_its_ticks(clock, ticks):
    meter = Counter(clock).meter()
    reading = meter.measure(0.1 * ticks)
    assert reading.ticks == ticks
    assert reading.energy_mj == 20_000 * ticks  # 200 W for 0.1 s each
    # The moment of a tick is known to lie between two reads, which are 3 ms apart.
    assert reading.end_s - reading.start_s == pytest.approx(0.1 * ticks, abs=0.003)
    assert reading.rel_u == pytest.approx(0.003 / math.sqrt(6) / (reading.end_s - reading.start_s))
    assert meter.tick_period_s == pytest.approx(0.1, abs=0.001)
    assert meter.read_cost_s == pytest.approx(0.003)


@pytest.mark.parametrize("wait_s", [0.0, 0.013, 0.05, 0.087, 0.0999])
def test_a_window_begins_on_a_tick_whenever_it_is_asked_for(clock, wait_s):
    counter = Counter(clock)
    meter = counter.meter()
    meter.measure(0.5)
    clock.now_s += 3 + wait_s
    reading = meter.measure(0.5)
    since_tick_s = (reading.start_s - counter.first_tick_s) % counter.TICK_S
    assert min(since_tick_s, counter.TICK_S - since_tick_s) <= 0.003
    assert (reading.ticks, reading.energy_mj) == (5, 100_000)


def test_the_counter_is_read_only_about_the_ends_of_a_window_and_every_read_is_noted(clock):
    counter = Counter(clock)
    meter = counter.meter()
    meter.measure(0.5)
    counter.reads_s.clear()
    reads = DeviceReads(Rounds([], 0))
    reading = meter.measure(0.5, reads.read)
    assert reads.intervals_s == counter.reads_s
    near = [min(abs(begin - reading.start_s), abs(begin - reading.end_s)) for begin, _ in reads.intervals_s]
    assert max(near) <= POLICY.counter.early_s + 2 * counter.READ_S
    assert len(near) <= 2 * 7  # polling begins 12 ms before a tick, at 3 ms a read


def test_reads_that_find_the_period_are_noted_as_well(clock):
    meter, reads = Counter(clock).meter(), DeviceReads(Rounds([], 0))
    meter.visit_window_s(5, 0, reads.read)
    reads_of_period = len(reads.intervals_s)
    assert reads_of_period > meter.TICKS_FOR_PERIOD
    meter.measure(0.5, reads.read)
    assert len(reads.intervals_s) > reads_of_period


@pytest.mark.parametrize(("visits", "ticks"), [(1, 20), (2, 20), (3, 10), (4, 7), (5, 5), (10, 5), (100, 5)])
def test_a_visits_window_is_five_ticks_and_more_where_visits_are_few(clock, visits, ticks):
    """So many that all visits but one together have 20."""
    assert Counter(clock).meter().visit_window_s(visits, 0) == pytest.approx(0.1 * ticks, rel=0.03)


def test_all_windows_of_a_case_together_have_enough_ticks_for_any_number_of_visits(clock):
    meter = Counter(clock).meter()
    for visits in range(1, 21):
        ticks = 0
        for remaining in range(visits, 0, -1):
            ticks += meter.measure(meter.visit_window_s(remaining, ticks)).ticks
        assert ticks >= POLICY.fewest_ticks


def test_later_windows_make_up_for_one_that_failed(clock):
    meter = Counter(clock).meter()
    # 15 ticks are missing, and 3 windows are left.
    assert meter.visit_window_s(3, 5) == pytest.approx(0.8, rel=0.03)


def test_a_counter_that_stops_is_an_error_after_its_patience(clock):
    counter = Counter(clock)
    meter = counter.meter()
    meter.measure(0.5)
    counter.stops_s = clock.now_s
    with pytest.raises(MeterError, match="stood at") as caught:
        meter.measure(0.5)
    assert caught.value.code == "COUNTER_STOOD_STILL"
    assert clock.now_s - counter.stops_s == pytest.approx(POLICY.counter.patience_s, abs=0.2)


def test_a_counter_that_begins_anew_within_a_window_is_an_error(clock):
    counter = Counter(clock)
    meter = counter.meter()
    meter.measure(0.5)
    counter.resets_s = clock.now_s + 0.3
    with pytest.raises(MeterError) as caught:
        meter.measure(0.5)
    assert caught.value.code == "COUNTER_WENT_BACK"


def test_a_counter_that_fails_in_mid_window_is_nvmls_error_and_the_next_window_stands(clock):
    counter = Counter(clock)
    library = fake_nvml()
    fails = [False]

    def read(handle: object) -> int:
        if fails[0]:
            raise library.NVMLError(15)
        return counter.read(handle)

    library.nvmlDeviceGetTotalEnergyConsumption = read
    meter = EnergyCounter(Gpu(library, "handle"), POLICY)
    meter.measure(0.5)
    fails[0] = True
    with pytest.raises(NvmlError, match="NVML_ERROR_GPU_IS_LOST"):
        meter.measure(0.5)
    fails[0] = False
    assert meter.measure(0.5).energy_mj == 100_000


def test_the_period_becomes_exact_over_a_long_time(clock):
    """The mean of the first four ticks is off by what a read takes; the last tick against the first is not."""
    counter = Counter(clock)
    meter = counter.meter()
    for _ in range(20):
        clock.now_s += 10
        assert meter.measure(0.5).ticks == 5
    assert meter.tick_period_s == pytest.approx(0.1, rel=1e-4)


def test_the_gpu_is_found_by_its_uuid_with_nvmls_prefix(monkeypatch):
    asked = []
    library = fake_nvml(nvmlDeviceGetHandleByUUID=lambda uuid: asked.append(uuid))
    monkeypatch.setattr(nvml, "load_library", lambda: library)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="11-22"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-33-44,GPU-11-22")
    nvml.open_gpu(CUDA)
    assert asked == ["GPU-11-22"]
