"""A run in a terminal: a table that fits its width, with numbers for marks that the lines below it explain."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from itertools import zip_longest

import pandas as pd

from analysis.report.marks import marks_of
from analysis.report.text_tables import abridged, terminal_table
from core.metrics import Catalogue

#: Lines are no longer than that in a wider terminal either, and in a log.
WIDEST = 100
#: The columns that a narrow table leaves out first, in this order; what is not listed follows from the left.
LEFT_OUT_FIRST = ("bits_per_byte", "throughput", "model_size_mb")
#: Those that stay in any case.
KEPT = ("median_latency_ms", "speedup_vs_fp32")
NAME, MARKS = "benchmark", "marks"
COMMAND = re.compile("`[^`]*`")
#: Stands for a space that no line is broken at: textwrap takes it for a letter.
NO_BREAK = "\u00a0"
#: Why the table and a warning may have other intervals for one figure.
SIGNS = "± in the table: where a repeat would find the figure; in warnings: how well this session knows it"


def table_lines(frame: pd.DataFrame, catalogue: Catalogue, dominated: Mapping[str, str], width: int) -> list[str]:
    """Return the short table of a run in lines of `width` characters, and what its marks and signs mean.

    Columns that are empty in every row are left out, and those for which there is no room; a line names these. Names
    of benchmarks, latencies, speeds and marks are there in any case.
    """
    marks = marks_of(frame, dominated)
    meanings = {mark.text: mark.meaning for row in marks for mark in row}
    numbers = {text: str(number) for number, text in enumerate(meanings, 1)}
    table = terminal_table(frame, catalogue, dominated)
    table[MARKS] = [" ".join(sorted((numbers[mark.text] for mark in row), key=int)) or "-" for row in marks]
    table = table.drop(columns=[one for one in table if one != NAME and table[one].eq("-").all()])
    headings = {column.column: column.heading for column in catalogue if column.heading in table}
    first, kept = ([str(headings[one]) for one in names if one in headings] for names in (LEFT_OUT_FIRST, KEPT))
    shown = fitted(table, first, kept, width)
    lines = plain_table(shown).splitlines()
    for text, meaning in meanings.items():
        lines += wrapped(f"{numbers[text]} = {text}: {meaning}", width)
    left_out = [heading for heading in table.columns if heading not in map(one_line, shown.columns)]
    if left_out:
        lines += wrapped(f"left out for width: {', '.join(left_out)}; the summary and the page have all", width)
    has_interval = frame["latency_repeat95_low_ms"].notna().any()
    return lines + (wrapped(SIGNS, width) if has_interval else [])


def fitted(table: pd.DataFrame, first: Iterable[str], kept: Iterable[str], width: int) -> pd.DataFrame:
    """Return a table that is no wider than `width` where that can be: its cells abridged, and columns left out.

    `first` are the headings of those that are left out first, `kept` those that stay beside names and marks.
    """
    if width_of(table) <= width:
        return table
    narrow: pd.DataFrame = table.map(abridged).rename(columns=lambda heading: broken(heading, table[heading]))
    stay = (NAME, MARKS, *kept)
    others = [heading for heading in narrow.columns if one_line(heading) not in stay]
    begun = [heading for name in first for heading in others if one_line(heading) == name]
    for heading in dict.fromkeys([*begun, *others]):
        if width_of(narrow) <= width:
            return narrow
        narrow = narrow.drop(columns=heading)
    room = width - (width_of(narrow) - narrow[NAME].str.len().max())
    narrow[NAME] = [textwrap.fill(name, max(room, len(NAME))) for name in narrow[NAME]]
    return narrow


def broken(heading: str, cells: pd.Series[str]) -> str:
    """Return a heading in as many lines as it takes to be no wider than the cells, if its words allow it."""
    return textwrap.fill(heading, max(1, int(cells.map(abridged).str.len().max())), break_long_words=False)


def one_line(heading: str) -> str:
    """Return a heading as it was before it was broken."""
    return heading.replace("\n", " ")


def width_of(table: pd.DataFrame) -> int:
    """Return how many characters a table is wide."""
    return max(map(len, plain_table(table).splitlines()))


def plain_table(table: pd.DataFrame) -> str:
    """Return a table of text as lines, its columns two spaces apart; headings and cells may have several lines."""
    columns = {heading: [heading, *table[heading]] for heading in table}
    widths = [max(len(line) for cell in cells for line in cell.splitlines()) for cells in columns.values()]
    rows = [text_rows(cells, widths) for cells in zip(*columns.values(), strict=True)]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([*rows[0], rule, *(line for row in rows[1:] for line in row)])


def text_rows(cells: Iterable[str], widths: Iterable[int]) -> list[str]:
    """Return one row of a table as lines: as many as its highest cell has."""
    lines = zip_longest(*(cell.splitlines() for cell in cells), fillvalue="")
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


def wrapped(line: str, width: int) -> list[str]:
    """Return a line as lines of `width` characters, the second and later ones indented; no command is broken."""
    whole = COMMAND.sub(lambda command: command[0].replace(" ", NO_BREAK), line)
    lines = textwrap.wrap(whole, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return [line.replace(NO_BREAK, " ") for line in lines] or [""]
