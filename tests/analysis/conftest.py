"""A storage of saved runs, and the command line on it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.__main__ import main


@pytest.fixture
def storage(tmp_path, monkeypatch) -> Path:
    """An empty storage where commands look for it, and pictures that are not drawn."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("analysis.report.plots.rendered", lambda figure, form: b"<svg/>")
    return Path(".benchmarks")


@pytest.fixture
def command(monkeypatch) -> Callable[..., int]:
    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["analysis", *map(str, arguments)])
        return main()

    return run
