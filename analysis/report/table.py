"""Benchmarks to one table: a row each, a column a metric, and what is derived from several of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.runs.saved import Run
from analysis.runs.validity import judgements
from analysis.uncertainty.repeat import Repeat, repeats
from core.case import BASELINE, Case, case_of, is_own
from core.executions import Executions
from core.guards import finite_number
from core.metrics import (
    CASE_COLUMNS,
    ENERGY_AT_REFERENCE,
    HEADLINE,
    INTERVAL_ASSUMED,
    LAUNCH_BOUND,
    LEADING_COLUMNS,
    PAIRED_VALIDITY,
    RATIOS,
    READ_BY_NAME,
    REPEAT_COLUMNS,
    ROWS_SCORED,
    VALIDITY,
    Catalogue,
    Ratio,
    lookup,
)
from core.tasks import tasks_of

#: Figures whose intervals of a repeat the mark is of.
MARKED = ("latency", "speedup", "energy", "energy saving")


def table(benchmarks: Sequence[dict[str, Any]], environment: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Return a row for each benchmark of one run that is this suite's, in their order.

    A missing figure is empty (NaN or None), and so is every ratio against FP32 where either side is missing.
    """
    frame: pd.DataFrame = tables([Run(Path(), tuple(benchmarks), dict(environment or {}))]).drop(columns="run")
    return frame


def tables(runs: Sequence[Run]) -> pd.DataFrame:
    """Return the rows of several runs' benchmarks, one run below the other, with the run's number in column `run`.

    `case` holds the benchmark's `Case`, `name` its id and `setting` the id without the precision. Columns that are read
    by name (`READ_BY_NAME`) are there in any case.
    """
    catalogue = Catalogue.joined(run.catalogue for run in runs)
    rows = [{"run": number, **row} for number, run in enumerate(runs) for row in rows_of(run)]
    repeated = {column: None for names in REPEAT_COLUMNS.values() for column in names}
    paired = [paired_column(ratio) for ratio in RATIOS if ratio.repeat in REPEAT_COLUMNS]
    figures = (*catalogue.metrics, *catalogue.undescribed)
    columns = ["run", "case", "name", "setting", "precision", "execution", *(entry.column for entry in figures)]
    marks = [ENERGY_AT_REFERENCE.column, INTERVAL_ASSUMED.column, VALIDITY.column, PAIRED_VALIDITY.column]
    frame = pd.DataFrame(rows, columns=[*columns, *repeated, *paired, *marks, *CASE_COLUMNS, ROWS_SCORED.column])
    for column in (*repeated, ENERGY_AT_REFERENCE.column):
        frame[column] = pd.to_numeric(frame[column])
    for entry in figures:
        if entry.is_number:
            frame[entry.column] = pd.to_numeric(frame[entry.column])  # a missing one is NaN, even where all are
    frame = frame.copy()  # pandas keeps each column that was replaced apart, and warns of a hundred
    for ratio in RATIOS:
        add_ratio(frame, ratio)
    frame = frame.drop(columns=paired)
    for entry in (*figures, *RATIOS, ENERGY_AT_REFERENCE):
        if entry.repeat in REPEAT_COLUMNS:  # of visits that made no figure there is no interval either
            frame.loc[frame[entry.column].isna(), list(REPEAT_COLUMNS[entry.repeat])] = None
    add_launch_bound_share(frame, [run.executions for run in runs])
    headlines = dict.fromkeys(words.headline for run in runs for words in tasks_of(run.environment).values())
    begun = [name for place in LEADING_COLUMNS for name in (headlines if place == HEADLINE else [place])]
    leading = [name for name in begun if name in frame]
    others = [name for name in frame.columns if name not in (*leading, ROWS_SCORED.column)]
    ordered: pd.DataFrame = frame.reindex(columns=[*leading, *others, ROWS_SCORED.column])
    return ordered


def rows_of(run: Run) -> list[dict[str, Any]]:
    """Return a row for each of a run's benchmarks that is this suite's, with the metrics that the run describes."""
    own = [item for item in run.benchmarks if is_own(item)]
    found = repeats(run)
    by_figure = {ratio.repeat: paired_column(ratio) for ratio in RATIOS}
    rows = []
    for item, judgement in zip(own, judgements(own), strict=True):
        case, extra_info = case_of(item), item["extra_info"]
        figures = dict.fromkeys(READ_BY_NAME) | {
            metric.column: metric.value(extra_info) for metric in run.catalogue.metrics
        }
        if figures["stand_in"] or figures["quality_meaningful"] in (False, 0):
            figures["quality_verdict"] = None  # of generated text and seeded weights nothing is equal or worse
        parts = {name: getattr(case, name) for name in ("precision", "execution", *CASE_COLUMNS)}
        rows.append(
            {
                "case": case,
                "name": case.id,
                "setting": case.setting,
                **parts,
                **figures,
                **repeat_columns(found, case, by_figure),
                VALIDITY.column: judgement.status,
                PAIRED_VALIDITY.column: judgement.paired_status,
                ROWS_SCORED.column: rows_scored(extra_info),
            }
        )
    return rows


