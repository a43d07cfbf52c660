"""One figure of a visit from its rounds, which are of two variants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

#: The quantile that says how fast the faster rounds are. What disturbs a round makes it slower, so this one differs
#: less between sessions than the median: by a quarter less on seven GPUs (docs/variance.md).
FAST_QUANTILE = 0.05
#: A quantile of fewer rounds would be close to their minimum. Of 40 it lies between the second and the third smallest,
#: and sessions differ by as much as with all of their rounds (docs/variance.md).
ROUNDS_FOR_FAST = 40
#: Why there is none.
NOT_REPLAYED = "of executions that are replayed on a GPU alone: the rounds of others wait for the host"
TOO_FEW_ROUNDS = f"a visit has fewer than {ROUNDS_FOR_FAST} rounds of a variant; more with --rounds"
#: What tells the variants of a visit's rounds apart.
Variant = TypeVar("Variant", str, bool)


def weighted(by_variant: Mapping[Variant, float | None], shares: Mapping[Variant, float]) -> float:
    """Return the mean of one value a variant, weighted by the share of the dataset's batches that are of it.

    Not by the share of the rounds: that differs from case to case, and with it the mean of the same latencies. A
    variant of which no round was timed has no weight.
    """
    known = {variant: value for variant, value in by_variant.items() if value is not None}
    total = sum(shares[variant] for variant in known)
    return sum(shares[variant] / total * value for variant, value in known.items())


def fast_ms(rounds_s: Mapping[Variant, Any], shares: Mapping[Variant, float]) -> float | None:
    """Return the 5% quantile of each variant's rounds in ms, weighted by the variants' shares of the dataset's batches.

    None where a variant that the dataset has was timed in fewer than `ROUNDS_FOR_FAST` rounds. The quantile of n rounds
    is the value at rank 0.05 (n + 1), which of any n leaves 5% below it on average (Weibull's plotting position).
    """
    occurring = [variant for variant, share in shares.items() if share > 0]
    if not occurring or any(len(rounds_s.get(variant, ())) < ROUNDS_FOR_FAST for variant in occurring):
        return None
    found = {
        variant: 1000 * float(np.quantile(np.asarray(rounds_s[variant]), FAST_QUANTILE, method="weibull"))
        for variant in occurring
    }
    return weighted(found, shares)
