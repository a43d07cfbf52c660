"""Which divergence is shown: of what was timed, where a run has it."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from analysis.report.divergence import SCORED, TIMED, divergence_column, divergence_words

SCORED_ONLY = {
    SCORED: 2.13e-5,
    "top1_agreement_vs_fp32": 0.991,
    "top1_strict_vs_fp32": math.nan,
    TIMED: math.nan,
    "timed_top1_agreement_vs_fp32": math.nan,
    "timed_top1_strict_vs_fp32": math.nan,
    "stand_in": False,
    "quality_meaningful": True,
}
BOTH = SCORED_ONLY | {TIMED: 1.26e-5, "timed_top1_agreement_vs_fp32": 0.9912, "timed_top1_strict_vs_fp32": 0.9688}


@pytest.mark.parametrize(
    ("figures", "low", "expected"),
    [
        (SCORED_ONLY, math.nan, "gives fp32's most likely answer 99.1% of the time (divergence 2.1e-05 nats)"),
        (
            SCORED_ONLY | {"top1_strict_vs_fp32": 0.969},
            math.nan,
            "gives fp32's most likely answer 96.9% of the time, 99.1% counting ties (divergence 2.1e-05 nats)",
        ),
        (
            BOTH,
            1.1e-5,
            "as timed, gives fp32's most likely answer 96.9% of the time, 99.1% counting ties (divergence 1.3e-05 "
            "nats, 1.1e-05 to 1.4e-05)",
        ),
        (
            BOTH | {"timed_top1_strict_vs_fp32": 0.9911},
            math.nan,
            "as timed, gives fp32's most likely answer 99.1% of the time (divergence 1.3e-05 nats)",
        ),
        (BOTH | {"stand_in": True}, 1.1e-5, None),
        (BOTH | {"quality_meaningful": False}, 1.1e-5, None),
        (SCORED_ONLY | {SCORED: math.nan}, math.nan, None),
    ],
)
def test_the_words_are_of_what_was_timed_where_that_is_known(figures, low, expected):
    assert divergence_words(pd.Series(figures), low, 1.4e-5, None) == expected


def test_pictures_show_what_was_timed_in_runs_that_have_it():
    assert divergence_column(pd.DataFrame([SCORED_ONLY, SCORED_ONLY])) == SCORED
    assert divergence_column(pd.DataFrame([BOTH, BOTH])) == TIMED
    assert (
        divergence_column(pd.DataFrame([BOTH | {SCORED: math.nan, TIMED: math.nan}, BOTH])) == TIMED
    )  # FP32's own row
    assert (
        divergence_column(pd.DataFrame([SCORED_ONLY, BOTH])) == SCORED
    )  # a workload of which nothing timed is compared
