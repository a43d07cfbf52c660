"""Runs integrity checks first, then compilations, then the visits in the session's order, then what follows them."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from benchmarks.order import visiting_order
from benchmarks.plugins.session import (
    AFTER_VISITS,
    COMPILATION,
    POSITIONS,
    SESSION,
    function_of,
    makes_visits,
    name_of,
    visit_of,
)
from benchmarks.session import Session
from core.case import Case
from fixtures.executions import TRAITS


@pytest.hookimpl(trylast=True)  # after pytest has grouped the tests by session fixtures
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order this suite's tests; those of others keep their places behind them."""
    session = config.stash[SESSION]
    items[:] = [item for item in items if name_of(item) in (None, *session.cases)]  # a test for no case is none
    measuring = [item for item in items if name_of(item) is not None]
    require_once(measuring, items)
    integrity = [item for item in items if item.get_closest_marker("integrity")]
    visits = [item for item in measuring if visit_of(item) is not None]
    if makes_visits(config):  # elsewhere the order is that of the cases, the same in every worker of pytest-xdist
        visits = ordered_visits(visits, session)
    config.stash[POSITIONS] = {
        (str(name_of(item)), visit_of(item) or 0): place for place, item in enumerate(visits, start=1)
    }
    # Energy's meter is checked on the first of these: on a loop that holds still, where there is one.
    closing = sorted(named(measuring, AFTER_VISITS), key=lambda item: not is_replayed(item, session))
    others = [item for item in items if item not in integrity and item not in measuring]
    items[:] = [*integrity, *named(measuring, COMPILATION), *visits, *closing, *others]
    if config.option.benchmark_only:
        for item in measuring:
            let_run(item)


def require_once(measuring: list[pytest.Item], items: list[pytest.Item]) -> None:
    """Raise `pytest.UsageError` where a test that measures was collected twice: a case has one entry in a saved run."""
    counted = Counter((function_of(item), name_of(item), visit_of(item)) for item in measuring)
    twice = [(name, count) for (_, name, _), count in counted.items() if count > 1]
    if twice:
        name, count = twice[0]
        items.clear()  # pytest calls the hooks that follow a collection all the same, and no data is needed any more
        raise pytest.UsageError(
            f"{name} was collected {count} times; expected each case once. Leave out what repeats tests (such as "
            "--count); --visits N measures a case more often, and `python -m benchmarks --repeats N` whole sessions."
        )


def case_of(item: pytest.Item, session: Session) -> Case:
    """Return the case that a test measures."""
    return session.cases[str(name_of(item))]


def is_replayed(item: pytest.Item, session: Session) -> bool:
    """Tell whether a test measures a case that is replayed on a GPU."""
    return TRAITS[case_of(item, session).execution].is_replayed


def ordered_visits(visits: list[pytest.Item], session: Session) -> list[pytest.Item]:
    """Return the tests that make visits, in the rows of the session's randomized Latin squares."""
    by_visit = {(str(name_of(item)), visit_of(item)): item for item in visits}
    names = {name for name, _ in by_visit}
    cases = [case for name, case in session.cases.items() if name in names]
    generator = random.Random(session.settings.order_seed)  # noqa: S311
    rows = visiting_order(cases, session.settings.visits, generator)
    places = [(case.id, number) for number, row in enumerate(rows, start=1) for case in row]
    return [by_visit[place] for place in places if place in by_visit]


def let_run(item: pytest.Item) -> None:
    """Take back pytest-benchmark's mark, which --benchmark-only puts on whatever does not use its fixture.

    A case's further visits are part of its benchmark.
    """
    item.own_markers = [
        mark for mark in item.own_markers if "--benchmark-only" not in str(mark.kwargs.get("reason", ""))
    ]


def named(items: list[pytest.Item], name: str) -> list[pytest.Item]:
    """Return the tests of one function."""
    return [item for item in items if function_of(item) == name]
