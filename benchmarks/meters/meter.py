"""What a meter is: it tells the energy between two moments, or says in one sentence why not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch

from benchmarks.policies import EnergyPolicy

Result = TypeVar("Result")


class MeterError(Exception):
    """A meter gives no energy; `code` names the reason in one word."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True)
class Reading:
    """Energy between two moments of `time.perf_counter`.

    `ticks` counts the meter's own updates in between; `rel_u` is the relative standard uncertainty that its resolution
    in time leaves. Raises `MeterError` where the energy is not above 0: no device computes for nothing.
    """

    start_s: float
    end_s: float
    energy_mj: float
    ticks: int
    rel_u: float

    def __post_init__(self) -> None:
        if not self.energy_mj > 0 or not self.end_s > self.start_s:
            raise MeterError(
                "NO_ENERGY",
                f"the meter says {self.energy_mj:g} mJ over {self.end_s - self.start_s:.3f} s; expected more than 0",
            )

    @property
    def power_w(self) -> float:
        """Mean power."""
        return self.energy_mj / 1000 / (self.end_s - self.start_s)


class Reader(Protocol):
    """Calls what reads the device, and returns what that returns."""

    def __call__(self, reader: Callable[[], Result], /) -> Result:
        """Return what `reader` returns."""
        ...


def at_once(reader: Callable[[], Result]) -> Result:
    """Return what a reader returns, where no timed round runs beside it."""
    return reader()


class Meter(Protocol):
    """Reads energy. `measure` blocks and is called beside the loop, from a thread of its own."""

    method: str
    scope: str
    tick_period_s: float | None
    #: Whether `measure` waits for an update of the meter and begins there.
    begins_at_update: bool

    @property
    def read_cost_s(self) -> float | None:
        """Seconds that one read takes on this device, or None before the first."""
        ...

    @property
    def needs_long_window(self) -> bool:
        """Whether a visit is too short for this meter: it then gets one long window a case, after the last visit."""
        ...

    def visit_window_s(self, remaining_visits: int, ticks: int, read: Reader = at_once) -> float:
        """Return how long the window of a visit is, where so many remain, this one among them, after so many ticks.

        Raises `NvmlError` or `MeterError`.
        """
        ...

    def measure(self, duration_s: float, read: Reader = at_once) -> Reading:
        """Return the energy of a window of about `duration_s`. Raises `NvmlError` or `MeterError`.

        `read` calls what reads the device for so long that a round beside it would notice: such rounds are not timed.
        """
        ...

    def second_meter(self) -> Meter | None:
        """Return another meter of the same device, to compare with, or None. Raises `NvmlError`."""
        ...


@dataclass(frozen=True)
class MeterSource:
    """Where a meter comes from. A further one is a module of this folder with a `MeterSource`.

    `name` is the meter's `method`. `open` gets the device whose energy is asked for; it raises `MeterError`, or
    `NvmlError`, where it tells none.
    """

    name: str
    description: str
    #: Where several can be opened for a device, the one with the lowest rank is used.
    rank: int
    #: Types of devices whose energy it tells, such as `cuda`.
    devices: tuple[str, ...]
    open: Callable[[torch.device, EnergyPolicy], Meter]
