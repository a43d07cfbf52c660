"""The catalogue of metrics: what a run measured, as the run itself describes it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.guards import LIMITS
from core.metrics.columns import (
    DERIVED,
    INTERVAL_ASSUMED,
    LAUNCH_BOUND,
    PAIRED_VALIDITY,
    RATIOS,
    VALIDITY,
    Column,
    Metric,
    with_repeat,
)

#: How the paths of what each task has in its own way begin.
QUALITY = "quality."
#: The key of `machine_info` with a run's metrics.
CATALOGUE_KEY = "metrics"


@dataclass(frozen=True)
class Catalogue:
    """The metrics of one run or of several, and what is derived from them."""

    metrics: tuple[Metric, ...]
    #: Columns of quality that the run itself does not describe: of the first edition's task, where that is another.
    foreign: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, entries: object) -> Catalogue:
        """Read a saved run's list of metrics. Raises `InputError` where it is not one."""
        if not isinstance(entries, (list, tuple)) or len(entries) > LIMITS.metrics:
            raise InputError(f"The run's catalogue of metrics is {ascii(entries)[:80]}; expected a list of metrics.")
        return cls.joined([cls(tuple(map(Metric.from_json, entries)))])

    @classmethod
    def of(cls, environment: Mapping[str, Any]) -> Catalogue:
        """Return the metrics that a run's environment describes, after those of the first edition.

        Those have their columns in any case: tables of all editions begin alike. Raises `InputError`.
        """
        if CATALOGUE_KEY not in environment:
            return first_edition()
        own = cls.from_json(environment[CATALOGUE_KEY])
        first = {metric.column: metric for metric in first_edition().metrics}
        for metric in own.metrics:
            if metric.column in first and metric.is_number != first[metric.column].is_number:
                kind = "a number" if first[metric.column].is_number else "text"
                raise InputError(f"The run's catalogue of metrics changes what {metric.column} is; expected {kind}.")
        columns = {metric.column for metric in own.metrics}
        of_quality = any(metric.path.startswith(QUALITY) for metric in own.metrics)
        foreign = tuple(
            column
            for column, metric in first.items()
            if of_quality and metric.path.startswith(QUALITY) and column not in columns
        )
        unheaded = [replace(metric, heading=None) if metric.column in foreign else metric for metric in first.values()]
        # A task's own quality stands where the first edition's does.
        place = 1 + next(number for number, metric in enumerate(unheaded) if metric.path.startswith(QUALITY))
        others = [metric for metric in own.metrics if metric.path.startswith(QUALITY) and metric.column not in first]
        joined = cls.joined([cls((*unheaded[:place], *others, *unheaded[place:])), own]).with_repeats(first)
        return replace(joined, foreign=foreign)

    def with_repeats(self, known: Mapping[str, Metric]) -> Catalogue:
        """Return the metrics with the interval of a repeat; a run that says nothing of repeats has those of `known`."""
        told = (
            metric
            if metric.repeat or metric.column not in known
            else replace(metric, repeat=known[metric.column].repeat)
            for metric in self.metrics
        )
        return Catalogue(tuple(map(with_repeat, told)))

    @classmethod
    def joined(cls, catalogues: Iterable[Catalogue]) -> Catalogue:
        """Return the metrics of all; what several describe is as the last one describes it."""
        by_column = {metric.column: metric for catalogue in catalogues for metric in catalogue.metrics}
        return cls(tuple(by_column.values()))

    def __iter__(self) -> Iterator[Column]:
        """Give metrics and derived figures; a ratio follows the figure that it is of."""
        ratios = {ratio.of: ratio for ratio in RATIOS}
        for metric in self.metrics:
            yield metric
            if metric.column in ratios:
                yield ratios[metric.column]
        yield from (INTERVAL_ASSUMED, VALIDITY, PAIRED_VALIDITY, LAUNCH_BOUND)

    def __getitem__(self, column: str) -> Column:
        """Return a column by its name. Raises `KeyError`."""
        return {entry.column: entry for entry in (*self.metrics, *DERIVED)}[column]

    @property
    def compared(self) -> tuple[Column, ...]:
        """Those that can get better and worse, in the order of the catalogue."""
        return tuple(entry for entry in self if entry.better and entry.is_number)


@cache
def first_edition() -> Catalogue:
    """Return the metrics of runs that say nothing of theirs."""
    path = Path(__file__).parents[2] / "analysis" / "runs" / "first_edition_metrics.json"
    return Catalogue.from_json(json.loads(path.read_text(encoding="utf-8"))).with_repeats({})