def rows_scored(extra_info: Mapping[str, Any]) -> str | None:
    """Return how many rows of the dataset's a benchmark's quality is of, as text, where they are fewer; else None."""
    scored, held = (finite_number(lookup(extra_info, path)) for path in ("quality.samples", "provenance.num_samples"))
    return f"{scored:,.0f} of {held:,.0f}" if scored is not None and held is not None and scored < held else None


def repeat_columns(
    found: Mapping[str, Mapping[Case, Repeat]], case: Case, paired: Mapping[str | None, str]
) -> dict[str, Any]:
    """Return the ends of a case's intervals of a repeat, its ratios by visits, and whether an interval is assumed."""
    columns: dict[str, Any] = {}
    of_case = {figure: by_case[case] for figure, by_case in found.items() if case in by_case}
    for figure, repeat in of_case.items():
        columns |= dict(zip(REPEAT_COLUMNS[figure], repeat.ends(figure), strict=True))
        if figure in paired:
            columns[paired[figure]] = repeat.value(figure)
        if figure == ENERGY_AT_REFERENCE.repeat:
            columns[ENERGY_AT_REFERENCE.column] = repeat.value(figure)
    # What stands beside another figure has an interval of its own, and no mark.
    first = [repeat.assumed for figure, repeat in of_case.items() if figure in MARKED]
    return columns | {INTERVAL_ASSUMED.column: any(first) if first else None}


def add_ratio(frame: pd.DataFrame, ratio: Ratio) -> None:
    """Add a column with a ratio against FP32. FP32's own is exact; a figure that is not above 0 has no ratio.

    Of what was measured in visits it is the mean over the visits that both made, whose interval is in the table.
    """
    value = positive(frame[ratio.of])
    quotient = (of_partner(frame, value, precision=BASELINE) / value).mask(
        (frame["precision"] == BASELINE) & value.notna(), 1.0
    )
    frame[ratio.column] = quotient if ratio.kind == "gain" else 1 - 1 / quotient
    if ratio.repeat in REPEAT_COLUMNS:
        paired = pd.to_numeric(frame[paired_column(ratio)])
        frame[ratio.column] = frame[ratio.column].mask(paired.notna() & frame[ratio.column].notna(), paired)


def paired_column(ratio: Ratio) -> str:
    """Return the column, for as long as the table is made, with a ratio over the visits that both sides made."""
    return f"{ratio.column} by visits"


def add_launch_bound_share(frame: pd.DataFrame, executions: Sequence[Executions]) -> None:
    """Add the share of an eager forward that the graph saves by not launching kernels, to the rows of both.

    `executions` are those of each run, which says itself what its executions are.
    """
    median = positive(frame["median_latency_ms"])
    frame[LAUNCH_BOUND.column] = float("nan")
    for number, of_run in enumerate(executions):
        both = of_run.reference, of_run.replayed_reference or ""
        eager, graph = (of_partner(frame, median, execution=execution) for execution in both)
        is_either = (frame["run"] == number) & frame["execution"].isin(both)
        frame.loc[is_either, LAUNCH_BOUND.column] = (1 - graph / eager)[is_either]


def known_interval(frame: pd.DataFrame, column: str, catalogue: Catalogue) -> tuple[pd.Series[float], pd.Series[float]]:
    """Return the ends of a figure's 95% interval in each row, NaN where it has none that holds the figure."""
    value, entry = frame[column], catalogue[column]

    def numbers(name: str | None) -> pd.Series[float]:
        missing = value.where(value.isna())
        known: pd.Series[float] = pd.to_numeric(frame.get(name or "", missing), errors="coerce")
        return known

    if entry.relative_column is not None:
        uncertainty = numbers(entry.relative_column)
        low, high = value * (1 - uncertainty), value * (1 + uncertainty)
    else:
        low, high = numbers(entry.low_column), numbers(entry.high_column)
    rounding = 1e-9 * value.abs()  # the ends come from logarithms
    holds_value = (low <= value + rounding) & (value - rounding <= high)
    return low.where(holds_value), high.where(holds_value)


def interval_ends(frame: pd.DataFrame, column: str, catalogue: Catalogue) -> tuple[pd.Series[float], pd.Series[float]]:
    """Return the ends of a figure's 95% interval in each row, or the figure twice where it has none that holds it."""
    low, high = known_interval(frame, column, catalogue)
    return low.fillna(frame[column]), high.fillna(frame[column])


def positive(values: pd.Series[float]) -> pd.Series[float]:
    """Return values with NaN for those that are not above 0."""
    above_zero: pd.Series[float] = values.where(values > 0)
    return above_zero


def of_partner(frame: pd.DataFrame, values: pd.Series[Any], **changes: str) -> pd.Series[Any]:
    """Return for each row the value of its partner in the same run, NaN where there is none.

    The partner is the case that is the same but for `changes`, such as `precision="fp32"`.
    """
    by_place = dict(zip(zip(frame["run"], frame["case"], strict=True), values, strict=True))
    cases: list[Case] = list(frame["case"])
    partners = [by_place.get((run, case.partner(**changes))) for run, case in zip(frame["run"], cases, strict=True)]
    aligned: pd.Series[Any] = pd.Series(partners, index=frame.index, dtype=float)
    return aligned
