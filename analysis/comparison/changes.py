"""By how much a metric changed from some runs to others: a process run counts as one observation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.comparison.change import (
    ASSUMED_REPEAT,
    MEAN_OVER_RUNS,
    MISSING,
    NO_VERDICT,
    REPEAT,
    Change,
    ChangeInterval,
    change_verdict,
)
from analysis.comparison.common_text import have_other_tokens
from analysis.comparison.comparability import have_other_texts
from analysis.comparison.drifts import drift_of, judged
from analysis.comparison.families import both_the_same, holm
from analysis.comparison.missing import missing_by_chance
from analysis.comparison.other_tokens import OTHER_TOKENIZER, common_change, is_of_tokens, told_in_bits
from analysis.report.table import tables
from analysis.runs.estimator import is_current, is_replayed
from analysis.runs.saved import Run
from analysis.uncertainty.repeat import SAVING, Repeat, joint_repeat, repeats
from core.case import BASELINE, Case, case_of
from core.guards import LIMITS
from core.metrics import SAME, Catalogue, Column, Direction, Metric, Ratio
from core.statistics.intervals import welch

#: Where nothing predicts how repeats of a metric differ, fewer runs a side show a tendency and no more.
RUNS_FOR_VERDICT = 3
OTHER_PROCEDURE = "the runs were measured by different procedures"
OTHER_TEXT = "the runs are of different texts"
#: The only figures that do not depend on the text.
OF_WEIGHTS = "size."
OTHER_ESTIMATOR = (
    "one side was measured by an earlier version, without the 5% quantile of its rounds, and the file of its rounds is "
    "not there or not its own"
)
#: Figures of one session that a drift during it moves; it falls on both sides of a ratio.
MOVED_BY_DRIFT = ("latency", "fast latency", "energy")
#: Figures that the estimator makes.
OF_ROUNDS = ("latency", "fast latency", "speedup", "fast speedup")
#: The rows of a benchmark on one side, by column.
Columns = dict[Any, list[Any]]


def changes(before: Sequence[Run], after: Sequence[Run]) -> list[Change]:
    """Return the change of every metric that can get better and worse, of every benchmark that either side has.

    Runs of different measuring procedures get no verdict, nor does anything but sizes of runs of different texts, nor
    do latency and energy of a benchmark that drifted in one of its runs, or may have, nor latencies of replayed
    executions of which one side has medians alone. A latency and the fast one are called the same where both are; the
    verdicts on both, of all benchmarks, are one family (Holm, 1979).
    """
    runs = (*before, *after)
    catalogue = Catalogue.joined(run.catalogue for run in runs)
    sides = [tables(side) for side in (before, after)]
    by_name = [columns_by_name(side) for side in sides]
    predicted = [repeats(run) for run in runs]
    drifts, compared = [judged(side) for side in (before, after)], []
    for name in dict.fromkeys(name for side in by_name for name in side):
        rows = [side[name] for side in by_name if name in side]
        case: Case = rows[0]["case"][0]
        pair = told_in_bits(before, after, name)
        other_tokens = pair is not None and have_other_tokens(*pair)
        other_text = have_other_texts(
            item["extra_info"] for run in runs for item in run.benchmarks if case_of(item).id == name
        )
        other_estimator = have_other_estimators(runs, name)
        for metric in catalogue.compared:
            (first_runs, first), (second_runs, second) = (
                values_by_run(side.get(name), metric.column) for side in by_name
            )
            is_its_own = isinstance(metric, Ratio) and case.precision == BASELINE  # 1 in any run
            if metric.better and (len(first) or len(second)) and not is_its_own:
                numbers = (*first_runs, *(len(before) + number for number in second_runs))
                repeat = joint_repeat(predicted[number].get(metric.repeat or "", {}).get(case) for number in numbers)
                one = change(name, metric, first, second, repeat)
                incomparable = why_incomparable(metric, other_tokens=other_tokens, other_text=other_text)
                if other_estimator and metric.repeat in OF_ROUNDS:
                    incomparable = OTHER_ESTIMATOR
                if one.verdict == MISSING:
                    of_estimator = incomparable if incomparable == OTHER_ESTIMATOR else None
                    lacking = after if len(first) else before
                    one = replace(one, reason=of_estimator or missing_by_chance(lacking, name, metric))
                elif incomparable is not None:
                    one = without_verdict(one, incomparable)
                elif not may_be_judged(rows, metric):
                    one = replace(without_verdict(one, drift_reason(rows)), drift_log=drift_of(drifts, name))
                compared.append(one)
        compared += [common_change(name, *pair)] if other_tokens and pair else []
    if len({item["extra_info"].get("procedure") for run in runs for item in run.benchmarks}) > 1:
        return [without_verdict(one, OTHER_PROCEDURE) for one in compared]
    return holm(both_the_same(compared))


def have_other_estimators(runs: Iterable[Run], name: str) -> bool:
    """Tell whether some runs have the fast latency of a benchmark and others come of an estimator that makes none."""
    found = {
        is_current(item)
        for run in runs
        for item in run.benchmarks
        if case_of(item).id == name and is_replayed(run, item)
    }
    return len(found) > 1


def why_incomparable(metric: Column, *, other_tokens: bool, other_text: bool) -> str | None:
    """Return why a metric of runs of different tokenizers or texts gets no verdict, or None."""
    if other_tokens and is_of_tokens(metric):
        return OTHER_TOKENIZER
    is_of_weights = isinstance(metric, Metric) and metric.path.startswith(OF_WEIGHTS)
    return OTHER_TEXT if other_text and not is_of_weights else None


def may_be_judged(rows: Iterable[Columns], metric: Column) -> bool:
    """Tell whether a drift in one of the runs leaves a verdict on a metric possible."""
    if metric.repeat not in MOVED_BY_DRIFT:
        return True
    return not any({"invalid", "unknown"} & {*side["validity"]} for side in rows)


def drift_reason(rows: Iterable[Columns]) -> str:
    """Return the states of validity, of any run of either side, for which latency and energy get no verdict."""
    states = {str(state) for side in rows for state in side["validity"]} & {"invalid", "unknown"}
    return f"a run's measurement is {' or '.join(sorted(states))}"


def without_verdict(change: Change, reason: str) -> Change:
    """Return a change of which nothing is said but the figures."""
    return change if change.verdict == MISSING else replace(change, verdict=NO_VERDICT, reason=reason)


def columns_by_name(side: pd.DataFrame) -> dict[str, Columns]:
    """Return each benchmark's rows of one side. They are lists, for cells of a frame take ten times as long to read."""
    columns = side.to_dict("list")
    positions: dict[str, list[int]] = {}
    for position, name in enumerate(columns["name"]):
        positions.setdefault(str(name), []).append(position)
    return {
        name: {column: [values[position] for position in chosen] for column, values in columns.items()}
        for name, chosen in positions.items()
    }


