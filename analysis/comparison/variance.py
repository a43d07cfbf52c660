"""The components of variance as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from analysis.comparison.alike import OF_REPEATS, alike, words
from analysis.report.text_tables import markdown_table
from analysis.runs.saved import Run
from analysis.uncertainty.figures import FIGURES
from analysis.uncertainty.variance import components
from core.errors import InputError
from core.safe_text import markdown


def variance_markdown(runs: Sequence[Run]) -> str:
    """Return the components of the sessions of each board and measurement as Markdown.

    Raises `InputError` where no board has two sessions with visits.
    """
    groups = alike(runs, OF_REPEATS)
    names = words(groups) if len(groups) > 1 else [groups[0].machine]
    parts, too_few = [f"# Components of variance over {len(runs)} session(s)"], []
    for name, group in zip(names, groups, strict=True):
        rows = list(component_rows(group.runs))
        if rows:
            parts.append(f"## {markdown(name)}, {len(group.runs)} sessions\n\n{markdown_table(pd.DataFrame(rows))}")
        else:
            too_few.append(
                f"{group.runs[0].path} and the others of {name} are {len(group.runs)} session(s), or have no visits; "
                "expected two sessions or more, as `python -m benchmarks --repeats 10` makes them."
            )
    if len(too_few) == len(groups):
        raise InputError(" ".join(too_few))
    return "\n\n".join([*parts, *map(markdown, too_few)])


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
