"""One plain sentence: which precision to use here, and why."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.table import ends

#: The execution that shows what the device can do comes first.
EXECUTIONS = ("graph", "compiled", "eager")
BASELINE = "fp32"
#: Qualities that cost nothing.
HARMLESS = ("equal", "better")
#: Nothing is called better or worse by less than this.
MARGIN = 0.01
#: What a precision is judged by beside its quality; less is better.
COSTS = ("median_latency_ms", "energy_per_sample_mj", "model_size_mb")
LOWEST, HIGHEST = "lowest ", "highest "


def recommendation(frame: pd.DataFrame) -> str | None:
    """Return what to use and why, or None where there is nothing to choose between.

    Looks at one execution, the first of graph, compiled and eager that has FP32 and another precision, and at rows that
    have a latency and are not invalid.
    """
    timed = frame[(frame["median_latency_ms"] > 0) & (frame["validity"] != "invalid")]
    for execution in EXECUTIONS:
        rows = timed[timed["execution"] == execution]
        baseline, others = rows[rows["precision"] == BASELINE], rows[rows["precision"] != BASELINE]
        if len(baseline) and len(others):
            return sentence(baseline.iloc[0], others)
    return None


def sentence(baseline: pd.Series[Any], others: pd.DataFrame) -> str:
    """Return the sentence for one execution."""
    clearly_faster = others[ends(others, "speedup_vs_fp32")[0] > 1]
    fastest = (clearly_faster if len(clearly_faster) else others).sort_values("median_latency_ms").iloc[0]
    if not fastest["speedup_vs_fp32"] > 1 + MARGIN:
        return f"Stay with {baseline['name']}: no other precision is faster here ({gains(fastest)})."
    if not len(clearly_faster):
        low, high = fastest["speedup_vs_fp32_ci95_low"], fastest["speedup_vs_fp32_ci95_high"]
        return (
            f"Stay with {baseline['name']} or measure again: {fastest['name']} is not clearly faster "
            f"({gains(fastest)}, with an interval from {low:.2f} to {high:.2f}x)."
        )
    if fastest["stand_in"]:
        return (
            f"{fastest['name']} is the fastest here ({gains(fastest)}); whether its quality holds cannot be told on "
            "generated text or seeded weights."
        )
    verdict = fastest["quality_verdict"]
    if verdict in HARMLESS:
        quality = "perplexity equal within 0.1%" if verdict == "equal" else "perplexity no worse"
        return f"Use {fastest['name']}: {gains(fastest)}, {quality}."
    if verdict == "worse":
        change = fastest["delta_perplexity_rel"]
        cost = f"at the cost of {change:+.2%} perplexity: yours to weigh."
    elif verdict == "undecided":
        cost = "with a quality that is undecided: score more rows (--quality-samples all)."
    else:
        cost = "with a quality that was not compared with FP32's."
    return f"{fastest['name']} is the fastest here ({gains(fastest)}), {cost}"


def gains(row: pd.Series[Any]) -> str:
    """Return a row's speed and energy against FP32 as text."""
    energy, low, high = (row[f"energy_reduction_vs_fp32{end}"] for end in ("", "_ci95_low", "_ci95_high"))
    saved = "" if pd.isna(energy) else f", {abs(energy):.0%} {'less' if energy >= 0 else 'more'} energy"
    if low < 0 < high:
        saved = ", the same energy within its uncertainty"
    return f"{row['speedup_vs_fp32']:.2f}x the speed of {BASELINE}{saved}"


def dominated(frame: pd.DataFrame) -> dict[str, str]:
    """Return, by name, each benchmark that another of its execution beats in everything, and which one that is.

    In everything: no cost of the other is higher, one is lower by more than 1%, its intervals' upper ends against this
    one's lower ends, and its quality is harmless. A cost that either side lacks is not compared.
    """
    frame = frame.copy()
    for cost in COSTS:
        frame[LOWEST + cost], frame[HIGHEST + cost] = ends(frame, cost)
    found = {}
    for _, row in frame.iterrows():
        rivals = frame[(frame["execution"] == row["execution"]) & (frame["name"] != row["name"])]
        for _, rival in rivals.iterrows():
            if beats(rival, row):
                found[str(row["name"])] = str(rival["name"])
                break
    return found


def beats(rival: pd.Series[Any], row: pd.Series[Any]) -> bool:
    """Tell whether a benchmark is better in something and worse in nothing."""
    is_harmless = rival["precision"] == BASELINE or rival["quality_verdict"] in HARMLESS
    if not is_harmless or rival["validity"] == "invalid":
        return False
    costs = [(rival[HIGHEST + cost], row[LOWEST + cost]) for cost in COSTS]
    ratios = [theirs / ours for theirs, ours in costs if theirs > 0 and ours > 0]
    return bool(ratios) and max(ratios) <= 1 and min(ratios) < 1 - MARGIN
