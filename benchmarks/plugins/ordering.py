"""Runs the integrity checks first, then the benchmarks in their order, then one sentinel for each execution."""

from __future__ import annotations

import random

import pytest

from fixtures.plugin import SETTINGS


@pytest.hookimpl(trylast=True)  # after pytest has grouped the tests by session fixtures
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order this suite's tests; those of others keep their places behind them."""
    seed = config.stash[SETTINGS].order_seed
    forwards = named(items, "test_forward")
    if seed is not None:
        random.Random(seed).shuffle(forwards)  # noqa: S311
    sentinels = named(items, "test_drift")
    integrity = [item for item in items if item.get_closest_marker("integrity")]
    others = [
        item for item in items if item not in integrity and function_of(item) not in ("test_forward", "test_drift")
    ]
    items[:] = [*integrity, *forwards, *sentinels, *others]


def named(items: list[pytest.Item], name: str) -> list[pytest.Function]:
    """Return the parametrized tests of one function."""
    return [item for item in items if isinstance(item, pytest.Function) and function_of(item) == name]


def function_of(item: pytest.Item) -> str:
    """Return the name of a test's function."""
    return str(getattr(item, "originalname", item.name))
