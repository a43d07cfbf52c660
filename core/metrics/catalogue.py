"""The catalogue of metrics: what a run measured, as the run itself describes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from core.errors import InputError
from core.guards import LIMITS
from core.metrics.columns import (
    DERIVED,
    ENERGY_AT_REFERENCE,
    INTERVAL_ASSUMED,
    LAUNCH_BOUND,
    PAIRED_VALIDITY,
    RATIOS,
    REPEAT_COLUMNS,
    SAME,
    VALIDITY,
    Column,
    ColumnType,
    Metric,
    with_repeat,
)
from core.metrics.known import PLACES, RANGES, READ_BY_NAME, REPEATS

#: The key of `machine_info` with a run's metrics.
CATALOGUE_KEY = "metrics"


@dataclass(frozen=True)
class Catalogue:
    """The metrics of one run or of several in the order of tables, and what is derived from them."""

    metrics: tuple[Metric, ...]

    @classmethod
    def from_json(cls, entries: object) -> Catalogue:
        """Read a saved run's list of metrics. Raises `InputError` where it is not one."""
        if not isinstance(entries, (list, tuple)) or len(entries) > LIMITS.metrics:
            raise InputError(f"The run's catalogue of metrics is {ascii(entries)[:80]}; expected a list of metrics.")
        return cls.joined([cls(tuple(map(Metric.from_json, entries)))])

    @classmethod
    def of(cls, environment: Mapping[str, Any]) -> Catalogue:
        """Return the metrics that a run's environment describes; none where it describes none.

        A metric that does not say how its repeats differ, where it stands, or which values it can have, has what
        `REPEATS`, `PLACES` and `RANGES` say of its column. Raises `InputError` where the list cannot be read, and where
        it makes text of a number that is read by name, or a number of text.
        """
        own = cls.from_json(environment.get(CATALOGUE_KEY, []))
        for metric in own.metrics:
            if metric.is_number != READ_BY_NAME.get(metric.column, metric.is_number):
                kind = "a number" if READ_BY_NAME[metric.column] else "text"
                raise InputError(f"The run's catalogue of metrics changes what {metric.column} is; expected {kind}.")
        completed = (with_known_range(with_known_repeat(with_known_place(metric))) for metric in own.metrics)
        return cls(tuple(by_place(completed)))

    @classmethod
    def joined(cls, catalogues: Iterable[Catalogue]) -> Catalogue:
        """Return the metrics of all; what several describe is as the last one describes it.

        They are in the order of their places, each in the last that a description gives it; those without a place
        follow in the order in which they are listed.
        """
        by_column: dict[str, Metric] = {}
        for metric in (metric for catalogue in catalogues for metric in catalogue.metrics):
            earlier = by_column.get(metric.column, metric)
            by_column[metric.column] = metric if metric.place is not None else replace(metric, place=earlier.place)
        return cls(tuple(by_place(by_column.values())))

    @property
    def undescribed(self) -> tuple[Column, ...]:
        """Columns that are read by name and of which no run says anything: they are empty."""
        described = {metric.column for metric in self.metrics}
        return tuple(
            with_known_repeat(Column(column, "", None, "", is_number))
            for column, is_number in READ_BY_NAME.items()
            if column not in described
        )

    @property
    def empty_columns(self) -> list[str]:
        """The names of columns of a table that are empty, because no run describes the figure that they are made of."""
        undescribed = {column.column: column.repeat for column in self.undescribed}
        ratios = [ratio for ratio in RATIOS if ratio.of in undescribed]
        repeats = {*undescribed.values(), *(ratio.repeat for ratio in ratios)} - {SAME, None}
        ends = (name for repeat in REPEAT_COLUMNS if repeat in repeats for name in REPEAT_COLUMNS[repeat])
        of_energy = [ENERGY_AT_REFERENCE.column, *REPEAT_COLUMNS[str(ENERGY_AT_REFERENCE.repeat)]]
        without_energy = of_energy if "energy_per_sample_mj" in undescribed else []
        return [*undescribed, *(ratio.column for ratio in ratios), *ends, *without_energy]

    def __iter__(self) -> Iterator[Column]:
        """Give metrics and derived figures; a ratio follows the figure that it is of."""
        ratios = {ratio.of: ratio for ratio in RATIOS}
        for metric in self.metrics:
            yield metric
            if metric.column in ratios:
                yield ratios[metric.column]
        yield from (ENERGY_AT_REFERENCE, INTERVAL_ASSUMED, VALIDITY, PAIRED_VALIDITY, LAUNCH_BOUND)

    def __getitem__(self, column: str) -> Column:
        """Return a column by its name. Raises `KeyError`."""
        return {entry.column: entry for entry in (*self.undescribed, *self.metrics, *DERIVED)}[column]

    @property
    def compared(self) -> tuple[Column, ...]:
        """Those that can get better and worse, in the order of the catalogue."""
        return tuple(entry for entry in self if entry.better and entry.is_number)


def with_known_repeat(column: ColumnType) -> ColumnType:
    """Return a column with the interval of a repeat; one that says nothing of repeats has what is known of it."""
    return with_repeat(replace(column, repeat=column.repeat or REPEATS.get(column.column)))


def with_known_place(metric: Metric) -> Metric:
    """Return a metric with its place; one that says none has what is known of it."""
    return metric if metric.place is not None else replace(metric, place=PLACES.get(metric.column))


def with_known_range(metric: Metric) -> Metric:
    """Return a metric with the values that it can have, which no run changes of one that is read by name."""
    known = RANGES.get(metric.column)
    is_own = metric.within is not None and metric.column not in READ_BY_NAME
    return metric if is_own or known is None else replace(metric, within=known)


def by_place(metrics: Iterable[Metric]) -> list[Metric]:
    """Return metrics by their places, those of one place and those without one in the order given; the latter last."""
    return sorted(metrics, key=lambda metric: (metric.place is None, metric.place or 0.0))
