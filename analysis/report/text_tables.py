"""Figures as text: the table that people read, in full for documents and short for a terminal."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.report.recommendation import dominated


def compact(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table that people read: formatted, with intervals, and with marks on rows that need one."""
    beaten = dominated(frame)
    shown: pd.DataFrame = pd.DataFrame([compact_row(item, beaten.get(item["name"])) for _, item in frame.iterrows()])
    return shown


def compact_row(item: pd.Series[Any], beaten_by: str | None) -> dict[str, str]:
    """Return one benchmark as text."""
    marked = marks(item, beaten_by)
    low, high = (number(item[f"median_ci95_{end}_ms"], "{:.3f}") for end in ("low", "high"))
    interval = "no interval" if low == "-" else f"{low} to {high}"
    return {
        "benchmark": item["name"] + (f" ({marked})" if marked else ""),
        "median ms (95% interval of this run's median)": f"{number(item['median_latency_ms'], '{:.3f}')} ({interval})",
        "mean ± std ms": f"{number(item['mean_latency_ms'], '{:.3f}')} ± {number(item['std_latency_ms'], '{:.3f}')}",
        "speedup vs FP32 (from both intervals)": speedup(item),
        "samples/s": number(item["throughput"], "{:.1f}"),
        "tokens/s": number(item["tokens_per_sec"], "{:,.0f}"),
        "perplexity": perplexity(item),
        "perplexity vs FP32 (95%, for this text)": quality_change(item),
        "energy mJ": energy(item),
        "power W": number(item["mean_power_w"], "{:.0f}"),
        "size MB": number(item["model_size_mb"], "{:.2f}"),
    }


def terse(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the short table, for a terminal and a screen: what is compared, and the marks in a column of their own."""
    beaten = dominated(frame)
    rows = [
        {
            "benchmark": item["name"],
            "median ms": within(
                item["median_latency_ms"], item["median_ci95_low_ms"], item["median_ci95_high_ms"], "{:.3f}"
            ),
            "vs FP32": within(
                item["speedup_vs_fp32"],
                item["speedup_vs_fp32_ci95_low"],
                item["speedup_vs_fp32_ci95_high"],
                "{:.2f}x",
            ),
            "samples/s": number(item["throughput"], "{:.1f}"),
            "perplexity": number(item["perplexity"], "{:.2f}"),
            "against FP32": number(item["quality_verdict"], "{}"),
            "energy mJ": energy(item),
            "size MB": number(item["model_size_mb"], "{:.1f}"),
            "marks": marks(item, beaten.get(item["name"])) or "-",
        }
        for _, item in frame.iterrows()
    ]
    shown: pd.DataFrame = pd.DataFrame(rows)
    return shown


def marks(item: pd.Series[Any], beaten_by: str | None) -> str:
    """Return what a reader has to know of a row before its figures."""
    return ", ".join(
        [
            *(["stand-in"] if item["stand_in"] else []),
            *(
                ["perplexity means nothing"]
                if item["quality_meaningful"] in (False, 0) and not item["stand_in"]
                else []
            ),
            *(["emulated"] if item["native"] in (False, 0) else []),
            *([item["validity"]] if item["validity"] in ("invalid", "unknown") else []),
            *([f"dominated by {beaten_by}"] if beaten_by else []),
        ]
    )


def within(value: float, low: float, high: float, form: str) -> str:
    """Return a figure, and how far its 95% interval reaches from it where it has one."""
    shown = number(value, form)
    return f"{shown} ± {max(value - low, high - value) / value:.1%}" if high > low and value > 0 else shown


def speedup(item: pd.Series[Any]) -> str:
    """Return a row's speed against FP32's with its interval."""
    low, high = item["speedup_vs_fp32_ci95_low"], item["speedup_vs_fp32_ci95_high"]
    return number(item["speedup_vs_fp32"], "{:.2f}x") + (f" ({low:.2f} to {high:.2f})" if high > low else "")


def perplexity(item: pd.Series[Any]) -> str:
    """Return a row's perplexity, and that it means nothing where it does."""
    return number(item["perplexity"], "{:.3f}") + ("" if item["quality_meaningful"] else " (means nothing)")


def energy(item: pd.Series[Any]) -> str:
    """Return a row's energy per sample with its uncertainty."""
    uncertainty = "" if pd.isna(item["energy_rel_u95"]) else f" ± {item['energy_rel_u95']:.1%}"
    return number(item["energy_per_sample_mj"], "{:.1f}") + uncertainty


def quality_change(item: pd.Series[Any]) -> str:
    """Return by how much perplexity differs from FP32's, with its interval and verdict."""
    if pd.isna(item["delta_perplexity_vs_fp32"]):
        return "-"
    low, high = item["delta_perplexity_ci95_low"], item["delta_perplexity_ci95_high"]
    return f"{item['delta_perplexity_vs_fp32']:+.4f} ({low:+.4f} to {high:+.4f}), {item['quality_verdict']}"


def number(
    value: Any,  # noqa: ANN401
    form: str,
) -> str:
    """Return a figure as text; a missing one is a dash, never 0."""
    return "-" if value is None or pd.isna(value) else form.format(value)
