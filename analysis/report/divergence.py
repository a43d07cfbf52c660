"""Which divergence from FP32 is shown: that of the rows that were timed, else that of all rows as they were scored."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from core.case import BASELINE
from core.tasks import TaskWords

#: All rows, scored in one batched eager pass; and the rows that went through the timed execution.
SCORED, TIMED = "kl_vs_fp32_nats", "timed_kl_vs_fp32_nats"
#: What each is of, as pictures say it.
WHAT_OF = {SCORED: "as scored", TIMED: "as timed"}
SCORED_AGREEMENT, SCORED_STRICT = "top1_agreement_vs_fp32", "top1_strict_vs_fp32"
TIMED_AGREEMENT, TIMED_STRICT = "timed_top1_agreement_vs_fp32", "timed_top1_strict_vs_fp32"


def divergence_column(frame: pd.DataFrame) -> str:
    """Return the column with the divergence of what was timed, where every row has that, else that of what was scored.

    Of workloads other than forwards nothing that was timed is compared with FP32.
    """
    has_it = frame[TIMED].notna()
    return TIMED if has_it.any() and has_it[frame[SCORED].notna()].all() else SCORED


def divergence_words(row: pd.Series[Any], low: float, high: float, words: TaskWords | None) -> str | None:
    """Return how far a row's answers are from FP32's; None on generated text or seeded weights, and where not known.

    `low`, `high`: the ends of the interval of the timed rows' divergence. Earlier runs have no timed rows'.
    """
    kl, agreement, strict, what = row[TIMED], row[TIMED_AGREEMENT], row[TIMED_STRICT], "as timed, gives"
    if pd.isna(kl):
        kl, agreement, strict, what, low = row[SCORED], row[SCORED_AGREEMENT], row[SCORED_STRICT], "gives", math.nan
    if row["stand_in"] or row["quality_meaningful"] in (False, 0) or pd.isna(kl) or pd.isna(agreement):
        return None
    answer = "answer" if words is None else words.answer
    share, with_ties = f"{agreement if pd.isna(strict) else strict:.1%}", f"{agreement:.1%}"
    ties = "" if with_ties == share else f", {with_ties} counting ties"
    reach = "" if pd.isna(low) else f", {low:.2g} to {high:.2g}"
    return f"{what} {BASELINE}'s most likely {answer} {share} of the time{ties} (divergence {kl:.2g} nats{reach})"
