"""What a run of language modeling says of its metrics, for tests that make benchmarks up: that of the golden run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.report import table as of_analysis
from core.metrics import CATALOGUE_KEY, Catalogue
from core.tasks import tasks_of
from tests.support.tiny import REPOSITORY

GOLDEN = REPOSITORY / "tests" / "data" / "golden" / "run.json"
METRICS: list[dict[str, Any]] = json.loads(GOLDEN.read_text())["machine_info"][CATALOGUE_KEY]
CATALOGUE = Catalogue.of({CATALOGUE_KEY: METRICS})
#: The words of a run that carries none.
TASKS = tasks_of({})


def described(environment: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The environment of a run with its metrics."""
    return {CATALOGUE_KEY: METRICS} | dict(environment or {})


def table(benchmarks: Sequence[dict[str, Any]], environment: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """The table of benchmarks of a run that describes its metrics."""
    return of_analysis.table(benchmarks, described(environment))
