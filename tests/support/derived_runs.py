"""Committed sessions of the first estimator: as they were saved, their rounds, and as this one derives them."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import numpy as np

from analysis.runs.estimator import derived
from analysis.runs.saved import Run, load
from core.case import case_of
from reference.runs import rounds
from tests.support.reference_runs import run_paths

SERIES = "h200_8576b782/default"


def path_of(number: int = 0) -> Path:
    """The file of a session."""
    return run_paths(SERIES)[number]


@cache
def as_saved(number: int = 0) -> Run:
    """A session as it was saved."""
    return load(path_of(number))


@cache
def rounds_of(number: int = 0) -> bytes:
    """The file of a session's rounds."""
    return list(rounds(SERIES).values())[number].getvalue()


def as_derived(number: int = 0) -> Run:
    """A session as this estimator makes it of its rounds."""
    return derived(as_saved(number), io.BytesIO(rounds_of(number)))


@cache
def arrays() -> dict[str, np.ndarray]:
    """The rounds of the first session, by the names in their file."""
    with np.load(io.BytesIO(rounds_of())) as archive:
        return dict(archive)


def archive_of(parts: dict[str, np.ndarray]) -> io.BytesIO:
    """A file of rounds, at its beginning."""
    file = io.BytesIO()
    np.savez(file, **parts)
    file.seek(0)
    return file


def of_case(run: Run, name: str) -> dict:
    """The benchmark of a case."""
    (found,) = [item for item in run.benchmarks if case_of(item).id == name]
    return found
