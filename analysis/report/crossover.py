"""From which batch size on a precision is faster than FP32, or saves energy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from core.case import BASELINE
from core.metrics import REPEAT_COLUMNS

#: What pays: the verb, the ratio's column, the figure whose repeats its interval is of, and the ratio of no difference.
GAINS = (
    ("is faster", "speedup_vs_fp32", "speedup", 1.0),
    ("saves energy", "energy_reduction_vs_fp32", "energy saving", 0.0),
)
#: What cases have in common between which batch sizes are compared.
SWEPT = ["task", "workload", "execution", "sequence_length", "precision"]


def crossovers(frame: pd.DataFrame) -> list[str]:
    """Return a sentence for each gain of each precision, wherever several batch sizes were measured.

    It gives the first batch from which on every larger one gains too, and in parentheses from which on none may lose
    and from which on all certainly gain, by the intervals of a repeat.
    """
    sentences = []
    invalid = set(frame.loc[frame["validity"] == "invalid", "case"])
    is_usable = frame["case"].map(lambda case: not {case, case.partner(precision=BASELINE)} & invalid).astype(bool)
    others = frame[(frame["precision"] != BASELINE) & is_usable]
    for _, rows in others.groupby(SWEPT, sort=False):
        by_batch = rows.sort_values("batch_size")
        if len(by_batch) < 2:
            continue
        first = by_batch.iloc[0]
        several = {name: frame[name].nunique() > 1 for name in ("task", "workload")}
        what = [first["precision"], *(str(first[name]) for name, is_named in several.items() if is_named)]
        subject = f"{' '.join(what)}, {first['execution']}, {first['sequence_length']} tokens,"
        for verb, column, figure, none in GAINS:
            known = by_batch[by_batch[column].notna()]
            if len(known) > 1:
                sentences.append(f"{subject} {verb} {crossover(known, column, REPEAT_COLUMNS[figure], none)}.")
    return sentences


def crossover(rows: pd.DataFrame, column: str, ends: tuple[str, str], none: float) -> str:
    """Return from which batch on a gain is above `none`, as the end of a sentence; `rows` in order of batch size."""
    batches = [int(batch) for batch in rows["batch_size"]]
    # Where nothing says how far a repeat may differ, it may gain or lose.
    low, high = rows[ends[0]].fillna(-math.inf), rows[ends[1]].fillna(math.inf)
    measured, possibly, certainly = (
        first_of_all_larger(batches, list(values > none)) for values in (rows[column], high, low)
    )
    if possibly is None:
        return f"nowhere from batch {batches[0]} to {batches[-1]}"
    if measured is None:
        return f"nowhere clearly from batch {batches[0]} to {batches[-1]} (a repeat may find it from {possibly} on)"
    if certainly == batches[0]:
        return f"from batch {batches[0]} on, the smallest that was measured"
    return f"from batch {measured} on ({possibly} to {certainly or f'beyond {batches[-1]}'})"


def first_of_all_larger(batches: Sequence[int], gains: Sequence[Any]) -> int | None:
    """Return the smallest batch from which on all gain, or None where the largest does not."""
    found = None
    for batch, gain in zip(reversed(batches), reversed(gains), strict=True):
        if not gain:
            break
        found = batch
    return found
