"""A board whose every reading is known, and a session that meters cases on it."""

from __future__ import annotations

import math
import random
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from benchmarks.instruments.energy.instrument import Energy
from benchmarks.loop import ForwardLoop
from benchmarks.measured_case import MeasuredCase
from benchmarks.policies import Policies, TimingPolicy
from benchmarks.session import Session
from benchmarks.visiting import TimedVisit
from core.case import Case
from core.metrics.records import Record
from fixtures.dataset.batches import FULL, Batch
from fixtures.device import nvml
from fixtures.executions import Forward
from fixtures.tasks.language_modeling import TASK
from tests.support.fake_nvml import fake_nvml, power_fields
from tests.support.shared_clock import SharedClock

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
TICK_S = 0.01
BATCH_SIZE, TEXT_TOKENS = 2, 60
#: What is known of a visit's energy.
OF_A_VISIT = ("energy_mj", "power_w", "window_s", "window_middle_s", "window_rounds", "window_rel_u", "ticks")


class Board:
    """A GPU that draws `idle_w`, or `busy_w` while a forward runs, and whose counter ticks every 10 ms.

    Its time is that of a `SharedClock`. What the counter shows is the energy at the tick itself, however late it is
    read.
    """

    def __init__(self, busy_w: float = 200.0, idle_w: float = 50.0, **functions: object) -> None:
        self.busy_w, self.idle_w = busy_w, idle_w
        self.started_s = time.perf_counter()
        #: Seconds of the forwards that ended before the last tick; beginning and end of those since.
        self.busy_s, self._forwards = 0.0, []
        self.tick = (-1.0, 0)
        self.reads_s: list[tuple[float, float]] = []
        #: Seconds of a forward, which varies by 5%, and of what lies between two of them.
        self.forward_s, self.gap_s = 0.001, 0.0
        self._random = random.Random(0)
        self.functions = functions

    def place(self, batch: Batch) -> None:
        if self.gap_s:
            time.sleep(self.gap_s)

    def forward(self) -> torch.Tensor:
        begun_s = time.perf_counter()
        self._forwards.append((begun_s, math.inf))
        time.sleep(self.forward_s * self._random.uniform(0.95, 1.05))
        self._forwards[-1] = (begun_s, time.perf_counter())
        return torch.zeros(1)

    def counter_mj(self, handle: object) -> int:
        begun_s = time.perf_counter()
        tick = (begun_s - self.started_s) // TICK_S
        if tick != self.tick[0]:
            energy_j = self.idle_w * tick * TICK_S + (self.busy_w - self.idle_w) * self._busy_until(tick * TICK_S)
            self.tick = (tick, round(1000 * energy_j))
        self.reads_s.append((begun_s, time.perf_counter()))
        return 5_000_000 + self.tick[1]

    def _busy_until(self, elapsed_s: float) -> float:
        """Return the seconds of forwards up to a tick; forget those that ended before it."""
        moment_s = self.started_s + elapsed_s
        self.busy_s += sum(ended_s - begun_s for begun_s, ended_s in self._forwards if ended_s <= moment_s)
        self._forwards = [forward for forward in self._forwards if forward[1] > moment_s]
        return self.busy_s + sum(max(0.0, moment_s - begun_s) for begun_s, _ in self._forwards)

    def library(self):
        defaults = {
            "nvmlDeviceGetTotalEnergyConsumption": self.counter_mj,
            "nvmlDeviceGetFieldValues": lambda *asked: power_fields(f186_s0=1000 * self.busy_w)(*asked),
        }
        return fake_nvml(**(defaults | self.functions))


class CaseOnBoard(MeasuredCase):
    """A case whose forward is the board's."""

    board: Board

    def make_loop(self, number: int) -> ForwardLoop:
        return ForwardLoop(Forward(self.board.place, self.board.forward), self.data.batches, CPU)

    def keep_peak_memory(self) -> None:
        """There is no memory to ask for."""


BATCHES = [Batch(torch.ones(BATCH_SIZE, 30), torch.ones(BATCH_SIZE, 30), text_tokens=TEXT_TOKENS)]
DATASET = SimpleNamespace(
    shaped=lambda size, length, **_: SimpleNamespace(
        batches=BATCHES, text_tokens_per_batch=float(TEXT_TOKENS), variant_shares={FULL: 1.0}
    )
)


class WatchedEnergy(Energy):
    """The instrument, which keeps what it was handed of the last visit."""

    last: TimedVisit

    def visited(self, visit: TimedVisit, reading: object) -> Record:
        self.last = visit
        return super().visited(visit, reading)


class Bench:
    """A session that meters cases on a board. `visits` are planned for each."""

    def __init__(self, board: Board, policy, visits: int, energy: str, device: torch.device) -> None:
        self.board, self.visits = board, visits
        policies = Policies(energy=policy)
        self.settings = SimpleNamespace(device=device, energy=energy, rounds=1, warmup_rounds=0, tasks=(TASK.name,))
        self.session = Session(self.settings, policies, {}, (WatchedEnergy(policies),), start_s=time.perf_counter())
        self.case = self.new_case("fp32")

    def new_case(self, precision: str) -> CaseOnBoard:
        made = CaseOnBoard(
            self.settings,
            TimingPolicy(0, 0, 0),
            Case(precision, "eager", batch_size=BATCH_SIZE),
            self.visits,
            checkpoint=None,
            dataset=DATASET,
            models=None,
            task=TASK,
            session_start_s=self.session.start_s,
        )
        made.board = self.board
        self.session.measured[made.case.id] = made
        return made

    def visit(self, case: CaseOnBoard | None = None) -> dict:
        """Make one visit; return what a saved run would hold of it."""
        case = case or self.case
        self.session.visit(case, len(case.visits) + 1, 1, timed=lambda _: None)
        return case.visits[-1].as_json()

    def close(self, case: CaseOnBoard | None = None) -> dict:
        self.session.close(case or self.case)
        return self.energy(case)

    def energy(self, case: CaseOnBoard | None = None) -> dict:
        """What a saved run would hold."""
        return self.session.extra_info[(case or self.case).case.id]["energy"]

    @property
    def last(self) -> TimedVisit:
        """What the instrument was handed of the last visit."""
        return self.session.instruments[0].last

    @property
    def visits_made(self) -> list[dict]:
        """What a saved run would hold of the visits of the first case."""
        return [visit.as_json() for visit in self.case.visits]

    def measured(self) -> dict:
        """Make all visits, and what follows them."""
        for _ in range(self.visits):
            self.visit()
        return self.close()


class Benches:
    """Makes a bench for a board, on a clock of their own.

    The board's instantaneous power is always that of a forward, and so differs from the counter's.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, quick_energy) -> None:
        self._monkeypatch, self._policy = monkeypatch, quick_energy
        SharedClock().install(monkeypatch)

    def __call__(
        self, board: Board, visits: int = 4, energy: str = "auto", device: torch.device = CUDA, **policy: object
    ) -> Bench:
        library = board.library()
        nvml.open_gpu.cache_clear()  # it may hold another board
        self._monkeypatch.setattr(nvml, "load_library", lambda: library)
        self._monkeypatch.setattr(nvml, "gpu_uuid", lambda device: "GPU-1")
        policy = {"largest_dispute": 0.5, "largest_u95": 1e6} | policy
        return Bench(board, replace(self._policy, **policy), visits, energy, device)
