"""A clock that a test's threads share: no figure depends on how fast the machine is, or on what else it does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

#: How much later it is after each look at the clock: a loop that waits for a moment ends.
LOOK_S = 1e-5
#: Real seconds after which a thread whose turn does not come is stuck.
PATIENCE_S = 120.0


class SharedClock:
    """Stands in for `time.perf_counter` and `time.sleep`. Time passes where a thread looks at it or sleeps.

    One thread runs at a time: the one that is due first, until it looks or sleeps. Threads are those that the closed
    loop starts, and the one that made the clock; all others keep the real clock.
    """

    def __init__(self) -> None:
        self._now_s = 1000.0
        self._turn = threading.Condition()
        self._running = threading.current_thread()
        self._due_s = {self._running: self._now_s}

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Replace the real clock, and the threads of the closed loop."""
        look, sleep = time.perf_counter, time.sleep
        monkeypatch.setattr(time, "perf_counter", lambda: self._pass(LOOK_S) if self._is_mine() else look())
        monkeypatch.setattr(time, "sleep", lambda seconds: self._pass(seconds) if self._is_mine() else sleep(seconds))
        monkeypatch.setattr("benchmarks.loop.threading", SimpleNamespace(Thread=self._thread))

    def _is_mine(self) -> bool:
        return threading.current_thread() in self._due_s

    def _pass(self, seconds: float) -> float:
        """Let others run until so many seconds have passed; return the time."""
        with self._turn:
            self._due_s[threading.current_thread()] = self._now_s + seconds
            self._run_next()
            self._wait_for_turn()
            return self._now_s

    def _run_next(self) -> None:
        self._running = min(self._due_s, key=self._due_s.__getitem__)
        self._now_s = max(self._now_s, self._due_s[self._running])
        self._turn.notify_all()

    def _wait_for_turn(self) -> None:
        if not self._turn.wait_for(lambda: self._running is threading.current_thread(), PATIENCE_S):
            raise RuntimeError(f"a thread has waited for {PATIENCE_S:g} s while another neither slept nor ended")

    def _thread(self, target: Callable[[], None], daemon: bool) -> _TurnTaker:
        return _TurnTaker(self, target, daemon)


class _TurnTaker(threading.Thread):
    """A thread that runs when the clock says so."""

    def __init__(self, clock: SharedClock, target: Callable[[], None], daemon: bool) -> None:
        super().__init__(target=target, daemon=daemon)
        self._clock = clock

    def start(self) -> None:
        with self._clock._turn:
            self._clock._due_s[self] = self._clock._now_s
        super().start()

    def run(self) -> None:
        with self._clock._turn:
            self._clock._wait_for_turn()
        try:
            super().run()
        finally:
            with self._clock._turn:
                del self._clock._due_s[self]
                self._clock._run_next()

    def is_alive(self) -> bool:
        """Whether its work is not yet done: the thread itself may end later, by the real clock."""
        return self in self._clock._due_s
