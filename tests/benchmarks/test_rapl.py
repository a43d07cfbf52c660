"""The CPU packages' counters in a made-up powercap folder, on a clock that moves only where something sleeps."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.meters import MeterError, powercap
from benchmarks.meters.powercap import busy
from benchmarks.meters.rapl import Rapl

RANGE_UJ = 262_143_328_850
CORES = len(os.sched_getaffinity(0))


class Counter:
    """An energy counter that is updated each millisecond. `watts` says its power, by how many cores are kept busy."""

    def __init__(self, watts: Callable[[int], float], start_uj: int = 5_000_000) -> None:
        self.watts, self.shown_uj = watts, [float(start_uj)]

    def update(self, busy_cores: int) -> None:
        self.shown_uj.append(self.shown_uj[-1] + 1000 * self.watts(busy_cores))

    def late_by(self, updates: int) -> int:
        return round(self.shown_uj[max(0, len(self.shown_uj) - 1 - updates)]) % RANGE_UJ


def steady(watts: float, start_uj: int = 5_000_000) -> Counter:
    return Counter(lambda _: watts, start_uj)


class Machine:
    """A powercap folder whose counters go on with the clock."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.now_s, self.busy_cores, self.loads = folder, 100.0, 0, []
        self._domains: list[tuple[Path, Counter, int]] = []
        monkeypatch.setattr(time, "perf_counter", lambda: self.now_s)
        monkeypatch.setattr(time, "sleep", self.sleep)
        monkeypatch.setattr(powercap, "busy", self.busy)

    @contextmanager
    def busy(self, count: int) -> Iterator[None]:
        self.busy_cores = count
        self.loads.append(count)
        yield
        self.busy_cores = 0

    def add(self, domain: str, name: str, counter: Counter, late_by: int = 0) -> Path:
        path = self.folder / domain
        path.mkdir()
        (path / "name").write_text(f"{name}\n")
        (path / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
        self._domains.append((path, counter, late_by))
        self._show()
        return path

    def sleep(self, seconds: float) -> None:
        for _ in range(round(1000 * seconds)):
            for counter in {id(counter): counter for _, counter, _ in self._domains}.values():
                counter.update(self.busy_cores)
        self.now_s += seconds
        self._show()

    def _show(self) -> None:
        for path, counter, late_by in self._domains:
            (path / "energy_uj").write_text(f"{counter.late_by(late_by)}\n")

    def power_w(self) -> float:
        return Rapl(self.folder).measure(1.0).power_w


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Machine:
    """A machine without a package."""
    return Machine(tmp_path, monkeypatch)


@pytest.mark.parametrize("late_by", [0, 1, 2])
@pytest.mark.parametrize("dies", [2, 4])
def test_dies_that_mirror_one_counter_count_once(machine, dies, late_by):
    """Also where the copies are updated up to two updates later."""
    counter = steady(68.0)
    for die in range(dies):
        machine.add(f"intel-rapl:{die}", f"package-0-die-{die}", counter, late_by * (die % 2))
    assert machine.power_w() == pytest.approx(68)


@pytest.mark.parametrize(
    ("first", "second", "power_w"),
    [
        (steady(20.0), steady(48.0), 68),
        (steady(34.0), steady(34.0, start_uj=9_000_000), 68),
        (steady(34.0, start_uj=RANGE_UJ - 10), steady(34.0, start_uj=700_000), 68),  # one of them wraps around
        # Of one energy since the machine was started, until one die has more to do than the other.
        (Counter(lambda cores: 30 + 20 * (cores > 0)), Counter(lambda cores: 30 + 20 * (cores > 1)), 60),
        (Counter(lambda cores: 30 + 50 * (cores > 1)), Counter(lambda cores: 30 + 40 * (cores > 1)), 60),
    ],
)
def test_dies_with_counters_of_their_own_are_added(machine, first, second, power_w, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    machine.add("intel-rapl:0", "package-0-die-0", first)
    machine.add("intel-rapl:1", "package-0-die-1", second)
    assert machine.power_w() == pytest.approx(power_w)


def test_sockets_are_added_whose_dies_mirror_theirs(machine):
    sockets = steady(68.0), steady(30.0)
    for number in range(4):
        machine.add(f"intel-rapl:{number}", f"package-{number // 2}-die-{number % 2}", sockets[number // 2])
    assert machine.power_w() == pytest.approx(98)


def test_a_mirror_that_wraps_around_while_it_is_watched_is_still_one(machine):
    counter = steady(68.0, start_uj=RANGE_UJ - 10_000_000)
    machine.add("intel-rapl:0", "package-0-die-0", counter)
    machine.add("intel-rapl:1", "package-0-die-1", counter, late_by=1)
    assert machine.power_w() == pytest.approx(68)


@pytest.mark.parametrize("own_w", [None, 34.0])
def test_of_everything_that_powercap_may_show_the_packages_alone_count(machine, own_w):
    """The domain of a whole package counts its dies, whether they mirror it or have counters of their own."""
    package = steady(68.0)
    machine.add("intel-rapl:0", "package-0", package)
    machine.add("intel-rapl:0:0", "core", steady(40.0))
    (machine.add("intel-rapl:0:1", "uncore", steady(3.0)) / "name").unlink()  # what a part is called is not asked
    machine.add("intel-rapl:0:2", "dram", steady(7.0))
    for die in (1, 2):
        own = package if own_w is None else steady(own_w, start_uj=1000 * die)
        machine.add(f"intel-rapl:{die}", f"package-0-die-{die}", own)
    machine.add("intel-rapl:3", "psys", steady(90.0))
    machine.add("intel-rapl-mmio:0", "package-0", package)
    machine.add("intel-rapl-mmio:0:0", "dram", steady(7.0))
    assert machine.power_w() == pytest.approx(68)


def test_two_domains_of_one_name_are_watched_as_dies_are(machine):
    counter = steady(68.0)
    machine.add("intel-rapl:0", "package-0", counter)
    machine.add("intel-rapl:1", "package-0", counter)
    assert machine.power_w() == pytest.approx(68)


def test_the_proof_takes_300_ms_once_and_only_of_a_package_with_several_domains(machine):
    machine.add("intel-rapl:0", "package-0", steady(68.0))
    machine.add("intel-rapl:1", "package-1", steady(68.0, start_uj=1))
    Rapl(machine.folder)
    assert (machine.now_s, machine.loads) == (100.0, [])
    counter = steady(68.0)
    for number in range(2, 6):
        machine.add(f"intel-rapl:{number}", f"package-{number // 2 + 1}-die-{number % 2}", counter)
    Rapl(machine.folder)
    assert machine.now_s == pytest.approx(100.3)
    assert machine.loads == [0, 1, CORES]


def copies_late_by(*late_by: int) -> Mapping[str, tuple[Counter, int]]:
    counter = steady(68.0)
    return {f"package-0-die-{die}": (counter, updates) for die, updates in enumerate(late_by)}


@pytest.mark.parametrize(
    ("dies", "because"),
    [
        ({"package-0-die-0": (steady(0.0), 0), "package-0-die-1": (steady(0.0), 0)}, "they stood still with all cores"),
        (copies_late_by(0, 2, 4), "one agrees with two that differ"),
        (
            {
                "package-0-die-0": (Counter(lambda cores: {0: 30, 1: 50, 2: 40}[cores]), 0),
                "package-0-die-1": (Counter(lambda cores: {0: 30, 1: 40, 2: 50}[cores]), 0),
            },
            "they agree again after they differed",
        ),
    ],
    ids=["still", "between", "again"],
)
def test_where_it_cannot_be_told_there_is_no_energy(machine, monkeypatch, dies, because):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    for number, (name, (counter, late_by)) in enumerate(dies.items()):
        machine.add(f"intel-rapl:{number}", name, counter, late_by)
    with pytest.raises(MeterError, match=f"whether package-0-die-0, .* cannot be told: {because}") as caught:
        Rapl(machine.folder)
    assert caught.value.code == "COUNTERS_UNCLEAR"


def test_packages_add_up_and_wrap_around(machine):
    machine.add("intel-rapl:0", "package-0", steady(300.0, start_uj=RANGE_UJ - 100_000_000))
    machine.add("intel-rapl:1", "package-1", steady(40.0))
    meter = Rapl(machine.folder)
    reading = meter.measure(0.5)
    assert reading.energy_mj == pytest.approx(170_000)
    assert (reading.start_s, reading.end_s, reading.ticks) == (100.0, 100.5, 500)
    assert reading.rel_u == pytest.approx(0.001 / 6**0.5 / 0.5)  # both ends lie anywhere within a millisecond
    assert reading.power_w == pytest.approx(340)
    assert "machine" in meter.scope
    assert meter.visit_window_s(1, 0) == meter.visit_window_s(9, 30) == 0.5


def test_packages_that_stand_still_are_no_energy_of_zero(machine):
    machine.add("intel-rapl:0", "package-0", steady(0.0))
    with pytest.raises(MeterError, match="stood still"):
        Rapl(machine.folder).measure(0.001)


def test_a_machine_without_rapl_says_so(tmp_path):
    with pytest.raises(MeterError, match="no CPU package"):
        Rapl(tmp_path)


def broken(path: Path, fault: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a file hold something else, be gone, or give an error of the system as it is read."""
    if isinstance(fault, int):
        read_text = Path.read_text

        def failing(self: Path, *arguments: object, **options: object) -> str:
            if self == path:
                raise OSError(fault, os.strerror(fault), str(self))
            return read_text(self, *arguments, **options)

        monkeypatch.setattr(Path, "read_text", failing)
    elif fault is None:
        path.unlink()
    else:
        path.write_bytes(fault)


FAULTS = [
    ("energy_uj", errno.ENODATA, "COUNTER_UNREADABLE", "No data available"),
    ("energy_uj", errno.EIO, "COUNTER_UNREADABLE", "Input/output error"),
    ("energy_uj", errno.EACCES, "NO_PERMISSION", r"sudo chmod a\+r"),
    ("energy_uj", b"", "COUNTER_UNREADABLE", "holds ''; expected a number of microjoules"),
    ("energy_uj", b"-1\n", "COUNTER_UNREADABLE", "holds '-1'; expected"),
    ("energy_uj", b"\xff", "COUNTER_UNREADABLE", "cannot be read"),
    ("energy_uj", None, "COUNTER_UNREADABLE", "No such file"),
    ("max_energy_range_uj", None, "COUNTER_UNREADABLE", "No such file"),
    ("max_energy_range_uj", b"0\n", "COUNTER_UNREADABLE", "holds 0; expected the range of the counter"),
    ("name", errno.EIO, "COUNTER_UNREADABLE", "name cannot be read"),
    ("name", b"\xff", "COUNTER_UNREADABLE", "name cannot be read"),
]


@pytest.mark.parametrize("name", ["package-{}", "package-0-die-{}"])
@pytest.mark.parametrize(("file", "fault", "code", "words"), FAULTS)
def test_a_counter_that_fails_when_it_is_opened_is_no_meter(machine, monkeypatch, name, file, fault, code, words):
    machine.add("intel-rapl:0", name.format(0), steady(20.0))
    domain = machine.add("intel-rapl:1", name.format(1), steady(48.0))
    monkeypatch.setattr(machine, "_show", lambda: None)
    broken(domain / file, fault, monkeypatch)
    with pytest.raises(MeterError, match=words) as caught:
        Rapl(machine.folder)
    assert caught.value.code == code


@pytest.mark.parametrize("fault", [errno.ENODATA, errno.EIO, b"", None])
def test_a_counter_that_fails_once_costs_that_window_alone(machine, fault):
    machine.add("intel-rapl:0", "package-0", steady(20.0))
    domain = machine.add("intel-rapl:1", "package-1", steady(48.0))
    meter = Rapl(machine.folder)
    with pytest.MonkeyPatch.context() as patch:
        broken(domain / "energy_uj", fault, patch)
        with pytest.raises(MeterError) as caught:
            meter.measure(1.0)
    assert caught.value.code == "COUNTER_UNREADABLE"
    machine.sleep(0.001)  # the file is written again
    assert meter.measure(1.0).power_w == pytest.approx(68)


def test_cores_are_kept_busy_while_counters_are_watched_and_no_longer():
    before, begun_s = threading.active_count(), time.process_time()
    with busy(2):
        assert threading.active_count() == before + 2
        gives_up_s = time.monotonic() + 60
        while time.process_time() < begun_s + 0.05 and time.monotonic() < gives_up_s:
            time.sleep(0.001)
    assert time.process_time() >= begun_s + 0.05
    assert threading.active_count() == before
