"""One plain sentence: which precision to use here, and why."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from analysis.report.sentences import Sentence, merged
from analysis.report.table import known_interval
from analysis.report.ties import as_fast_as_the_fastest, tied
from core.case import BASELINE
from core.executions import Executions
from core.metrics import REPEAT_COLUMNS, SAME, SAME_REL, Catalogue
from core.tasks import TaskWords

#: Verdicts on quality that are no reason against a precision.
HARMLESS = ("equal", "better")
MEASURE_AGAIN = "Measure again, in two visits or more."
#: What a precision is judged by beside its quality; less is better.
COSTS = ("median_latency_ms", "energy_per_sample_mj", "model_size_mb")


def recommendations(
    frame: pd.DataFrame, catalogue: Catalogue, tasks: Mapping[str, TaskWords], executions: Executions
) -> list[str]:
    """Return what to use and why, one sentence for shapes of which the same can be said.

    Nothing for a shape in which there is nothing to choose between.
    """
    return merged(
        (
            sentence(
                rows[rows["precision"] == BASELINE].iloc[0],
                rows[rows["precision"] != BASELINE],
                catalogue,
                tasks.get(rows["task"].iloc[0]),
            )
            for rows in comparable_rows(frame, executions)
        ),
        frame["case"],
    )


def comparable_rows(frame: pd.DataFrame, executions: Executions) -> Iterator[pd.DataFrame]:
    """Give for each shape the rows to choose between, FP32's among them.

    They are of one execution, that with the highest rank of those that have FP32 and another precision: it shows best
    what the device can do. They have a latency and are not invalid.
    """
    timed = frame[(frame["median_latency_ms"] > 0) & (frame["validity"] != "invalid")]
    shapes = timed["case"].map(lambda case: case.alternatives)
    for shape in dict.fromkeys(shapes):
        of_shape = timed[shapes == shape]
        for execution in executions.by_rank(of_shape["execution"]):
            rows = of_shape[of_shape["execution"] == execution]
            is_baseline = rows["precision"] == BASELINE
            if is_baseline.any() and not is_baseline.all():
                yield rows
                break


def sentence(baseline: pd.Series[Any], others: pd.DataFrame, catalogue: Catalogue, words: TaskWords | None) -> Sentence:
    """Return what to use in one setting: the fastest other precision, if clearly faster than FP32, or FP32."""
    low, high = known_interval(others, "speedup_vs_fp32", catalogue)
    clearly_faster = others[low > 1]
    candidates = clearly_faster if len(clearly_faster) else others
    first_choice = as_fast_as_the_fastest(candidates, HARMLESS, catalogue)
    fastest, rivals = first_choice.iloc[0], list(first_choice["case"].iloc[1:])
    place: Any = fastest.name
    gains, figures = gains_of(fastest)
    is_faster = bool(fastest["speedup_vs_fp32"] > 1 + SAME_REL)
    if pd.isna(low[place]):
        was = f"{{name}} was the fastest in this run ({gains})"
        if not is_faster:
            was = f"No precision was faster than {{baseline}} in this run (the fastest, {{name}}: {gains})"
        text = f"{was}; nothing says how far a repeat may differ, so nothing is recommended. {MEASURE_AGAIN}"
    elif not is_faster:
        text = f"Stay with {{baseline}}: no other precision is over 1% faster here (the fastest, {{name}}: {gains})."
    elif not len(clearly_faster):
        text = (
            f"Stay with {{baseline}} or measure again: {{name}} is not clearly faster ({gains}; a repeat may find "
            "{low} to {high}x)."
        )
        figures |= {"low": (low[place], "{:.2f}"), "high": (high[place], "{:.2f}")}
    elif fastest["stand_in"]:
        text = (
            f"{{name}} is the fastest here ({gains}); whether its quality holds cannot be told on generated text or "
            "seeded weights."
        )
    elif fastest["quality_meaningful"] in (False, 0):
        text = f"{{name}} is the fastest here ({gains}); whether its quality holds cannot be told in another's tokens."
    else:
        text = with_quality(fastest, gains, words)
    cases = {"name": fastest["case"], "baseline": baseline["case"]}
    if rivals and len(clearly_faster) and is_faster:
        cases |= {f"rival{number}": rival for number, rival in enumerate(rivals)}
        text = text.replace("is the fastest here", "is one of the fastest here")
        text += f" {tied([f'{{rival{number}}}' for number in range(len(rivals))])}"
    return Sentence(text, cases, figures)


def with_quality(fastest: pd.Series[Any], gains: str, words: TaskWords | None) -> str:
    """Return the text on a precision that is clearly faster than FP32, by the verdict on its quality."""
    verdict = fastest["quality_verdict"]
    headline = "quality" if words is None else words.headline
    if verdict == "equal":
        return f"Use {{name}}: {gains}, {headline} equal{'' if words is None else f' {words.margin}'}."
    if verdict == "better":
        return f"Use {{name}}: {gains}, {headline} no worse."
    if verdict == "worse":
        change = "a worse quality" if words is None else words.change_text(fastest[words.change])
        cost = f"at the cost of {change}: yours to weigh"
    elif verdict == "undecided":
        cost = "with a quality that is undecided: score more rows (--quality-samples all)"
    else:
        cost = "with a quality that was not compared with FP32's"
    return f"{{name}} is the fastest here ({gains}), {cost}."


def gains_of(row: pd.Series[Any]) -> tuple[str, dict[str, tuple[float, str]]]:
    """Return a row's speed and energy against FP32 as text, and the figures for its places."""
    speed, figures = f"{{speedup}}x the speed of {BASELINE}", {"speedup": (row["speedup_vs_fp32"], "{:.2f}")}
    saving = row["energy_reduction_vs_fp32"]
    if pd.isna(saving):
        return speed, figures
    words, saved = energy(saving, *(row[column] for column in REPEAT_COLUMNS["energy saving"]))
    return (f"{speed}, {words}" if words else speed), figures | saved


