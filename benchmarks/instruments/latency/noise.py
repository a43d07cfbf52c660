"""How noisy the rounds of one benchmark were, and whether two timings of one thing differ."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from analysis.intervals import effective_sample_size, welch

#: Neighbouring rounds resemble each other, so the spread is taken between blocks of them.
BLOCKS = 10
#: What a plot of the rounds in their order shows at most.
BLOCKS_OF_SERIES = 200
#: A round farther from the median than this many robust standard deviations is an outlier. Latencies have long tails:
#: the usual 2.5 to 3 (Leys et al., 2013) would mark ordinary rounds.
OUTLIER_DEVIATIONS = 5
#: Makes the median absolute deviation estimate the standard deviation of a normal distribution.
MAD_TO_SD = 1.4826
#: A change of the machine by less than this moves no conclusion.
SMALLEST_DRIFT = 0.02


def block_medians(durations_s: Sequence[float], blocks: int = BLOCKS) -> list[float]:
    """Return the medians of blocks of successive rounds, or each round where there are fewer than two a block."""
    count = blocks if len(durations_s) >= 2 * blocks else len(durations_s)
    edges = [len(durations_s) * block // count for block in range(count + 1)]
    return [statistics.median(durations_s[low:high]) for low, high in pairwise(edges)]


def noise(durations_s: Sequence[float]) -> dict[str, Any]:
    """Return `noise_rel`, the standard deviation of block medians over their mean, and the share of outliers.

    `series_ms` is for the eye: the rounds in their order, many of them as block medians.
    """
    medians = block_medians(durations_s)
    centre = statistics.median(durations_s)
    spread = MAD_TO_SD * statistics.median(abs(duration - centre) for duration in durations_s)
    outliers = sum(abs(duration - centre) > OUTLIER_DEVIATIONS * spread for duration in durations_s)
    return {
        "noise_rel": statistics.stdev(medians) / statistics.fmean(medians) if len(medians) > 1 else None,
        "noise_reason": None if len(medians) > 1 else "1 round has no spread",
        "outlier_share": outliers / len(durations_s),
        "series_ms": [1000 * median for median in block_medians(durations_s, BLOCKS_OF_SERIES)],
    }


def drift(first_s: Sequence[float], again_s: Sequence[float]) -> dict[str, Any]:
    """Compare two timings of one benchmark: the relative change, its 95% interval, and whether it is a drift.

    Welch's interval over the logarithms of block medians, each sample's variance widened by what its blocks have in
    common with their neighbours. `drifted` where the interval lies wholly beyond ± 2%: a smaller change moves no
    conclusion.
    """
    samples = [[math.log(median) for median in block_medians(rounds)] for rounds in (first_s, again_s)]
    if min(map(len, samples)) < 2:
        unknown = dict.fromkeys(("change_rel", "change_ci95_low", "change_ci95_high", "drifted"))
        return {**unknown, "reason": "too few rounds to tell"}
    first, again = (np.array(sample) for sample in samples)
    sizes = effective_sample_size(samples[0]), effective_sample_size(samples[1])
    centre, half_width = welch(first, again, sizes)
    low, high = math.expm1(centre - half_width), math.expm1(centre + half_width)
    return {
        "change_rel": math.expm1(centre),
        "change_ci95_low": low,
        "change_ci95_high": high,
        "drifted": low > SMALLEST_DRIFT or high < -SMALLEST_DRIFT,
        "reason": None,
    }
