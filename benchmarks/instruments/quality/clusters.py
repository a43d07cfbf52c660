"""Intervals of figures over text targets: targets of one sequence are not independent, sequences nearly are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

#: Of the normal distribution, for 95%: there are many sequences.
NORMAL_95 = 1.959964


def mean_interval(values: torch.Tensor, sample: torch.Tensor) -> tuple[float, float, float]:
    """Return the mean of a figure over all targets, and the ends of its 95% interval; NaN with fewer than 2 sequences.

    `values`: float64 [targets]; `sample`: int64 [targets], the sequence of each. The mean is the ratio of two sums over
    sequences, and its variance that of the ratio's linear part: with d_i the sum over sequence i of (value - mean),
    n / (n - 1) sum d_i^2 / targets^2. Source: Cochran, Sampling Techniques (1977), sections 2.11 and 9A.
    """
    mean = float(values.mean())
    half_width = NORMAL_95 * standard_error(values - mean, sample)
    return mean, mean - half_width, mean + half_width


def share_interval(hits: torch.Tensor, sample: torch.Tensor) -> tuple[float, float, float]:
    """Return the share of targets that are hits, bool [targets], and the ends of its 95% interval, from 0 to 1.

    Where all or none are, no spread says how many others might not be: of n sequences none had an exception, so that
    with 95% confidence fewer than 1 - 0.05^(1/n) of sequences have one, and of targets no more. Source: Hanley and
    Lippman-Hand, If nothing goes wrong, is everything all right? (1983).
    """
    share, low, high = mean_interval(hits.double(), sample)
    if math.isnan(low):
        return share, low, high
    exceptions = 1 - 0.05 ** (1 / len(torch.unique(sample)))
    if share == 1:
        low = 1 - exceptions
    if share == 0:
        high = exceptions
    return share, max(low, 0.0), min(high, 1.0)


def quantiles(values: torch.Tensor, levels: Sequence[float]) -> list[float]:
    """Return quantiles of a figure, float64 [targets], linear between two values (as numpy's and llama.cpp's are)."""
    return [float(quantile) for quantile in of_sorted(values.sort().values, levels)]


def quantile_interval(values: torch.Tensor, sample: torch.Tensor, level: float) -> tuple[float, float, float]:
    """Return a quantile of a figure over all targets, and the ends of its 95% interval.

    The ends are NaN with fewer than 2 sequences. They are quantiles too, at the ends of the interval, by sequences, of
    the share of targets at or below the figure. Source: Woodruff, Confidence intervals for medians and other position
    measures (1952).
    """
    in_order = values.sort().values
    quantile = float(of_sorted(in_order, [level])[0])
    below = (values <= quantile).double()
    half_width = NORMAL_95 * standard_error(below - float(below.mean()), sample)
    if math.isnan(half_width):
        return quantile, math.nan, math.nan
    ends = of_sorted(in_order, [max(level - half_width, 0.0), min(level + half_width, 1.0)])
    return quantile, min(float(ends[0]), quantile), max(float(ends[1]), quantile)


def standard_error(deviations: torch.Tensor, sample: torch.Tensor) -> float:
    """Return the standard error of a mean over all targets, from each target's deviation from it, by sequences."""
    targets = torch.bincount(sample)
    count = int((targets > 0).sum())
    if count < 2:
        return math.nan
    totals = torch.zeros(len(targets), dtype=torch.float64).index_add_(0, sample, deviations)
    return math.sqrt(count / (count - 1) * float(totals.square().sum())) / len(sample)


def of_sorted(values: torch.Tensor, levels: Sequence[float]) -> torch.Tensor:
    """Return quantiles of values in rising order. `torch.quantile` sorts again, and takes no more than 16 million."""
    places = torch.tensor(levels, dtype=torch.float64) * (len(values) - 1)
    low = places.floor().long()
    high = (low + 1).clamp(max=len(values) - 1)
    return torch.lerp(values[low].double(), values[high].double(), places - low)
