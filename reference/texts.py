"""Figures as text: lowest to highest, spreads, counts, tables."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from analysis.report.text_tables import number

DEFAULT = ("fp32", "fp16", "mixed")
PRECISIONS = ("fp32", "tf32", "fp16", "bf16", "mixed", "mixed_bf16", "int8", "int8_weights", "fp8")
COUNTS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight"}


@dataclass(frozen=True)
class Count:
    """How many of several, as in `9 of 500`."""

    found: int
    of: int

    @property
    def share(self) -> float:
        """The share that was found."""
        return self.found / self.of

    def __str__(self) -> str:
        """Return `9 of 500`."""
        return f"{self.found} of {self.of}"


def span(found: Iterable[float], form: str, unit: str = "") -> str:
    """Return the lowest and the highest of figures as text; one figure alone where they are written alike.

    Figures that a session lacks are counted, not left out in silence.
    """
    every = list(found)
    known = [value for value in every if not math.isnan(value)]
    if not known:
        return "-"
    first, *last = dict.fromkeys(number(end, form) for end in (min(known), max(known)))
    ends = " to ".join([first.removesuffix("%") if last else first, *last])
    missing = f" ({len(every) - len(known)} of {len(every)} missing)" if len(known) < len(every) else ""
    return f"{ends}{unit}{missing}"


def spread(found: list[float]) -> str:
    """Return the coefficient of variation of figures as text, with two significant digits."""
    return f"{100 * statistics.stdev(found) / statistics.fmean(found):.2g}%"


def short(value: float, digits: int = 1) -> str:
    """Return a number as 8.2e-2, with so many digits behind the point."""
    return f"{value:.{digits}e}".replace("e-0", "e-")


def listed(texts: Iterable[str]) -> str:
    """Return texts as a list in a sentence."""
    *first, last = texts
    return f"{', '.join(first)} and {last}"


def grid(head: list[str], rows: Iterable[list[str]]) -> str:
    """Return a table as Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in line)}|" for line in lines)
