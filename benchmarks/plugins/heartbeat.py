"""Calls a function every few seconds while a phase runs that nothing times."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

#: A log or a terminal is silent for so long at most.
PERIOD_S = 10.0


class Heartbeat:
    """A thread that lives from `start` to `stop`: no thread of it is there while rounds are timed."""

    def __init__(self, beat: Callable[[float], None], period_s: float = PERIOD_S) -> None:
        self._beat, self._period_s = beat, period_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Call the function every few seconds with the seconds since now, until `stop`."""
        self.stop()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._stop,), name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Return when the function is not running and will not be called any more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self, stop: threading.Event) -> None:
        begun_s = time.perf_counter()
        while not stop.wait(self._period_s):
            self._beat(time.perf_counter() - begun_s)
