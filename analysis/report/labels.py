"""What a metric is called in words, as on axes: made of the name of its column, which follows one pattern."""

from __future__ import annotations

import re

from core.metrics import Column

#: What parts of a name are in words; the others stand for themselves.
WORDS = {
    "kl": "divergence",
    "fp32": "FP32",
    "top1": "top-1",
    "delta": "change of",
    "rel": "as a share",
    "std": "standard deviation of",
    "sm": "SM",
    "cpu": "CPU",
    "sec": "second",
    "u95": "95% uncertainty",
}
#: The ends of intervals, whose columns are called after the figure that they are of.
ENDS = {"_ci95_low": ", lower end", "_ci95_high": ", upper end"}


def label(column: Column) -> str:
    """Return what a metric is called, without its unit."""
    unit = re.sub(r"\W+", "_", column.unit).lower()
    name, end = column.column.removesuffix(f"_{unit}") if unit else column.column, ""
    for ending, words in ENDS.items():
        if name.endswith(ending):
            name, end = name.removesuffix(ending), words
    return " ".join(WORDS.get(part, part) for part in name.split("_")) + end


def axis_label(column: Column) -> str:
    """Return what stands at an axis: what the metric is called, and its unit."""
    return f"{label(column)} ({column.unit})" if column.unit else label(column)
