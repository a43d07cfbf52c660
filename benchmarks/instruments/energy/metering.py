"""What a meter gave, or why it gave nothing; and windows of energy, joined with the rounds that ran in them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from benchmarks.instruments.energy.figures import MeteredWindow
from benchmarks.instruments.energy.records import VisitEnergy
from benchmarks.loop import Rounds
from benchmarks.meters import Meter, MeterError, Reading
from core.metrics.figures import Figure
from fixtures.device.nvml import NvmlError

#: The parts of a visit's window beside its energy, each with its name in the visit's record.
OF_A_WINDOW = {name: name for name in ("loop_ms", "gap_share", "power_w", "window_s", "ticks")} | {
    "rounds": "window_rounds",
    "rel_u": "window_rel_u",
}

#: How far the power of a part of a round may be from the round's mean, relative (assumed: a GPU that waits for memory
#: draws about two thirds of what it draws in matrix products).
POWER_IN_A_ROUND = 0.3


@dataclass(frozen=True)
class Refused:
    """Why there is no meter, or no energy of a window: a sentence, and in one word."""

    reason: str
    code: str

    @classmethod
    def by(cls, error: MeterError | NvmlError) -> Refused:
        """Return what an error says."""
        return cls(str(error), error.code)


@dataclass(frozen=True)
class Metered:
    """An open meter, and what was read before the first visit."""

    meter: Meter
    #: Why better meters did not answer.
    passed_over: str | None
    idle_before: Reading | None
    idle_temperature_c: int | None


@dataclass(frozen=True)
class Closing:
    """What was read once, after the last visit of the session."""

    idle_after: Reading | None
    cross_check: Figure[float]


def metered_window(window: Reading, rounds: Rounds, batch_size: int, fewest_rounds: int) -> MeteredWindow:
    """Join a meter's reading with the rounds that ran in exactly that time.

    A round that an end cuts counts by the share of its time, which need not be that of its energy. With the same share
    cut off at both ends that is no matter; of what is different the power may be off by `POWER_IN_A_ROUND`.

    Raises `MeterError` where there are too few rounds.
    """
    count, window_s = rounds.between(window.start_s, window.end_s), window.end_s - window.start_s
    if not round(count) >= fewest_rounds:
        raise MeterError(
            "TOO_FEW_ROUNDS",
            f"{count:.3g} rounds ran in the meter's window of {window_s:.3g} s; expected {fewest_rounds} at least",
        )
    cut_rel_u = POWER_IN_A_ROUND * abs(count - round(count)) / count
    return MeteredWindow(
        energy_mj=window.energy_mj / count / batch_size,
        loop_ms=1000 * window_s / count,
        gap_share=rounds.gap_share(window.start_s, window.end_s),
        power_w=window.power_w,
        window_s=window_s,
        rounds=count,
        ticks=window.ticks,
        rel_u=math.hypot(window.rel_u, cut_rel_u),
    )


def window_of(visit: VisitEnergy) -> MeteredWindow | None:
    """Return the window of a visit; None where its energy is not known."""
    if visit.energy_mj.value is None:
        return None
    parts: dict[str, Any] = {part: getattr(visit, name) for part, name in OF_A_WINDOW.items()}
    return MeteredWindow(energy_mj=visit.energy_mj.value, **parts)
