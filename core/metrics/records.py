"""Records: what a benchmark is found to be, complete when it is made, whose fields declare metrics."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from core.errors import DeclarationError, InputError
from core.metrics.catalogue import in_order
from core.metrics.columns import Direction, Metric

#: The key of a record's field under which its metric is described.
METRIC = "metric"


@dataclass(frozen=True, kw_only=True)
class Record:
    """What an instrument found out of one case: complete when it is made, and never changed.

    A subclass is a frozen dataclass. `section` is its key in `extra_info`; one without a section has its fields there.
    A field made by `metric` is a metric: everything that shows metrics follows from it.
    """

    section: ClassVar[str] = ""

    def as_json(self) -> dict[str, Any]:
        """Return the fields by their names."""
        return asdict(self)


def metric(
    unit: str,
    better: Direction | None,
    description: str,
    *,
    column: str | None = None,
    reason_column: str | None = None,
    interval_of: str | None = None,
    low_column: str | None = None,
    high_column: str | None = None,
    relative_column: str | None = None,
    repeat: str | None = None,
    heading: str | None = None,
    in_terminal: bool = False,
    form: str = ".4g",
    place: float | None = None,
    default: Any = dataclasses.MISSING,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Declare a field of a record as a metric; the parameters are the fields of `core.metrics.Metric`.

    `column` is its name in tables, that of the field where it is left out. `place` is where it stands in tables, by
    rising numbers; one that is left out is that of the metric declared before it in the same record, directly behind
    which it then stands. Where none is before it, it stands last.
    """
    described = {name: value for name, value in locals().items() if name not in ("column", "default")}
    return field(default=default, metadata={METRIC: described | {"column": column}})


def metrics_of(
    record: type[Record], path: str | None = None, known: set[tuple[type, str]] | None = None
) -> Iterator[Metric]:
    """Give the metrics of a record, and of the records in it, in the order of declaration.

    Where several records have one base, the fields that they inherit are given once: `known` holds those given already.
    """
    types_by_name = typing.get_type_hints(record)
    start, place = record.section if path is None else path, None
    for part in dataclasses.fields(record):
        described = dict(part.metadata.get(METRIC, {}))
        if described:
            place = described["place"] = place if described["place"] is None else described["place"]
        owner = next(base for base in record.__mro__ if part.name in inspect.get_annotations(base))
        if known is not None and owner is not record:
            if (owner, part.name) in known:
                continue
            known.add((owner, part.name))
        part_path = f"{start}.{part.name}" if start else part.name
        members = _members(types_by_name[part.name])
        if described:
            described["column"] = described["column"] or part.name
            yield Metric(path=part_path, is_number=bool({int, float} & members), **described)
        for member in members:
            if isinstance(member, type) and issubclass(member, Record):
                yield from metrics_of(member, part_path)


def _members(annotation: object) -> set[Any]:
    """Return the types that an annotation allows."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return set(typing.get_args(annotation))
    return {annotation}


def catalogue(records: Iterable[type[Record]]) -> list[dict[str, Any]]:
    """Return the metrics of records as a saved run holds them, in the order of their places.

    Metrics of one place, and those without one, are in the order of declaration.

    Raises `DeclarationError` where two have one column or one heading, and where one could not be read again.
    """
    described: list[Metric] = []
    inherited = set[tuple[type, str]]()
    for record in records:
        described += metrics_of(record, known=inherited)
    for names in ([found.column for found in described], [found.heading for found in described if found.heading]):
        repeated = {name for name in names if names.count(name) > 1}
        if repeated:
            raise DeclarationError(f"several metrics are named {', '.join(sorted(repeated))}; expected one each")
    for found in described:
        try:
            Metric.from_json(asdict(found))
        except InputError as error:  # a mistake of whoever declared it, not of a user
            raise DeclarationError(f"the metric {found.path} cannot be read from a saved run: {error}") from error
    return [asdict(found) for found in in_order(described)]


def require_values(record: Record) -> None:
    """Raise `DeclarationError` where a metric of a record holds what a saved run cannot, such as a tensor."""
    for part in dataclasses.fields(record):
        value = getattr(record, part.name)
        if METRIC in part.metadata and not isinstance(value, (bool, int, float, str, type(None))):
            raise DeclarationError(
                f"{type(record).__name__}.{part.name} is a {type(value).__module__}.{type(value).__name__}; expected a "
                "number, text, true, false or None of Python's own"
            )
