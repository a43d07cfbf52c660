"""Values and tables as text."""

from __future__ import annotations

from typing import Any

import pandas as pd


def number(value: Any, form: str) -> str:  # noqa: ANN401
    """Return a figure as text, such as `number(0.5, "{:.2f}")`; a missing one is a dash, never 0."""
    return "-" if value is None or pd.isna(value) else form.format(value)


def markdown_table(frame: pd.DataFrame, style: str = "pipe") -> str:
    """Return a table of text as Markdown, or in another style of `tabulate`, its cells unchanged."""
    table: str = frame.to_markdown(index=False, disable_numparse=True, tablefmt=style)
    return table
