"""How noisy the rounds of one benchmark were."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from benchmarks.steady_state import relative_to_variant

#: A round farther from its variant's median than this many robust standard deviations is an outlier. Latencies have
#: long tails: the usual 2.5 to 3 (Leys et al., 2013) would mark ordinary rounds.
OUTLIER_DEVIATIONS = 5
#: Makes the median absolute deviation estimate the standard deviation of a normal distribution.
MAD_TO_SD = 1.4826


def outlier_share(durations_s: Sequence[float], variants: Sequence[str]) -> float:
    """Return the share of the rounds that lie far outside those of their variant."""
    relative = relative_to_variant(durations_s, variants)
    spread = {
        variant: MAD_TO_SD
        * statistics.median(abs(value - 1) for value, one in zip(relative, variants, strict=True) if one == variant)
        for variant in set(variants)
    }
    far = sum(
        abs(value - 1) > OUTLIER_DEVIATIONS * spread[variant] for value, variant in zip(relative, variants, strict=True)
    )
    return far / len(relative)
