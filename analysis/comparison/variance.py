"""The components of variance as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from analysis.report.text_tables import markdown_table
from analysis.runs.saved import Run
from analysis.uncertainty.figures import FIGURES
from analysis.uncertainty.variance import components
from core.errors import InputError
from core.metrics import lookup
from core.safe_text import markdown


def variance_markdown(runs: Sequence[Run]) -> str:
    """Return the components of each board's sessions as Markdown. Raises `InputError` where no run has visits."""
    boards: dict[str, list[Run]] = {}
    for run in runs:
        boards.setdefault(board_of(run), []).append(run)
    parts = [f"# Components of variance over {len(runs)} session(s)"]
    for board, of_board in boards.items():
        rows = list(component_rows(of_board))
        if not rows:
            raise InputError(
                f"{of_board[0].path} and the others of {board} are {len(of_board)} session(s), or have no visits; "
                "expected two sessions or more, as `python -m benchmarks --repeats 10` makes them."
            )
        parts.append(f"## {markdown(board)}, {len(of_board)} sessions\n\n{markdown_table(pd.DataFrame(rows))}")
    return "\n\n".join(parts)


def component_rows(runs: Sequence[Run]) -> Iterable[dict[str, str]]:
    """Give a row of text for each execution and figure of one board's sessions."""
    for figure, visits in FIGURES.items():
        sessions = [visits(run) for run in runs]
        for execution in sorted({case.execution for session in sessions for case in session}):
            chosen = [{case: of for case, of in one.items() if case.execution == execution} for one in sessions]
            found = components(chosen)
            if found is not None:
                yield {
                    "execution": execution,
                    "figure": figure,
                    "cases": str(found.cases),
                    "between visits": str(found.visits),
                    "session figures": str(found.session),
                    "between sessions": f"{found.between:.2%}",
                }


def board_of(run: Run) -> str:
    """Return name and UUID of the device that a run was measured on."""
    first: Any = run.benchmarks[0]["extra_info"] if run.benchmarks else {}
    name, uuid = (lookup(first, f"environment.{key}") for key in ("device_name", "device_uuid"))
    return f"{name or 'unknown device'} ({uuid or 'no UUID'})"
