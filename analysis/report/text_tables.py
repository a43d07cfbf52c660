"""Figures as text: the table that people read, in full for documents and short for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from analysis.report.marks import marks_of, marks_text
from analysis.report.table import interval_ends
from core.metrics import ENERGY_AT_REFERENCE, REPEAT_COLUMNS, SECOND_FIGURES, Catalogue, Column
from core.safe_text import markdown, one_line

#: Beyond this many times a figure, the end of its interval is a number that nobody can use: two visits that differ can
#: put it at a million times.
WIDEST = 10
NOT_KNOWN = f"(not known to a factor of {WIDEST})"
#: A figure and the ends of its 95% interval, which are the figure itself where it has none, as text.
Format = Callable[[Column, Any, float, float], str]


def abridged(cell: str) -> str:
    """Return a cell of a table in fewer characters, where its interval is written in words."""
    return cell.replace(NOT_KNOWN, f"± >{WIDEST}x")


def number(value: Any, form: str) -> str:  # noqa: ANN401
    """Return a figure as text, such as `number(0.5, "{:.2f}")`; a missing one is a dash, never 0."""
    return "-" if value is None or pd.isna(value) else form.format(value)


def formatted(value: Any, column: Column) -> str:  # noqa: ANN401
    """Return a figure as its column says; a missing one is a dash."""
    return number(value, f"{{:{column.form}}}{column.sign}" if column.is_number else "{}")


def markdown_table(frame: pd.DataFrame) -> str:
    """Return a table of text as Markdown, without markup in its cells but for code."""
    cells = frame.astype(str).rename(columns=markdown).map(markdown)
    table: str = cells.to_markdown(index=False, disable_numparse=True, tablefmt="pipe")
    return table


def plain_table(frame: pd.DataFrame) -> str:
    """Return a table of text for a terminal."""
    cells = frame.astype(str).rename(columns=one_line).map(one_line)
    table: str = cells.to_markdown(index=False, disable_numparse=True, tablefmt="simple")
    return table


def summary_table(frame: pd.DataFrame, catalogue: Catalogue, dominated: Mapping[str, str]) -> pd.DataFrame:
    """Return the table for documents: formatted, with intervals, and with marks on rows that need one.

    `dominated` maps a benchmark's name to that of one that beats it in everything.
    """
    marks = map(marks_text, marks_of(frame, dominated))
    names = [name + (f" ({mark})" if mark else "") for name, mark in zip(frame["name"], marks, strict=True)]
    headed = [column for column in catalogue if column.heading and not is_left_out(frame, column)]
    figures = {str(column.heading): figure_texts(frame, column, catalogue, with_ends) for column in headed}
    table: pd.DataFrame = pd.DataFrame({"benchmark": names, **figures})
    return table


def is_left_out(frame: pd.DataFrame, column: Column) -> bool:
    """Tell whether a figure that stands beside another one of the same thing is missing in every row."""
    return column.column in (*SECOND_FIGURES, ENERGY_AT_REFERENCE.column) and bool(frame[column.column].isna().all())


def terminal_table(frame: pd.DataFrame, catalogue: Catalogue, dominated: Mapping[str, str]) -> pd.DataFrame:
    """Return the short table, for a terminal and a screen: the figures compared, and the marks in their own column."""
    headed = [column for column in catalogue if column.heading and column.in_terminal]
    figures = {str(column.heading): figure_texts(frame, column, catalogue, with_half_width) for column in headed}
    marks = [marks_text(of_row) or "-" for of_row in marks_of(frame, dominated)]
    table: pd.DataFrame = pd.DataFrame({"benchmark": frame["name"].tolist(), **figures, "marks": marks})
    return table


def interval_legend(frame: pd.DataFrame, catalogue: Catalogue) -> str | None:
    """Return what the intervals in the table for documents are of, or None where it has none."""
    meanings = []
    for column in catalogue:
        low, high = interval_ends(frame, column.column, catalogue) if column.heading and column.is_number else (0, 0)
        if column.heading and column.interval_of and (pd.Series(high) > pd.Series(low)).any():
            meanings.append(f"{column.heading}, of {column.interval_of}")
    if not meanings:
        return None
    return f"In parentheses 95% intervals: {'; '.join(meanings)}.{floor_words(frame)}"


def floor_words(frame: pd.DataFrame) -> str:
    """Return which intervals of a repeat rest on an assumption, where some do."""
    assumed = frame["interval_assumed"].eq(True)
    if not assumed.any():
        return ""
    names = "" if assumed.all() else f" of {', '.join(frame.loc[assumed, 'name'])}"
    return (
        f" Those of a repeat{names} are assumed: how much sessions differ on this machine was not measured; "
        "`python -m benchmarks --repeats 10` measures it."
    )


def figure_texts(frame: pd.DataFrame, column: Column, catalogue: Catalogue, form: Format) -> list[str]:
    """Return a column of the table: each row's figure as text, its interval written as `form` does."""
    values = frame[column.column]
    if not column.is_number:
        return [formatted(value, column) for value in values]
    lows, highs = interval_ends(frame, column.column, catalogue)
    return [form(column, *figure) for figure in zip(values, lows, highs, strict=True)]


def with_ends(column: Column, value: Any, low: float, high: float) -> str:  # noqa: ANN401
    """Return a figure, and its interval where it has one that is of any use."""
    if column.repeat in REPEAT_COLUMNS and high > WIDEST * value > 0:
        return f"{formatted(value, column)} {NOT_KNOWN}"
    interval = f" ({formatted(low, column)} to {formatted(high, column)})" if high > low else ""
    return formatted(value, column) + interval


def with_half_width(column: Column, value: Any, low: float, high: float) -> str:  # noqa: ANN401
    """Return a figure, and how far its interval reaches from it, relative to it, where it has one."""
    half_width = max(value - low, high - value)
    if not (high > low and value > 0):
        return formatted(value, column)
    if half_width > value:  # a ratio or a time is never below 0, which "± 160%" would say
        return with_ends(column, value, low, high)
    # A share has its interval in points: a percentage of a percentage would be mistaken for percentage points.
    is_share = column.is_number and column.form.endswith("%")
    text = f"{100 * half_width:.1f} points" if is_share else f"{half_width / value:.1%}"
    return f"{formatted(value, column)} ± {text}"
