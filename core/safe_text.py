"""Text that anybody may have written, made safe for what shows it: a terminal, Markdown, a spreadsheet."""

from __future__ import annotations

import re

#: Stands for a character that would not be seen, and that a terminal may obey.
REPLACEMENT = "\ufffd"
#: How a cell begins that a spreadsheet takes for a formula. Source: OWASP, CSV Injection.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\n")
#: Code in Markdown, between two single backticks. With a backslash or a pipe in it programs read it in several ways.
CODE = re.compile(r"(?<!`)(`[^`\\|]+`)(?!`)")
#: What is markup within a line of Markdown; an underscore between two letters is none.
MARKUP = re.compile(r"[\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_])")
#: Where a line begins that Markdown takes for a heading, a quotation or an item of a list.
BLOCK_START = re.compile(r"^(\d{0,9})(?=[#>+.)-])")
ENTITIES = {"&": "&amp;", "<": "&lt;"}


def one_line(text: str, most: int | None = None) -> str:
    """Return text as one line of printable characters, none of which a terminal obeys.

    White space becomes spaces; any other character that is not printable is replaced, those among them that have no
    width or reverse what follows (U+202E). Where there are more than `most` characters, it ends there in "…".
    """
    shown = text if most is None or len(text) <= most else f"{text[:most]}…"
    if shown.isprintable():
        return shown
    return "".join(one if one.isprintable() else " " if one.isspace() else REPLACEMENT for one in shown)


def markdown(text: str) -> str:
    """Return text as part of a line of Markdown: `code` stays code, what else would be markup or HTML is escaped."""
    parts = CODE.split(one_line(text))
    return "".join(part if place % 2 else _escaped(part) for place, part in enumerate(parts))


def markdown_block(text: str) -> str:
    """Return text as a paragraph or an item of a list in Markdown, as `markdown` does, without a block of its own."""
    return BLOCK_START.sub(r"\1\\", markdown(text.strip()))


def _escaped(text: str) -> str:
    escaped = MARKUP.sub(lambda found: f"\\{found[0]}", text)
    for character, entity in ENTITIES.items():
        escaped = escaped.replace(character, entity)
    return escaped


def escape_formula(cell: object) -> object:
    """Return a cell of a CSV file, with an apostrophe before text that a spreadsheet would compute."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell
