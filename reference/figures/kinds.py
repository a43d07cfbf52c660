"""What options.md says can be named: from the registries, so that what is added is there."""

from __future__ import annotations

from collections.abc import Iterable

from fixtures.executions import EXECUTIONS
from fixtures.precisions import PRECISIONS
from fixtures.tasks import TASKS
from fixtures.workloads import WORKLOADS
from reference.figures.pages import Figures
from reference.texts import grid


def kinds() -> Figures:
    """The names that options take, each with what it is."""
    rows = [
        *rows_of("--precisions", ((one.name, one.description) for one in PRECISIONS.values() if not one.is_hidden)),
        *rows_of("--executions", ((one.name, one.description) for one in EXECUTIONS.values())),
        *rows_of("--workloads", ((one.name, one.description) for one in WORKLOADS.values())),
        *rows_of("--task", ((one.name, one.description) for one in TASKS.values())),
    ]
    return {"table": grid(["option", "name", "what it is"], rows)}


def rows_of(option: str, things: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Return a row for each of an option's names; the first one has the option."""
    return [["" if number else f"`{option}`", f"`{name}`", what] for number, (name, what) in enumerate(things)]
