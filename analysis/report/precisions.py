"""A sentence for each precision: what it gives and what it costs, also where it loses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.report.divergence import TIMED, divergence_words
from analysis.report.recommendation import comparable_rows, energy
from analysis.report.sentences import Sentence, merged
from analysis.report.table import known_interval
from core.case import BASELINE, Case
from core.executions import Executions
from core.metrics import SAME_REL, Catalogue
from core.tasks import TaskWords

#: Text with places, and the figures for them.
Part = tuple[str, dict[str, tuple[float, str]]]


def precision_sentences(
    frame: pd.DataFrame, catalogue: Catalogue, tasks: Mapping[str, TaskWords], executions: Executions
) -> list[str]:
    """Return a sentence for each precision but FP32, in the rows of each shape that the recommendation looks at.

    One sentence for shapes of which the same can be said.
    """
    sentences = []
    for rows in comparable_rows(frame, executions):
        intervals = {
            column: known_interval(rows, column, catalogue)
            for column in ("speedup_vs_fp32", "energy_reduction_vs_fp32", "median_latency_ms", TIMED)
        }
        fastest = rows.sort_values("median_latency_ms").iloc[0]
        for index, row in rows[rows["precision"] != BASELINE].iterrows():
            ends = {column: (low[index], high[index]) for column, (low, high) in intervals.items()}
            highest_of_fastest = intervals["median_latency_ms"][1][fastest.name]
            saved, figures = energy(row["energy_reduction_vs_fp32"], *ends["energy_reduction_vs_fp32"])
            parts = [speed(row, *ends["speedup_vs_fp32"]), (saved, figures) if saved else None, size(row)]
            if divergence := divergence_words(row, *ends[TIMED], tasks.get(row["task"])):
                parts.append((divergence, {}))
            if ends["median_latency_ms"][0] > highest_of_fastest and fastest["precision"] != BASELINE:
                ratio = row["median_latency_ms"] / fastest["median_latency_ms"]
                parts.append(("{ratio} times the latency of {fastest}", {"ratio": (ratio, "{:.2f}")}))
            sentences.append(sentence_of(row["case"], fastest["case"], [part for part in parts if part]))
    return merged(sentences, frame["case"])


def sentence_of(case: Case, fastest: Case, parts: Sequence[Part]) -> Sentence:
    """Return the sentence on a case of what its parts say, each a text with its figures, separated by commas."""
    text = f"{{name}}: {', '.join(text for text, _ in parts)}."
    figures = {key: figure for _, of_part in parts for key, figure in of_part.items()}
    return Sentence(text, {"name": case} | ({"fastest": fastest} if "{fastest}" in text else {}), figures)


def speed(row: pd.Series[Any], low: float, high: float) -> Part:
    """Return how fast a row is against FP32, as far as its interval of a repeat allows."""
    ratio = {"speedup": (row["speedup_vs_fp32"], "{:.2f}")}
    if math.isnan(low):
        return f"{{speedup}}x the speed of {BASELINE} in this run", ratio
    if low > 1 - SAME_REL and high < 1 + SAME_REL:
        return f"as fast as {BASELINE}", {}
    if low > 1 or high < 1:
        return f"{{speedup}}x the speed of {BASELINE}", ratio
    ends = {"low": (low, "{:.2f}"), "high": (high, "{:.2f}")}
    return f"no clear difference in speed from {BASELINE} ({{low}} to {{high}}x)", ends


def size(row: pd.Series[Any]) -> Part | None:
    """Return a row's size as a percentage of FP32's, the same size within 1%; None where either is missing."""
    share = 1 - row["size_reduction_vs_fp32"]
    if pd.isna(share):
        return None
    return "the same size" if abs(share - 1) < SAME_REL else f"{share:.0%} of {BASELINE}'s size", {}
