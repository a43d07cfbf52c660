"""What a whole reply takes: prefill and decode put together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from analysis.report.deployment import JOULES_PER_KWH, TOKENS, Tariff
from core.case import Case
from core.metrics import REPEAT_COLUMNS

PREFILL, DECODE = "prefill", "decode"


@dataclass(frozen=True)
class ReplyLength:
    """The tokens of a reply, and of its prompt; None: of every prompt that was measured."""

    generated: int = 64
    prompt: int | None = None


def replies(frame: pd.DataFrame, length: ReplyLength, tariff: Tariff | None) -> pd.DataFrame:
    """Return time, speed, energy and, at a tariff, cost of a reply, for each precision, execution and shape with both.

    The first of G new tokens is prefill's, the others are decode's: time = prefill + (G - 1) decode, and so the energy.
    Decode is of a cache of the prompt's length. In parentheses the sums of the ends of the intervals of a repeat.
    """
    rows: dict[Case, pd.Series[Any]] = {row["case"]: row for _, row in frame.iterrows()}
    table = []
    for case, prefill in rows.items():
        decode = rows.get(case.partner(workload=DECODE))
        is_asked = case.workload == PREFILL and length.prompt in (None, case.sequence_length)
        if is_asked and decode is not None:
            table.append(reply(case, prefill, decode, length.generated, tariff))
    columns: pd.DataFrame = pd.DataFrame(table)
    return columns


def reply(
    case: Case, prefill: pd.Series[Any], decode: pd.Series[Any], generated: int, tariff: Tariff | None
) -> dict[str, str]:
    """Return the row for replies of so many tokens: the prefill makes the first, a decode step each further one.

    Cells are text; what is not known is a dash.
    """

    def total(column: str) -> float:
        return float(prefill[column] + (generated - 1) * decode[column])

    milliseconds, energy_j = total("median_latency_ms"), total("energy_per_sample_mj") / 1000
    (low_ms, high_ms), (low_mj, high_mj) = (map(total, REPEAT_COLUMNS[figure]) for figure in ("latency", "energy"))
    per_user = 1000 * generated / milliseconds
    name = replace(case, workload="reply").id
    if "invalid" in (prefill["validity"], decode["validity"]):
        name += " (invalid)"
    row = {
        "reply": f"{name}, {case.sequence_length} + {generated} tokens",
        "time ms": with_interval(milliseconds, low_ms, high_ms, ".1f"),
        "first token ms": f"{prefill['median_latency_ms']:.3f}",
        "tokens/s each": f"{per_user:.1f}",
        "tokens/s in all": f"{per_user * case.batch_size:.1f}",
        "energy J": with_interval(energy_j, low_mj / 1000, high_mj / 1000, ".2f"),
    }
    if tariff is not None:
        price = energy_j / generated * TOKENS / JOULES_PER_KWH * tariff.price_per_kwh
        row[f"{tariff.currency} a million output tokens"] = "-" if pd.isna(price) else f"{price:.4g}"
    return row


def with_interval(value: float, low: float, high: float, form: str) -> str:
    """Return a figure and, where it is known, its interval as `value (low to high)`; a dash for NaN."""
    if pd.isna(value):
        return "-"
    return f"{value:{form}}" + ("" if pd.isna(low) else f" ({low:{form}} to {high:{form}})")
