"""Saved runs in a storage, and what commands make of it."""

from __future__ import annotations

from pathlib import Path

from analysis.runs.saved import load
from analysis.runs.storage import Storage
from tests.support.saved_runs import in_visits, measured

LATENCY = "median_latency_ms"
OLD, NEW = "Linux-CPython-3.13-64bit", "Linux-CPython-3.11-64bit"  # the newer run is not in the last folder


def session(median_ms: float, **more: object) -> dict:
    """A benchmark of a session of its own: no other has its latency."""
    return in_visits(measured("fp16", "graph", median_ms) | more)


def last_of(folder: Path, count: int = 1, besides: tuple[Path, ...] = ()) -> tuple[list[str], list[str]]:
    """The names of the last runs of a storage, and what is said of it."""
    said: list[str] = []
    found = Storage(folder, said.append).last(count, besides=[load(path) for path in besides])
    return [run.path.name for run in found], said


def all_of(folder: Path, *selectors: object) -> tuple[list[str], list[str]]:
    """The names of the runs that selectors choose, and what is said of them."""
    said: list[str] = []
    return [run.path.name for run in Storage(folder, said.append).runs([*map(str, selectors)])], said
