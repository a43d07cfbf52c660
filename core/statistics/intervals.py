"""95% intervals: of a quantile, of a mean, of the difference of two means."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, stdtr, stdtrit  # not scipy.stats, which takes ten times as long to load

#: How often each interval of this module should hold the true figure.
CONFIDENCE = 0.95
#: Share of the probability on either side of an interval.
TAIL = (1 - CONFIDENCE) / 2
#: Neighbouring rounds resemble each other, so their spread is taken between blocks of them.
BLOCKS = 10


class Difference(NamedTuple):
    """A difference of two means, how far its 95% interval reaches on either side, and how probable it is by chance."""

    centre: float
    half_width: float
    p_value: float


def quantile_interval(values: Sequence[float], probability: float) -> tuple[float | None, float | None]:
    """Return the narrowest symmetric-in-rank interval of a quantile, or two None where there are too few values.

    The number of values below the true quantile is binomial(n, p), whatever the distribution, so the order statistics
    x[l] and x[u] (from 1) cover it with probability B(u-1) - B(l-1). `values`, in any order, have to be independent.
    Source: David and Nagaraja, Order Statistics, 3rd edition, section 7.1.
    """
    count, ordered = len(values), sorted(values)
    at_most = bdtr(np.arange(count + 1), count, probability)
    lower = int(np.searchsorted(at_most, TAIL))
    upper = int(np.searchsorted(at_most, 1 - TAIL)) + 1
    if lower < 1 or upper > count:
        return None, None
    return ordered[lower - 1], ordered[upper - 1]


def student_t(degrees_of_freedom: float, confidence: float = CONFIDENCE) -> float:
    """Return how many standard errors an interval of Student's t distribution reaches to either side."""
    return float(stdtrit(degrees_of_freedom, (1 + confidence) / 2))


def mean_interval(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean of values, one at least, and the half-width of Student's interval; None for one value."""
    centre = statistics.fmean(values)
    if len(values) < 2:
        return centre, None
    return centre, student_t(len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))


def welch(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> Difference:
    """Return the mean of `after` minus that of `before`, with Welch's interval.

    `before` and `after`: two values each, at least. Source: Welch, The generalization of Student's problem when several
    different population variances are involved, 1947.
    """
    centre = float(after.mean() - before.mean())
    counts = len(before), len(after)
    variances = [float(side.var(ddof=1)) / count for side, count in zip((before, after), counts, strict=True)]
    variance = sum(variances)
    if variance == 0:
        return Difference(centre, 0.0, float(centre == 0))
    shares = [part / variance for part in variances]
    degrees_of_freedom = 1 / sum(share**2 / max(count - 1, 1) for share, count in zip(shares, counts, strict=True))
    p_value = float(2 * stdtr(degrees_of_freedom, -abs(centre) / math.sqrt(variance)))
    return Difference(centre, student_t(degrees_of_freedom) * math.sqrt(variance), p_value)


def block_medians(values: Sequence[float], blocks: int = BLOCKS) -> list[float]:
    """Return the medians of blocks of successive values, or each value where there are fewer than two a block."""
    count = blocks if len(values) >= 2 * blocks else len(values)
    edges = [len(values) * block // count for block in range(count + 1)] if count else []
    return [statistics.median(values[low:high]) for low, high in pairwise(edges)]
