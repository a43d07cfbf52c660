"""When this process began."""

from __future__ import annotations

import os
import time
from pathlib import Path

STAT = Path("/proc/self/stat")
#: The field of /proc/[pid]/stat with the ticks from boot to the start of a process, counted behind the program's name.
#: Source: proc_pid_stat(5), field 22.
START_TICKS = 19


def started_s() -> float | None:
    """Return when this process began, on the clock of `time.perf_counter`; None where the system does not say it."""
    try:
        behind_name = STAT.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        since_boot_s = int(behind_name[START_TICKS]) / os.sysconf("SC_CLK_TCK")
        return time.perf_counter() - (time.clock_gettime(time.CLOCK_BOOTTIME) - since_boot_s)
    except (OSError, ValueError, IndexError, AttributeError):  # not Linux
        return None
