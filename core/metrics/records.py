"""Records: what a benchmark is found to be, complete when it is made, whose fields declare figures and metrics."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any, ClassVar

from core.errors import DeclarationError
from core.metrics.columns import Direction, Metric
from core.metrics.figures import Figure, Interval, Reason
from core.metrics.keys import DECLARED, Declared, Key, keys_of
from core.metrics.ranges import Range


@dataclass(frozen=True, kw_only=True)
class Record:
    """What an instrument found out of one case: complete when it is made, and never changed.

    A subclass is a frozen dataclass. `section` is its key in `extra_info`; one without a section has its fields there.
    A field made by `metric` is a metric: everything that shows metrics follows from it. A field whose type is `Figure`
    has several keys: its value's, and those of its interval and reason.

    Raises `DeclarationError` where a field holds what no saved run can, or a part of a figure that it does not declare.
    """

    section: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for key in keys_of(type(self)):
            if key.part in (None, "value"):
                require_storable(type(self).__name__, getattr(self, key.fields[0]), key)
            elif key.part == "reason":
                self._value(key)  # raises where figures that share it give several

    def as_json(self) -> dict[str, Any]:
        """Return what a saved run holds: values by their keys."""
        return {key.name: self._value(key) for key in keys_of(type(self))}

    def _value(self, key: Key) -> Any:  # noqa: ANN401
        values = [getattr(self, name) for name in key.fields]
        if key.part is None:
            return plain(values[0])
        parts = [getattr(value, key.part) for value in values]
        distinct = list(dict.fromkeys(part for part in parts if part is not None)) if key.part == "reason" else parts
        if len(distinct) > 1:
            raise DeclarationError(
                f"{type(self).__name__} gives several reasons as {key.name} ({'; '.join(distinct)}); expected one"
            )
        return plain(distinct[0]) if distinct else None


def metric(
    unit: str,
    better: Direction | None,
    description: str,
    *,
    column: str = "",
    within: Range | None = None,
    interval: Interval | None = None,
    reason: Reason | None = None,
    says_why: bool = False,
    repeat: str | None = None,
    heading: str | None = None,
    in_terminal: bool = False,
    form: str = ".4g",
    place: float | None = None,
    default: Any = dataclasses.MISSING,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Declare a field of a record as a metric: a column of every table.

    A number says `within` which range it can lie: a saved run with another value is refused, and so is a record.
    `column` is its name in tables, the field's own by default. With an `interval` or a `reason` the field's type is
    `Figure`; `says_why` has pictures say the reason where the figure is missing. `place` is where it stands in tables,
    by rising numbers; one that is left out is that of the metric declared before it in the same record, directly behind
    which it then stands. Where none is before it, it stands last. For the others see `core.metrics.Metric`.
    """
    column_of_metric = Metric(
        column,
        unit,
        better,
        description,
        repeat=repeat,
        heading=heading,
        in_terminal=in_terminal,
        form=form,
        place=place,
        within=within,
        reason_column=reason.column if reason is not None and says_why else None,
    )
    return field(default=default, metadata={DECLARED: Declared(column_of_metric, interval, reason)})


def figure(
    *,
    interval: Interval | None = None,
    reason: Reason | None = None,
    default: Any = dataclasses.MISSING,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Declare a field of a record, whose type is `Figure`, that is no column of tables."""
    return field(default=default, metadata={DECLARED: Declared(None, interval, reason)})


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever a record holds
    """Return a value as JSON holds it: records as mappings, containers copied."""
    if isinstance(value, Record):
        return value.as_json()
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, tuple):
        return tuple(plain(part) for part in value)
    if isinstance(value, list):
        return [plain(part) for part in value]
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def require_fields(record: type[Record], values: Mapping[str, Any]) -> None:
    """Raise `DeclarationError` where one of some fields of a record is not what its declaration says."""
    for key in keys_of(record):
        if key.part in (None, "value") and key.fields[0] in values:
            require_storable(record.__name__, values[key.fields[0]], key)


def require_storable(record: str, value: object, key: Key) -> None:
    """Raise `DeclarationError` where a field's value is not what its declaration says."""
    name = key.name
    parts: tuple[object, ...] = (value,)
    if key.part is not None:
        if not isinstance(value, Figure):
            raise DeclarationError(f"{record}.{name} is a {type_name(value)}; expected a Figure")
        parts = (value.value, value.low, value.high)
        for what, has_it in (("interval", value.low is not None), ("reason", value.reason is not None)):
            if has_it and what not in key.declared:
                raise DeclarationError(
                    f"{record}.{name} has an undeclared {what}; expected `{what}=` where the field is declared"
                )
    if key.metric is not None and key.metric.within is not None and parts[0] is not None:
        require_within(f"{record}.{name}", parts[0], key.metric.within)
    for part in parts if key.metric is not None else ():
        if not isinstance(part, (bool, int, float, str, type(None))):
            raise DeclarationError(
                f"{record}.{name} is a {type_name(part)}; expected a number, text, true, false or None of Python's own"
            )


def require_within(name: str, value: object, within: Range) -> None:
    """Raise `DeclarationError` where a value of a metric is not possible: the saved run could not be read again."""
    if type(value) in (int, float) and not within.holds(value):
        raise DeclarationError(f"{name} is {value}; expected {within}, as it is declared")


def type_name(value: object) -> str:
    """Return the name of a value's type, with its module where it is not Python's own."""
    module, name = type(value).__module__, type(value).__name__
    return name if module == "builtins" else f"{module}.{name}"
