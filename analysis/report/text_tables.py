"""Figures as text: the table that people read, in full for documents and short for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.text import number


def summary_table(frame: pd.DataFrame, dominated: Mapping[str, str]) -> pd.DataFrame:
    """Return the table for documents: formatted, with intervals, and with marks on rows that need one.

    `dominated` maps a benchmark's name to that of one that beats it in everything.
    """
    rows = [summary_row(row, dominated.get(row["name"])) for _, row in frame.iterrows()]
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def summary_row(row: pd.Series[Any], dominated_by: str | None) -> dict[str, str]:
    """Return one benchmark as text."""
    marks = row_marks(row, dominated_by)
    low, high = (number(row[f"median_ci95_{end}_ms"], "{:.3f}") for end in ("low", "high"))
    interval = "no interval" if low == "-" else f"{low} to {high}"
    return {
        "benchmark": row["name"] + (f" ({marks})" if marks else ""),
        "median ms (95% interval of this run's median)": f"{number(row['median_latency_ms'], '{:.3f}')} ({interval})",
        "mean ± std ms": f"{number(row['mean_latency_ms'], '{:.3f}')} ± {number(row['std_latency_ms'], '{:.3f}')}",
        "speedup vs FP32 (from both intervals)": speedup(row),
        "samples/s": number(row["throughput"], "{:.1f}"),
        "tokens/s": number(row["tokens_per_sec"], "{:,.0f}"),
        "perplexity": perplexity(row),
        "perplexity vs FP32 (95%, for this text)": quality_change(row),
        "energy mJ": energy(row),
        "power W": number(row["mean_power_w"], "{:.0f}"),
        "size MB": number(row["model_size_mb"], "{:.2f}"),
    }


def terminal_table(frame: pd.DataFrame, dominated: Mapping[str, str]) -> pd.DataFrame:
    """Return the short table, for a terminal and a screen: the figures compared, and the marks in their own column."""
    rows = [terminal_row(row, dominated.get(row["name"])) for _, row in frame.iterrows()]
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def terminal_row(row: pd.Series[Any], dominated_by: str | None) -> dict[str, str]:
    """Return one benchmark as text."""
    latency = (row["median_latency_ms"], row["median_ci95_low_ms"], row["median_ci95_high_ms"])
    gain = (row["speedup_vs_fp32"], row["speedup_vs_fp32_ci95_low"], row["speedup_vs_fp32_ci95_high"])
    return {
        "benchmark": row["name"],
        "median ms": with_relative_interval(*latency, "{:.3f}"),
        "vs FP32": with_relative_interval(*gain, "{:.2f}x"),
        "samples/s": number(row["throughput"], "{:.1f}"),
        "perplexity": number(row["perplexity"], "{:.2f}"),
        "against FP32": number(row["quality_verdict"], "{}"),
        "energy mJ": energy(row),
        "size MB": number(row["model_size_mb"], "{:.1f}"),
        "marks": row_marks(row, dominated_by) or "-",
    }


def row_marks(row: pd.Series[Any], dominated_by: str | None) -> str:
    """Return what a reader has to know of a row before its figures."""
    marks = []
    if row["stand_in"]:
        marks.append("stand-in")
    elif row["quality_meaningful"] in (False, 0):
        marks.append("perplexity is meaningless")
    if row["native"] in (False, 0):
        marks.append("emulated")
    if row["validity"] in ("invalid", "unknown"):
        marks.append(row["validity"])
    if dominated_by:
        marks.append(f"dominated by {dominated_by}")
    return ", ".join(marks)


def with_relative_interval(value: float, low: float, high: float, form: str) -> str:
    """Return a figure, and how far its 95% interval reaches from it where it has one."""
    text = number(value, form)
    if high > low and value > 0:
        return f"{text} ± {max(value - low, high - value) / value:.1%}"
    return text


def speedup(row: pd.Series[Any]) -> str:
    """Return a row's speed against FP32's with its interval."""
    low, high = row["speedup_vs_fp32_ci95_low"], row["speedup_vs_fp32_ci95_high"]
    interval = f" ({low:.2f} to {high:.2f})" if high > low else ""
    return number(row["speedup_vs_fp32"], "{:.2f}x") + interval


def perplexity(row: pd.Series[Any]) -> str:
    """Return a row's perplexity, and that it is meaningless where it is."""
    return number(row["perplexity"], "{:.3f}") + ("" if row["quality_meaningful"] else " (meaningless)")


def energy(row: pd.Series[Any]) -> str:
    """Return a row's energy per sample with its uncertainty."""
    uncertainty = "" if pd.isna(row["energy_rel_u95"]) else f" ± {row['energy_rel_u95']:.1%}"
    return number(row["energy_per_sample_mj"], "{:.1f}") + uncertainty


def quality_change(row: pd.Series[Any]) -> str:
    """Return by how much perplexity differs from FP32's, with its interval and verdict."""
    if pd.isna(row["delta_perplexity_vs_fp32"]):
        return "-"
    low, high = row["delta_perplexity_ci95_low"], row["delta_perplexity_ci95_high"]
    return f"{row['delta_perplexity_vs_fp32']:+.4f} ({low:+.4f} to {high:+.4f}), {row['quality_verdict']}"
