"""The catalogue of a session: the metrics that its records declare, as a saved run holds them."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from core.errors import DeclarationError, InputError
from core.metrics.catalogue import by_place
from core.metrics.columns import Metric
from core.metrics.keys import keys_of, members_of
from core.metrics.records import Record


def metrics_of(
    record: type[Record], path: str | None = None, known: set[tuple[type, str]] | None = None
) -> Iterator[Metric]:
    """Give the metrics of a record, and of the records in it, in the order of their keys.

    Where several records have one base, the fields that they inherit are given once: `known` holds those given already.
    """
    start, place = record.section if path is None else path, None
    inner = dict(records_within(record))
    for key in keys_of(record):
        name = key.fields[0]
        place = key.metric.place if key.metric is not None and key.metric.place is not None else place
        owner = next(base for base in record.__mro__ if name in inspect.get_annotations(base))
        if known is not None and owner is not record:
            if (owner, key.name) in known:
                continue
            known.add((owner, key.name))
        key_path = f"{start}.{key.name}" if start else key.name
        if key.metric is not None:
            yield dataclasses.replace(key.metric, path=key_path, place=place)
        if name in inner:
            yield from metrics_of(inner[name], key_path)


def records_within(record: type[Record]) -> Iterator[tuple[str, type[Record]]]:
    """Give the fields of a record that hold a record, each with its type."""
    annotations = typing.get_type_hints(record)
    for part in dataclasses.fields(record):
        for member in members_of(annotations[part.name]):
            if isinstance(member, type) and issubclass(member, Record):
                yield part.name, member


def require_distinct_keys(records: Iterable[type[Record]], others: Iterable[str] = ()) -> None:
    """Raise `DeclarationError` where records of one benchmark have one key, or one has a key of `others`.

    A key is that of a section, or of a record without one; or within a section one of the records in it.
    """
    holders = dict.fromkeys(others, "the session")
    for record in records:
        names = [f"{record.section}.{key.name}" if record.section else key.name for key in keys_of(record)]
        if record.section and holders.setdefault(record.section, "a section") != "a section":
            raise DeclarationError(
                f"{record.__name__} has the section {record.section}, which is a key of {holders[record.section]}; "
                "expected a section of its own"
            )
        for name in names:
            if name in holders:
                raise DeclarationError(
                    f"{record.__name__} has the key {name}, which is one of {holders[name]} already; expected another"
                )
            holders[name] = record.__name__


def catalogue(records: Iterable[type[Record]]) -> list[dict[str, Any]]:
    """Return the metrics of records as a saved run holds them, in the order of their places.

    Metrics of one place, and those without one, are in the order of declaration.

    Raises `DeclarationError` where two have one column or one heading, and where one could not be read again.
    """
    described: list[Metric] = []
    inherited = set[tuple[type, str]]()
    for record in records:
        described += metrics_of(record, known=inherited)
    for names in ([one.column for one in described], [one.heading for one in described if one.heading]):
        repeated = {name for name in names if names.count(name) > 1}
        if repeated:
            raise DeclarationError(f"several metrics are named {', '.join(sorted(repeated))}; expected one each")
    for metric in described:
        try:
            Metric.from_json(asdict(metric))
        except InputError as error:  # a mistake of whoever declared it, not of a user
            parts = asdict(metric)
            unsound = [f"{name}={parts[name]!r:.60}" for name in Metric.unsound_parts(parts)]
            raise DeclarationError(
                f"the metric {metric.path} cannot be read from a saved run: it has {', '.join(unsound) or error}; "
                "docs/extending/metric.md says what is expected"
            ) from error
    return [asdict(metric) for metric in by_place(described)]
