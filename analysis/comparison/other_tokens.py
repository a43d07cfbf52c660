"""What is said of two models with different tokenizers: nothing of their tokens, and bits of the text they share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from analysis.comparison.change import NO_VERDICT, Change, ChangeInterval, change_verdict
from analysis.comparison.common_text import COMMON, common_bits, is_told_in_bits
from analysis.runs.saved import Run
from core.case import case_of
from core.metrics import Column, Metric

OTHER_TOKENIZER = f"the sides have different tokenizers, and a figure of tokens is of each one's own; {COMMON} compares"


def told_in_bits(
    before: Sequence[Run], after: Sequence[Run], name: str
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return a benchmark's `extra_info` on both sides, of the first run that has bits per byte; None without these."""
    sides = []
    for runs in (before, after):
        own = (item["extra_info"] for run in runs for item in run.benchmarks if case_of(item).id == name)
        sides.append(next((extra_info for extra_info in own if is_told_in_bits(extra_info)), None))
    first, second = sides
    return None if first is None or second is None else (first, second)


def is_of_tokens(metric: Column) -> bool:
    """Tell whether a metric is a figure of a model's tokens, for a benchmark that bits per byte tell."""
    return isinstance(metric, Metric) and metric.path.startswith("quality.")


def common_change(name: str, before: dict[str, Any], after: dict[str, Any]) -> Change:
    """Return the change of bits per byte over the characters that two models with different tokenizers both predict."""
    bits = common_bits(before, after)
    if bits.change is None or bits.reason is not None:
        return Change(name, COMMON, "lower", None, None, None, None, (0, 0), NO_VERDICT, bits.reason)
    relative, low, high, p_value = bits.change
    interval = None if math.isnan(low) else ChangeInterval(low, high, "the change on text like this", p_value)
    verdict = change_verdict("lower", (1, 1), relative, interval)
    return Change(name, COMMON, "lower", bits.before, bits.after, relative, interval, (1, 1), verdict)