def values_by_run(rows: Columns | None, column: str) -> tuple[list[int], npt.NDArray[Any]]:
    """Return which of a side's runs have a metric of a benchmark, by their numbers, and its values there."""
    if rows is None or column not in rows:
        return [], np.empty(0)
    found = [(int(run), float(value)) for run, value in zip(rows["run"], rows[column], strict=True) if pd.notna(value)]
    return [run for run, _ in found], np.array([value for _, value in found])


def change(
    benchmark: str, metric: Column, before: npt.NDArray[Any], after: npt.NDArray[Any], repeat: Repeat | None = None
) -> Change:
    """Compare the values of one metric, one a run.

    The change is that of geometric means, of a saving s that of the gain 1 / (1 - s), which a saving below 0 has too;
    other values that are not all above 0 have no relative change. `repeat` says how figures of sessions differ; without
    it the runs say it, three a side.
    """
    runs = (len(before), len(after))
    means = [float(side.mean()) if len(side) else None for side in (before, after)]
    change_rel = interval = None
    if min(runs) and (is_gain(metric, before, after) or min(before.min(), after.min()) > 0):
        first, second = (logarithms(metric, side) for side in (before, after))
        change_rel = expm1(float(second.mean() - first.mean()))
        interval = interval_of(metric, first, second, repeat)
    better: Direction = metric.better or "lower"
    verdict = change_verdict(better, runs, change_rel, interval)
    return Change(benchmark, metric.column, better, means[0], means[1], change_rel, interval, runs, verdict)


def is_gain(metric: Column, before: npt.NDArray[Any], after: npt.NDArray[Any]) -> bool:
    """Tell whether values are savings s that all have a gain 1 / (1 - s)."""
    return metric.repeat == SAVING and max(float(before.max()), float(after.max())) < 1


def logarithms(metric: Column, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the logarithms in which values are compared: of a saving s that of the gain 1 / (1 - s)."""
    found: npt.NDArray[Any] = -np.log1p(-values) if metric.repeat == SAVING and values.max() < 1 else np.log(values)
    return found


def interval_of(
    metric: Column, before: npt.NDArray[Any], after: npt.NDArray[Any], repeat: Repeat | None
) -> ChangeInterval | None:
    """Return the interval of the change from logarithms of values to others, None where nothing says it."""
    centre, counts = float(after.mean() - before.mean()), (len(before), len(after))
    if metric.repeat == SAME:
        return ChangeInterval(expm1(centre), expm1(centre), "same in every session", float(centre == 0))
    if repeat is not None:
        repeat = at_least_as_given(repeat, before, after)
        half_width, of = repeat.half_width(*counts), ASSUMED_REPEAT if repeat.assumed else REPEAT
        p_value = repeat.p_value(centre, *counts)
    elif min(counts) >= RUNS_FOR_VERDICT:
        found = welch(before, after)
        half_width, of, p_value = found.half_width, MEAN_OVER_RUNS, found.p_value
    else:
        return None
    return ChangeInterval(expm1(centre - half_width), expm1(centre + half_width), of, p_value)


def at_least_as_given(repeat: Repeat, before: npt.NDArray[Any], after: npt.NDArray[Any]) -> Repeat:
    """Return how sessions differ: as the noise floor says, or as these do within their sides where that is more.

    So a floor that another machine or a quieter day measured makes no interval narrower than the runs at hand allow. A
    few runs say little of their own spread, and are not asked.
    """
    freedom = len(before) + len(after) - 2
    if freedom < 2 * (RUNS_FOR_VERDICT - 1):
        return repeat
    spread = math.sqrt(sum(float(((side - side.mean()) ** 2).sum()) for side in (before, after)) / freedom)
    if spread <= repeat.u:
        return repeat
    return replace(repeat, u=spread, degrees_of_freedom=freedom, source="the runs given")


def expm1(logarithm: float) -> float | None:
    """Return the relative change that a difference of logarithms is, or None beyond what a float can hold."""
    return math.expm1(logarithm) if logarithm < LIMITS.largest_logarithm else None
