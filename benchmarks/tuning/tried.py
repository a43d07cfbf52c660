"""What became of each candidate of a compiler's options, and which of them is used."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.statistics.intervals import mean_interval
from fixtures.executions.candidates import DEFAULT


@dataclass(frozen=True)
class Tried:
    """One candidate: the milliseconds of a round in each repeat, or why there are none."""

    name: str
    times_ms: tuple[float, ...] = ()
    compilation_s: float | None = None
    #: Distance of its logits from eager ones, relative to their norm.
    difference_from_eager: float | None = None
    reason: str | None = None
    #: Whether memory ran out: another session may have more.
    out_of_memory: bool = False


@dataclass(frozen=True)
class Ratio:
    """How long a candidate takes, as a share of what the defaults take, with its 95% interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, one: Tried, default: Tried) -> Ratio | None:
        """Return it from the repeats of both, the times of one repeat paired; None with fewer than two repeats."""
        pairs = zip(one.times_ms, default.times_ms, strict=False)
        centre, half_width = math.nan, None
        logarithms = [math.log(own / other) for own, other in pairs]
        if len(logarithms) > 1:
            centre, half_width = mean_interval(logarithms)
        if half_width is None:
            return None
        return cls(math.exp(centre), math.exp(centre - half_width), math.exp(centre + half_width))


def ratios(tried: Iterable[Tried]) -> dict[str, Ratio]:
    """Return the ratio of each candidate to the defaults, for those that both were timed of."""
    listed = list(tried)
    default = next((one for one in listed if one.name == DEFAULT.name), Tried(DEFAULT.name))
    found = {one.name: Ratio.of(one, default) for one in listed if one.name != DEFAULT.name}
    return {name: ratio for name, ratio in found.items() if ratio is not None}


def fastest(tried: Iterable[Tried], smallest_gain: float) -> str:
    """Return the name of the fastest candidate that is surely faster than the defaults, and by `smallest_gain`."""
    faster: Mapping[str, Ratio] = {
        name: ratio for name, ratio in ratios(tried).items() if ratio.value <= 1 - smallest_gain and ratio.high < 1
    }
    return min(faster, key=lambda name: faster[name].value, default=DEFAULT.name)
