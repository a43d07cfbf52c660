"""Between which numbers a metric's values can lie: what lies outside was not measured, but made up or damaged."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from core.guards import LIMITS, finite_number


class Range(NamedTuple):
    """The lowest and the highest value that is possible, both included; None where there is no such end."""

    lowest: float | None
    highest: float | None

    def holds(self, value: Any) -> bool:  # noqa: ANN401
        """Tell whether a value is a finite number that is possible; true and false are no numbers."""
        if type(value) not in (int, float) or not abs(value) < math.inf:
            return False
        return (self.lowest is None or self.lowest <= value) and (self.highest is None or value <= self.highest)

    def __str__(self) -> str:
        """Return what is expected, as the end of a sentence."""
        words = ["a finite number"]
        if self.lowest is not None:
            words.append("above 0" if self.lowest == LIMITS.smallest_number else f"from {self.lowest:g}")
        if self.highest is not None:
            words.append(f"to {self.highest:g}")
        return " ".join(words)


ANY_NUMBER = Range(None, None)
NOT_NEGATIVE = Range(0.0, None)
#: A zero of these would be no measurement: a latency, a size.
POSITIVE = Range(LIMITS.smallest_number, None)
SHARE = Range(0.0, 1.0)
#: A difference of two shares.
CHANGE_OF_SHARE = Range(-1.0, 1.0)
#: A difference relative to what is not negative.
RELATIVE_CHANGE = Range(-1.0, None)
FROM_ONE = Range(1.0, None)
#: A divergence is not negative; the rounding of a mean over many may make it so.
DIVERGENCE = Range(-1e-6, None)


def range_of(entry: object) -> Range | None:
    """Return the range that a saved run's metric declares, a list of two ends; None where it is none."""
    if not isinstance(entry, (list, tuple)) or len(entry) != 2:
        return None
    if not all(end is None or finite_number(end) is not None for end in entry):
        return None
    return Range(*entry)
