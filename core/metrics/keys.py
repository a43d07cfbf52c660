"""The keys of a record in a saved run, in their order: one of each field, and those of the parts of its figures."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from core.errors import DeclarationError
from core.metrics.columns import Metric
from core.metrics.figures import End, Figure, Interval, Reason

#: The key of a field's metadata with what it declares.
DECLARED = "declared"
Part = Literal["value", "low", "high", "reason"]


@dataclass(frozen=True)
class Declared:
    """What a field of a record declares: the metric that it is, and the parts that its figure has."""

    metric: Metric | None
    interval: Interval | None
    reason: Reason | None


@dataclass(frozen=True)
class Key:
    """One key of a record in JSON."""

    name: str
    #: The field that it is of; several, where figures share a reason.
    fields: tuple[str, ...]
    #: Which part of the field's figure it holds; None where the field is no figure.
    part: Part | None = None
    #: What the figure declares beside its value: `interval`, `reason` or both.
    declared: tuple[str, ...] = ()
    #: The metric that it is, without its path; that of the metric before it is its place where it has none.
    metric: Metric | None = None


def keys_of(record: type) -> tuple[Key, ...]:
    """Return the keys of a record, which is a dataclass, in the order of its fields.

    Behind a figure's value follow its interval and its reason, unless these are declared to stand behind another field.
    Raises `DeclarationError` where the declarations contradict each other.
    """
    return _keys_of(record)


@cache
def _keys_of(record: type) -> tuple[Key, ...]:
    annotations = typing.get_type_hints(record)
    fields = {part.name: part.metadata.get(DECLARED) for part in dataclasses.fields(record)}
    groups = {name: [_key_of_value(record, name, annotations[name], fields[name])] for name in fields}
    declarations = {name: declared for name, declared in fields.items() if declared is not None}
    for is_elsewhere in (False, True):  # behind a field its own keys stand before those of others
        for name, declared in declarations.items():
            interval, reason = declared.interval, declared.reason
            if interval is not None and (interval.after is not None) is is_elsewhere:
                _group(record, groups, interval.after or name).extend(_keys_of_ends(name, declared, interval))
            if reason is not None and (reason.after is not None) is is_elsewhere:
                _add_reason(_group(record, groups, reason.after or name), groups, name, reason)
    return tuple(key for group in groups.values() for key in group)


def _key_of_value(record: type, name: str, annotation: object, declared: Declared | None) -> Key:
    is_figure = typing.get_origin(annotation) is Figure or annotation is Figure
    if is_figure is not (declared is not None and (declared.interval or declared.reason) is not None):
        raise DeclarationError(
            f"{record.__name__}.{name} is {'a Figure' if is_figure else f'a {name_of(annotation)}'} and declares "
            f"{'neither interval nor reason' if is_figure else 'an interval or a reason'}; expected a Figure with one"
        )
    metric = declared.metric if declared is not None else None
    if metric is not None:
        numbers = bool({int, float} & set(members_of(annotation)))
        metric = replace(metric, column=metric.column or name, is_number=numbers)
        if numbers and metric.within is None:
            raise DeclarationError(
                f"{record.__name__}.{name} is a number and does not say which values it can have; expected `within=` "
                "with a range of core.metrics.ranges, such as NOT_NEGATIVE or ANY_NUMBER"
            )
    if not is_figure or declared is None:
        return Key(name, (name,), metric=metric)
    interval = declared.interval
    if metric is not None and interval is not None and interval.of is not None:
        low, high = (interval.column(name, metric.unit, end) for end in typing.get_args(End))
        metric = replace(metric, interval_of=interval.of, low_column=low, high_column=high)
    parts = tuple(part for part in ("interval", "reason") if getattr(declared, part) is not None)
    return Key(name, (name,), "value", parts, metric)


def _keys_of_ends(name: str, declared: Declared, interval: Interval) -> Iterator[Key]:
    unit = declared.metric.unit if declared.metric is not None else ""
    ends: tuple[End, ...] = typing.get_args(End)
    for end, words, place in zip(ends, interval.words, (interval.place, None), strict=True):
        column = Metric(interval.column(name, unit, end), unit, None, words, place=place)
        yield Key(interval.key(name, unit, end), (name,), end, metric=column if interval.is_in_tables else None)


def _add_reason(group: list[Key], groups: dict[str, list[Key]], name: str, reason: Reason) -> None:
    """Add the key of a reason to a group, or a further field to the key, where the reason is there already."""
    for others in groups.values():
        for place, key in enumerate(others):
            if key.name == reason.key:
                others[place] = replace(key, fields=(*key.fields, name))
                return
    column = None
    if reason.column is not None:
        column = Metric(reason.column, "", None, reason.words, is_number=False, place=reason.place)
    group.append(Key(reason.key, (name,), "reason", metric=column))


def _group(record: type, groups: dict[str, list[Key]], name: str) -> list[Key]:
    if name not in groups:
        raise DeclarationError(f"{record.__name__} has keys behind {name}; expected a field of it")
    return groups[name]


def members_of(annotation: object) -> tuple[object, ...]:
    """Return the types that an annotation allows, for a figure those of its value."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, Figure):
        return typing.get_args(annotation)
    return (annotation,)


def name_of(annotation: object) -> str:
    """Return an annotation as it is written."""
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
