"""Marks of a row: what a reader has to know before its figures, and what each mark means in one line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.report.fallbacks import fallbacks
from analysis.report.notices import ENERGY_OF_STAND_INS

#: What each kind of mark means, for whoever sees it for the first time.
MEANINGS = {
    "quick": "a first look of few visits, rounds and rows; no noise floor and no history takes it",
    "stand-in": f"generated text or seeded weights; energy is within {ENERGY_OF_STAND_INS}, quality says nothing",
    "emulated": "this hardware lacks the precision and computes it by other means, slowly",
    "invalid": "something disturbed the measurement; see the caveats",
    "unknown": "whether something disturbed the measurement could not be told; see the caveats",
    "fallback not checked": "other kernels may have run than the precision stands for",
    "far slower": "other kernels may have run than the precision stands for",
    "interval assumed": "how far sessions differ on this machine was not measured",
    "quality": "the first ones; --quality-samples all scores all",
    "quantized": "the share of what matrix products multiply by that is stored in 8 bits",
    "dominated": "no more time, energy and size, and no worse a quality",
}


@dataclass(frozen=True)
class Mark:
    """A mark of one row: its kind, a key of `MEANINGS`, and how it reads in a table."""

    kind: str
    text: str

    @property
    def meaning(self) -> str:
        """What it means, in one line."""
        return MEANINGS[self.kind]


def marks_of(frame: pd.DataFrame, dominated: Mapping[str, str]) -> list[list[Mark]]:
    """Return the marks of each row of a run's table; `dominated` maps a row's name to that of one that beats it."""
    slower = {one.name: one.base for one in fallbacks(frame)}
    rows = (row for _, row in frame.iterrows())
    return [row_marks(row, dominated.get(row["name"]), slower.get(row["name"])) for row in rows]


def row_marks(row: pd.Series[Any], dominated_by: str | None, slower_than: str | None = None) -> list[Mark]:
    """Return the marks of a row.

    `dominated_by` and `slower_than` name other rows: one that beats it in everything, and its base.
    """
    marks = [Mark(kind, kind) for kind in plain_kinds(row)]
    if slower_than:
        marks.append(Mark("far slower", f"far slower than {slower_than}"))
    if row["interval_assumed"] is True:
        marks.append(Mark("interval assumed", "interval assumed"))
    if row["rows_scored"] is not None and not pd.isna(row["rows_scored"]):
        marks.append(Mark("quality", f"quality of {row['rows_scored']} rows"))
    share = row.get("quantized_share")
    if share is not None and not pd.isna(share) and share < 1:
        marks.append(Mark("quantized", f"{math.floor(10_000 * share) / 100:.2f}% quantized"))  # never 100%
    if dominated_by:
        marks.append(Mark("dominated", f"dominated by {dominated_by}"))
    return marks


def plain_kinds(row: pd.Series[Any]) -> list[str]:
    """Return the kinds of marks that a row itself decides, and that read as they are called."""
    has = {
        "quick": row["quick"] is True,
        "stand-in": bool(row["stand_in"]),
        "emulated": row["native"] in (False, 0),
        "invalid": row["validity"] == "invalid",
        "unknown": row["validity"] == "unknown",
        "fallback not checked": row["fallback_checked"] in (False, 0),
    }
    return [kind for kind, is_marked in has.items() if is_marked]


def marks_text(marks: list[Mark]) -> str:
    """Return marks as text, separated by commas."""
    return ", ".join(mark.text for mark in marks)
