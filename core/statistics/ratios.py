"""Ratios of two sums over samples, such as bits per byte, and the change of one: with 95% intervals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.statistics.intervals import student_t
from core.statistics.paired_shares import NORMAL_95

Floats = npt.NDArray[np.float64]


def ratio_of_sums(numerators: npt.ArrayLike, denominators: npt.ArrayLike) -> tuple[float, float, float]:
    """Return sum(numerators) / sum(denominators) over samples, and the ends of its interval; NaN with fewer than two.

    The variance is that of the ratio's linear part: with d_i = numerator - ratio x denominator of sample i,
    n / (n - 1) sum d_i^2 / (sum of denominators)^2. Source: Cochran, Sampling Techniques (1977), section 2.11.
    """
    above, below = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    ratio = float(above.sum() / below.sum())
    half_width = NORMAL_95 * standard_error((above - ratio * below) / below.sum())
    return ratio, ratio - half_width, ratio + half_width


def ratio_of_times(times: Sequence[float], others: Sequence[float]) -> tuple[float, float, float]:
    """Return the ratio of the geometric means of two samples, above 0, and the ends of its 95% interval.

    The ends are NaN where a sample has fewer than two values. Of the logarithms it is Student's interval, for variances
    that differ, with the degrees of freedom of the smaller sample: never too narrow (Welch, Biometrika 34, 1947).
    """
    above, below = ([math.log(value) for value in values] for values in (times, others))
    change = statistics.fmean(above) - statistics.fmean(below)
    freedom = min(len(above), len(below)) - 1
    if freedom < 1:
        return math.exp(change), math.nan, math.nan
    error = math.sqrt(statistics.variance(above) / len(above) + statistics.variance(below) / len(below))
    half_width = student_t(freedom) * error
    return math.exp(change), math.exp(change - half_width), math.exp(change + half_width)


class RatioChange(NamedTuple):
    """By how much a ratio changed, relative to the first one, the ends of its interval, and how probable by chance."""

    relative: float
    low: float
    high: float
    p_value: float


def ratio_change(before: tuple[Floats, Floats], after: tuple[Floats, Floats]) -> RatioChange:
    """Return by how much a ratio of sums changes.

    `before` and `after`: numerators and denominators of the same samples, float64 [samples]. The samples are paired, so
    what both sides share falls out. The interval is that of the difference of logarithms; NaN with fewer than two.
    """
    logarithms, parts = [], []
    for above, below in (before, after):
        logarithms.append(math.log(above.sum() / below.sum()))
        parts.append(above / above.sum() - below / below.sum())
    change = logarithms[1] - logarithms[0]
    error = standard_error(parts[1] - parts[0])
    low, high = (math.expm1(change + sign * NORMAL_95 * error) for sign in (-1, 1))
    # Of samples that all change alike nothing is by chance; of one sample all may be.
    p_value = math.erfc(abs(change) / error / math.sqrt(2)) if error > 0 else float(change == 0 or math.isnan(error))
    return RatioChange(math.expm1(change), low, high, p_value)


def standard_error(deviations: Floats) -> float:
    """Return the standard error of a sum over samples, from each sample's share of its deviation; NaN below two."""
    count = len(deviations)
    return math.sqrt(count / (count - 1) * float(np.square(deviations).sum())) if count > 1 else math.nan
