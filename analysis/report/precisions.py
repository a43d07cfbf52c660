"""A sentence for each precision: what it gives and what it costs, also where it loses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.case import BASELINE
from analysis.metrics import SAME_REL, Catalogue
from analysis.metrics.tasks import TaskWords
from analysis.report.recommendation import comparable_rows
from analysis.table import known_interval


def precision_sentences(frame: pd.DataFrame, catalogue: Catalogue, tasks: Mapping[str, TaskWords]) -> list[str]:
    """Return a sentence for each precision but FP32, in the rows of each shape that the recommendation looks at."""
    sentences = []
    for rows in comparable_rows(frame):
        intervals = {
            column: known_interval(rows, column, catalogue)
            for column in ("speedup_vs_fp32", "energy_reduction_vs_fp32", "median_latency_ms")
        }
        fastest = rows.sort_values("median_latency_ms").iloc[0]
        for index, row in rows[rows["precision"] != BASELINE].iterrows():
            ends = {column: (low[index], high[index]) for column, (low, high) in intervals.items()}
            highest_of_fastest = intervals["median_latency_ms"][1][fastest.name]
            parts = [speed(row, *ends["speedup_vs_fp32"]), energy(row, *ends["energy_reduction_vs_fp32"]), size(row)]
            parts.append(divergence(row, tasks.get(row["task"])))
            if ends["median_latency_ms"][0] > highest_of_fastest:
                ratio = row["median_latency_ms"] / fastest["median_latency_ms"]
                parts.append(f"{ratio:.2f} times the latency of {fastest['name']}")
            sentences.append(f"{row['name']}: {', '.join(filter(None, parts))}.")
    return sentences


def speed(row: pd.Series[Any], low: float, high: float) -> str:
    """Return how fast a row is against FP32, as far as its interval of a repeat allows."""
    ratio = row["speedup_vs_fp32"]
    if math.isnan(low):
        return f"{ratio:.2f}x the speed of {BASELINE} in this run"
    if low > 1:
        return f"{ratio:.2f}x the speed of {BASELINE}"
    if high < 1:
        return f"{1 / ratio:.2f} times slower than {BASELINE}"
    return f"no clear difference in speed from {BASELINE} ({low:.2f} to {high:.2f}x)"


def energy(row: pd.Series[Any], low: float, high: float) -> str | None:
    """Return what a row saves or costs in energy against FP32; None where that is not known."""
    saving = row["energy_reduction_vs_fp32"]
    if pd.isna(saving) or math.isnan(low):
        return None
    if low <= 0 <= high:
        return "no clear difference in energy"
    return f"{abs(saving):.0%} {'less' if saving > 0 else 'more'} energy"


def size(row: pd.Series[Any]) -> str | None:
    """Return a row's size as a share of FP32's."""
    share = 1 - row["size_reduction_vs_fp32"]
    if pd.isna(share):
        return None
    return "the same size" if abs(share - 1) < SAME_REL else f"{share:.0%} of its size"


def divergence(row: pd.Series[Any], words: TaskWords | None) -> str | None:
    """Return how far a row's predictions are from FP32's; None on generated text or seeded weights."""
    kl, agreement = row.get("kl_vs_fp32_nats"), row.get("top1_agreement_vs_fp32")
    if row["stand_in"] or row["quality_meaningful"] in (False, 0) or pd.isna(kl) or pd.isna(agreement):
        return None
    answer = "answer" if words is None else words.answer
    return f"{BASELINE}'s most likely {answer} {agreement:.1%} of the time (divergence {kl:.2g} nats)"
