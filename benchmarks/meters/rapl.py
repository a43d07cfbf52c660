"""The CPU packages' energy counters (RAPL), as Linux's powercap shows them: of the whole machine, not of a process."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.meters.meter import Meter, MeterError, MeterSource, Reader, Reading, at_once
from benchmarks.meters.powercap import POWERCAP, package_domains


class Rapl:
    """The sum of all packages. Each counter wraps around at `max_energy_range_uj`."""

    method = "rapl_powercap"
    scope = "machine: all CPU packages, every program on them included"
    window_s = 0.5
    needs_long_window = False
    begins_at_update = False
    tick_period_s: float | None = 0.001
    read_cost_s: float | None = None

    def __init__(self, folder: Path = POWERCAP) -> None:
        self._domains = package_domains(folder)
        if not self._domains:
            raise MeterError(
                "NO_RAPL", f"no CPU package under {folder} (virtual machines and most non-x86 machines have none)"
            )
        self._ranges_uj = [domain.range_uj for domain in self._domains]
        self._read_uj()

    def second_meter(self) -> Meter | None:
        """Return None: the machine has no other."""
        return None

    def visit_window_s(self, remaining_visits: int, ticks: int, read: Reader = at_once) -> float:
        """Return half a second, however many visits there are."""
        return self.window_s

    def measure(self, duration_s: float, read: Reader = at_once) -> Reading:
        """Read, wait, read again, in some microseconds; a counter that is lower then has wrapped around once."""
        start_s, start_uj = time.perf_counter(), self._read_uj()
        time.sleep(duration_s)
        end_s, end_uj = time.perf_counter(), self._read_uj()
        energy_uj = sum(
            end - start if end >= start else end - start + size
            for start, end, size in zip(start_uj, end_uj, self._ranges_uj, strict=True)
        )
        if energy_uj <= 0:
            raise MeterError("COUNTER_STOOD_STILL", f"the CPU energy counters stood still for {duration_s:.1f} s")
        elapsed_s = end_s - start_s
        return Reading(start_s, end_s, energy_uj / 1000, round(elapsed_s / 0.001), 0.001 / 6**0.5 / elapsed_s)

    def _read_uj(self) -> list[int]:
        """Return what the counter of each package holds. Raises `MeterError` where one of them cannot be read."""
        return [domain.energy_uj() for domain in self._domains]


RAPL = MeterSource(
    Rapl.method, "the energy counters of all CPU packages (RAPL)", 10, ("cpu",), lambda device, policy: Rapl()
)
