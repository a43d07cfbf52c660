"""Windows of energy on devices whose power is known: rounds from half a millisecond to two seconds."""

from __future__ import annotations

import bisect
import math
import random
import statistics
import time
from types import SimpleNamespace

import pytest
import torch

from benchmarks.instruments.energy.figures import energy_figures
from benchmarks.instruments.energy.metering import metered_window
from benchmarks.instruments.energy.windows import wait_for_a_round, window_of_rounds
from benchmarks.loop import Rounds
from benchmarks.meters import MeterError
from benchmarks.meters.energy_counter import EnergyCounter
from benchmarks.meters.rapl import Rapl
from benchmarks.policies import EnergyPolicy
from fixtures.device.nvml import NvmlError

POLICY = EnergyPolicy()
TICK_S, READ_S = 0.1, 0.003
#: A round draws 300 W and in its last quarter 500; between rounds, and before the warm-up, it draws 100.
POWERS_W, MEAN_W, IDLE_W = ((0.75, 300.0), (1.0, 500.0)), 350.0, 100.0
#: The same rounds run before, until a moment before those that are timed; a visit follows another after a while.
WARM_UP_S, PAUSE_S, BETWEEN_S = 0.12, 0.0015, 3.0
VISITS, SESSIONS = 5, 40
ROUNDS_S = (0.0005, 0.005, 0.02, 0.05, 0.098, 0.11, 0.205, 0.3, 1.0, 2.0)


class Course:
    """Rounds that go on by a clock which moves only where something sleeps or reads, and the energy that they take."""

    def __init__(self, round_s: float, gap_share: float, seed: int, after_s: float = 1000.0) -> None:
        self.round_s, self.gap_s, self.random = round_s, gap_share * round_s, random.Random(seed)
        self.now_s = self.begun_s = after_s + BETWEEN_S + self.random.random()
        self.starts_s, self.ends_s, self.energies_j = [], [], []
        self.are_over = False

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now_s += seconds

    def _go_on(self, moment_s: float) -> None:
        while not self.ends_s or self.ends_s[-1] < moment_s:
            start_s = self.ends_s[-1] + self.gap_s if self.ends_s else self.begun_s
            self.starts_s.append(start_s)
            self.ends_s.append(start_s + self.round_s * self.random.uniform(0.98, 1.02))

    @property
    def end_s(self) -> list[float]:
        """The ends of the rounds that are over."""
        self._go_on(self.now_s)
        return self.ends_s[: bisect.bisect_right(self.ends_s, self.now_s)]

    @property
    def start_s(self) -> list[float]:
        self._go_on(self.now_s)
        return self.starts_s[: bisect.bisect_right(self.starts_s, self.now_s)]

    def energy_j(self, moment_s: float) -> float:
        """Return what was drawn up to a moment, since an hour before the rounds."""
        before_s = min(moment_s, self.begun_s) - self.begun_s
        warm_up_s = min(WARM_UP_S, max(0.0, before_s + WARM_UP_S + PAUSE_S))
        joules = IDLE_W * (before_s + 3600) + (MEAN_W - IDLE_W) * warm_up_s
        if moment_s <= self.begun_s:
            return joules
        self._go_on(moment_s)
        number = bisect.bisect_right(self.starts_s, moment_s)
        while len(self.energies_j) < number:  # up to the beginning of each round
            before = self.energies_j[-1] if self.energies_j else joules
            last = len(self.energies_j) - 1
            gap_j = IDLE_W * self.gap_s if last >= 0 else 0.0
            self.energies_j.append(before + (self._in_round(last, 1.0) + gap_j if last >= 0 else 0.0))
        start_s, end_s = self.starts_s[number - 1], self.ends_s[number - 1]
        share = min(1.0, (moment_s - start_s) / (end_s - start_s))
        return self.energies_j[number - 1] + self._in_round(number - 1, share) + IDLE_W * max(0.0, moment_s - end_s)

    def _in_round(self, number: int, share: float) -> float:
        joules, before = 0.0, 0.0
        for end, watts in POWERS_W:
            joules += watts * max(0.0, min(share, end) - before)
            before = end
        return joules * (self.ends_s[number] - self.starts_s[number])

    @property
    def truth_mj(self) -> float:
        """The energy of a mean round and of the gap behind it."""
        return 1000 * (MEAN_W * self.round_s + IDLE_W * self.gap_s)

    def rounds(self) -> Rounds:
        self._go_on(self.now_s)
        return Rounds([], 0, list(self.starts_s), list(self.ends_s))


