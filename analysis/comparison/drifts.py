"""How far drift during runs may have moved the change between them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.runs.saved import Run
from analysis.runs.validity import Drift, Judgement, judgements
from core.case import case_of

#: The judgements of each run of a side, by the name of a benchmark.
OfSide = Sequence[dict[str, Judgement]]


def judged(runs: Sequence[Run]) -> OfSide:
    """Return the judgements of the benchmarks of each run, by their names."""
    return [
        dict(zip((case_of(item).id for item in run.benchmarks), judgements(run.benchmarks), strict=True))
        for run in runs
    ]


def drift_of(sides: Sequence[OfSide], name: str) -> float | None:
    """Return how far drift may have moved the logarithm of a benchmark's change from one side to the other.

    A session that drifts evenly has at no moment been farther from its mean than half of its drift. None where nothing
    says how far one did, or where something else than drift made one invalid.
    """
    found = [[of_run[name] for of_run in side if name in of_run] for side in sides]
    if any(one.paired_status == "invalid" or one.drift is None for side in found for one in side):
        return None
    return sum(max((moved(one.drift) for one in side if one.drift is not None), default=0.0) for side in found)


def moved(drift: Drift) -> float:
    """Return half of the logarithm of the farther end of a drift's interval."""
    return max(abs(math.log1p(drift.low_rel)), abs(math.log1p(drift.high_rel))) / 2