def energy(saving: float, low: float, high: float) -> tuple[str | None, dict[str, tuple[float, str]]]:
    """Return a share of energy saved as text with a place, None without an interval, and the figure for the place."""
    if math.isnan(low) or math.isnan(high):
        return None, {}
    if low <= 0 <= high:
        return "no clear difference in energy", {}
    if abs(saving) < SAME_REL:
        return f"the energy of {BASELINE}", {}
    return f"{{saving}}% {'less' if saving > 0 else 'more'} energy", {"saving": (100 * abs(saving), "{:.0f}")}


def dominated(frame: pd.DataFrame, catalogue: Catalogue) -> dict[str, str]:
    """Return, by name, each benchmark that another of its setting beats in everything, and which one that is.

    In everything: no cost of the other is higher, one is lower by more than 1%, its intervals' upper ends against this
    one's lower ends, and its quality is harmless. A cost that either side lacks is not compared; one whose repeats
    nothing predicts dominates nothing.
    """
    intervals = {cost: certain_ends(frame, cost, catalogue) for cost in COSTS}
    lowest = pd.DataFrame({cost: low for cost, (low, _) in intervals.items()})
    highest = pd.DataFrame({cost: high for cost, (_, high) in intervals.items()})
    by_name = {}
    for index, row in frame.iterrows():
        is_rival = (frame["setting"] == row["setting"]) & (frame["name"] != row["name"])
        for rival_index, rival in frame[is_rival].iterrows():
            if is_judged(rival) and is_choosable(rival) and costs_less(highest.loc[rival_index], lowest.loc[index]):
                by_name[str(row["name"])] = str(rival["name"])
                break
    return by_name


def certain_ends(frame: pd.DataFrame, cost: str, catalogue: Catalogue) -> tuple[pd.Series[float], pd.Series[float]]:
    """Return how low and how high a cost may be in a repeat; no bounds where nothing says it, NaN where missing."""
    value = frame[cost]
    if catalogue[cost].repeat == SAME:
        return value, value
    low, high = known_interval(frame, cost, catalogue)
    return low.mask(low.isna() & value.notna(), 0.0), high.mask(high.isna() & value.notna(), math.inf)


def is_judged(row: pd.Series[Any]) -> bool:
    """Tell whether a benchmark's quality says something: not of generated text, seeded weights or another's tokens."""
    return not row["stand_in"] and row["quality_meaningful"] not in (False, 0)


def is_choosable(row: pd.Series[Any]) -> bool:
    """Tell whether nothing speaks against using a benchmark's precision but its costs."""
    has_quality = row["precision"] == BASELINE or row["quality_verdict"] in HARMLESS
    return bool(has_quality and row["validity"] != "invalid")


def costs_less(highest: pd.Series[float], lowest: pd.Series[float]) -> bool:
    """Tell whether one benchmark's costs at their highest are below another's at their lowest, one by more than 1%."""
    pairs = [(highest[cost], lowest[cost]) for cost in COSTS if highest[cost] > 0 and lowest[cost] >= 0]
    ratios = [high / low if low else math.inf for high, low in pairs]
    return bool(ratios) and max(ratios) <= 1 and min(ratios) < 1 - SAME_REL