class CounterOf:
    """NVML's counter of a course, which shows the energy at its last tick, or that of a while before it."""

    def __init__(self, course: Course, lag_s: float) -> None:
        self.course, self.lag_s = course, lag_s

    def total_energy_mj(self) -> int:
        self.course.sleep(READ_S * self.course.random.uniform(0.9, 1.1))
        tick_s = math.floor(self.course.now_s / TICK_S) * TICK_S
        return round(1000 * self.course.energy_j(tick_s - self.lag_s))

    def instant_power_w(self, scope: int) -> float:
        raise NvmlError("NVML_ERROR_NOT_SUPPORTED", "field 186")


def rapl_of(course: Course) -> Rapl:
    """The CPU's counter of a course, which ticks each millisecond."""
    made = object.__new__(Rapl)
    made._ranges_uj = [2**62]
    made._read_uj = lambda: [round(1e6 * course.energy_j(math.floor(1000 * course.now_s) / 1000))]
    return made


def visits(monkeypatch, kind: str, round_s: float, gap_share: float = 0.0, session: int = 0, count: int = VISITS):
    """Meter visits one after the other as the instrument does: the counter is opened once."""
    windows, now_s, board = [], 1000.0, None
    for number in range(count):
        course = Course(round_s, gap_share, 100 * session + number, now_s)
        monkeypatch.setattr(time, "perf_counter", lambda course=course: course.now_s)
        monkeypatch.setattr(time, "sleep", course.sleep)
        monkeypatch.setattr(random.SystemRandom, "random", lambda _, course=course: course.random.random())
        device = torch.device("cpu" if kind == "rapl" else "cuda")
        case = SimpleNamespace(settings=SimpleNamespace(device=device), rounds_a_visit=20)
        if kind == "rapl":
            meter = rapl_of(course)
        elif board is None:
            board = CounterOf(course, TICK_S * (kind == "late"))
            meter = EnergyCounter(board, POLICY)
        else:
            board.course = course
        window_s = meter.visit_window_s(VISITS, 0)
        reading = meter.measure(window_of_rounds(case, meter, course, window_s, POLICY))
        windows.append(metered_window(reading, course.rounds(), 1, POLICY.fewest_rounds))
        now_s = course.now_s
    return windows, course


@pytest.mark.parametrize("gap_share", [0.0, 0.03])
@pytest.mark.parametrize("kind", ["counter", "late", "rapl"])
@pytest.mark.parametrize("round_s", ROUNDS_S)
def test_energy_is_right_and_its_uncertainty_holds_it_however_long_a_round_is(monkeypatch, round_s, kind, gap_share):
    ratios, held = [], 0
    for session in range(SESSIONS):
        windows, course = visits(monkeypatch, kind, round_s, gap_share, session)
        found = energy_figures(windows, [], 1, 1.0)
        ratio = found["energy_per_sample_mj"].value / course.truth_mj
        ratios.append(ratio)
        held += abs(ratio - 1) <= found["rel_u95"]
    assert statistics.fmean(ratios) == pytest.approx(1, abs=0.003)
    assert held >= 0.9 * SESSIONS


@pytest.mark.parametrize(
    ("round_s", "kind", "seconds"), [(0.2, "rapl", 4.0), (0.005, "counter", 0.5), (1.0, "counter", 11)]
)
def test_a_window_has_ten_whole_rounds_and_on_a_cpu_all_of_the_visit(monkeypatch, round_s, kind, seconds):
    (window,), _ = visits(monkeypatch, kind, round_s, count=1)
    assert window.rounds >= 10
    assert window.window_s == pytest.approx(seconds, rel=0.21 if kind == "counter" else 0.05)


def test_too_few_rounds_are_no_energy(monkeypatch):
    course = Course(0.02, 0.0, 1)
    course.sleep(0.3)
    reading = SimpleNamespace(start_s=course.begun_s + 0.02, end_s=course.begun_s + 0.2)
    with pytest.raises(
        MeterError, match=r"rounds ran in the meter's window of 0\.18 s; expected 10 at least"
    ) as caught:
        metered_window(reading, course.rounds(), 1, 10)
    assert caught.value.code == "TOO_FEW_ROUNDS"


def test_rounds_that_never_come_are_not_waited_for(monkeypatch):
    rounds = Rounds([], 0)
    rounds.are_over = True
    with pytest.raises(MeterError, match="no three rounds ended beside the meter") as caught:
        wait_for_a_round(rounds, 0.0, 600.0)
    assert caught.value.code == "NO_ROUNDS"
