"""Runs the integrity checks before anything is timed."""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)  # after pytest has grouped the tests by session fixtures
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the integrity tests to the front; sorting is stable, so the rest keeps its order."""
    items.sort(key=lambda item: item.get_closest_marker("integrity") is None)
