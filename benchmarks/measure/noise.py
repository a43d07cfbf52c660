"""How noisy the rounds of one benchmark were, and whether two timings of one thing differ."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from scipy.stats import t as student

#: Neighbouring rounds resemble each other, so the spread is taken between blocks of them.
BLOCKS = 10
#: Beyond so many robust standard deviations a round is an outlier. Latencies have long tails: the 2.5 to 3 that are
#: usual (Leys et al., 2013) would mark ordinary rounds.
OUTLIER_DEVIATIONS = 5
#: Makes the median absolute deviation estimate the standard deviation of a normal distribution.
MAD_TO_SD = 1.4826


def block_medians(durations_s: Sequence[float]) -> list[float]:
    """Return the medians of ten blocks of successive rounds, or of each round where there are fewer than twenty."""
    count = BLOCKS if len(durations_s) >= 2 * BLOCKS else len(durations_s)
    edges = [len(durations_s) * block // count for block in range(count + 1)]
    return [statistics.median(durations_s[low:high]) for low, high in pairwise(edges)]


def noise(durations_s: Sequence[float]) -> dict[str, Any]:
    """Return `noise_rel`, the standard deviation of block medians over their mean, and the share of outliers."""
    medians = block_medians(durations_s)
    centre = statistics.median(durations_s)
    spread = MAD_TO_SD * statistics.median(abs(duration - centre) for duration in durations_s)
    outliers = sum(abs(duration - centre) > OUTLIER_DEVIATIONS * spread for duration in durations_s)
    return {
        "noise_rel": statistics.stdev(medians) / statistics.fmean(medians) if len(medians) > 1 else None,
        "noise_reason": None if len(medians) > 1 else "1 round has no spread",
        "outlier_share": outliers / len(durations_s),
    }


def drift(first_s: Sequence[float], again_s: Sequence[float]) -> dict[str, Any]:
    """Compare two timings of one benchmark: the relative change of the median, its 95% half-width, and `drifted`.

    Welch's interval over the logarithms of block medians: blocks, unlike rounds, are nearly independent.
    """
    samples = [[math.log(median) for median in block_medians(rounds)] for rounds in (first_s, again_s)]
    change = statistics.median(again_s) / statistics.median(first_s) - 1
    if min(map(len, samples)) < 2:
        return {"change_rel": change, "u95_rel": None, "drifted": None, "reason": "too few rounds to tell"}
    shares = [statistics.variance(sample) / len(sample) for sample in samples]
    error = math.sqrt(sum(shares))
    if error == 0:
        return {"change_rel": change, "u95_rel": 0.0, "drifted": change != 0, "reason": None}
    freedom = sum(shares) ** 2 / sum(
        share**2 / (len(sample) - 1) for share, sample in zip(shares, samples, strict=True)
    )
    u95 = float(student.ppf(0.975, freedom)) * error
    return {"change_rel": change, "u95_rel": u95, "drifted": abs(math.log1p(change)) > u95, "reason": None}
