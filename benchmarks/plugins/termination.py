"""Has SIGTERM, which batch systems and containers send, end the session as Ctrl-C does: what was measured is saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from types import FrameType
from typing import Any

import pytest

#: What shells have for a process that SIGTERM has ended: 128 and the signal's number.
EXIT_CODE = 128 + signal.SIGTERM


class Terminated(KeyboardInterrupt):
    """The session was told to end by SIGTERM."""


class TerminationPlugin:
    """Handles SIGTERM from the first test on; before it there is nothing to save."""

    def __init__(self) -> None:
        self._is_told, self._is_closing = False, False
        #: What handled the signal before; None where this does not.
        self._earlier: Any = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Handle the signal, which is possible in the main thread alone."""
        if threading.current_thread() is threading.main_thread():
            self._earlier = signal.signal(signal.SIGTERM, self._end)
        result = yield
        self._is_closing = True
        return result

    def _end(self, number: int, frame: FrameType | None) -> None:
        """Interrupt the tests once; what saves the run is not interrupted."""
        is_first, self._is_told = not self._is_told, True
        if is_first and not self._is_closing:
            raise Terminated

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # around all that save and write
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Let the session end, with the exit code of the signal."""
        self._is_closing = True
        try:
            yield
        finally:
            if self._is_told:
                session.exitstatus = EXIT_CODE
            if self._earlier is not None:
                signal.signal(signal.SIGTERM, self._earlier)


def pytest_configure(config: pytest.Config) -> None:
    """Handle the signal in this session."""
    config.pluginmanager.register(TerminationPlugin(), "precision-termination")
