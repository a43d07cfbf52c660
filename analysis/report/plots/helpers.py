"""Processes that draw pictures: they load what that takes while the session does something else."""

from __future__ import annotations

import multiprocessing
import signal
from concurrent.futures import Executor, ProcessPoolExecutor

#: More would load as much for a picture or two each.
MOST_HELPERS = 4


def start_helpers(count: int) -> Executor:
    """Return so many processes, `MOST_HELPERS` at most, which begin to load what draws.

    They are started anew, not forked: this process has threads, and a device that a fork must not touch.
    """
    count = min(count, MOST_HELPERS)
    helpers = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), initializer=leave_interrupts)
    for _ in range(count):
        helpers.submit(load)
    return helpers


def leave_interrupts() -> None:
    """Leave Ctrl-C, which reaches every process of a terminal, to the one that started this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def load() -> None:
    """Load what pictures are drawn with."""
    import matplotlib.backends.backend_agg
    import matplotlib.backends.backend_svg
    import matplotlib.figure  # noqa: F401
