"""What the verdicts on several changes together allow: a latency with the fast one, and all benchmarks of a metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from analysis.comparison.change import MISSING, NO_VERDICT, Change
from core.metrics import SECOND_FIGURES
from core.statistics.intervals import CONFIDENCE


def both_the_same(changes: Sequence[Change]) -> list[Change]:
    """Return changes of which a latency is the same where the fast one is too, where there is one, and vice versa."""
    verdicts = {(one.benchmark, one.metric): one.verdict for one in changes}
    pairs = SECOND_FIGURES | {first: second for second, first in SECOND_FIGURES.items()}
    return [
        replace(one, verdict="undecided")
        if one.verdict == "same"
        and verdicts.get((one.benchmark, pairs.get(one.metric, "")), "same") not in ("same", NO_VERDICT, MISSING)
        else one
        for one in changes
    ]


def holm(changes: Sequence[Change]) -> list[Change]:
    """Return changes of which better and worse stand only where all benchmarks of their metric together allow it.

    A metric and its second figure (`SECOND_FIGURES`) are one.

    The k-th smallest of m probabilities has to be below 5% / (m - k + 1), and so have those before it. Source: Holm, A
    simple sequentially rejective multiple test procedure, 1979.
    """
    significant: set[int] = set()
    judged = [
        (SECOND_FIGURES.get(one.metric, one.metric), one.interval.p_value, number)
        for number, one in enumerate(changes)
        if one.interval is not None and one.verdict not in (NO_VERDICT, MISSING)
    ]
    for metric in dict.fromkeys(metric for metric, _, _ in judged):
        family = sorted((p_value, number) for of, p_value, number in judged if of == metric)
        for place, (p_value, number) in enumerate(family):
            if p_value > (1 - CONFIDENCE) / (len(family) - place):
                break
            significant.add(number)
    return [
        replace(one, verdict="undecided") if one.verdict in ("better", "worse") and number not in significant else one
        for number, one in enumerate(changes)
    ]
