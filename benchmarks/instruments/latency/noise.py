"""How noisy the rounds of one benchmark were."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from analysis.intervals import block_medians

#: What a plot of the rounds in their order shows at most.
BLOCKS_OF_SERIES = 200
#: A round farther from the median than this many robust standard deviations is an outlier. Latencies have long tails:
#: the usual 2.5 to 3 (Leys et al., 2013) would mark ordinary rounds.
OUTLIER_DEVIATIONS = 5
#: Makes the median absolute deviation estimate the standard deviation of a normal distribution.
MAD_TO_SD = 1.4826


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
