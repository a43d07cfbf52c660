"""Figures: a value with its 95% interval and the reason for what is missing, and how saved runs name these."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from core.errors import DeclarationError

Value = TypeVar("Value")
End = Literal["low", "high"]


@dataclass(frozen=True)
class Figure(Generic[Value]):
    """A value, the ends of its 95% interval, and why the value or its interval is missing.

    `value` is None where it could not be measured, never 0; `low` and `high` are None where nothing says how far it may
    be off. Raises `DeclarationError` where an interval has one end, or one that is not a number, or ends in the wrong
    order.
    """

    value: Value | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None

    @classmethod
    def estimated(cls, value: Value, low: float, high: float) -> Figure[Value]:
        """Return a value with its interval; without one where an end is NaN: a sample of one value has none."""
        return cls(value) if math.isnan(low) or math.isnan(high) else cls(value, low, high)

    def __post_init__(self) -> None:
        if (self.low is None) != (self.high is None) or (
            self.low is not None and self.high is not None and not self.low <= self.high
        ):
            raise DeclarationError(f"an interval reaches from {self.low} to {self.high}; expected two ends in order")


#: A figure of something that was not to be measured, or whose reason another figure of the record has.
NOT_MEASURED: Figure[Any] = Figure(None)


@dataclass(frozen=True, kw_only=True)
class Interval:
    """How a saved run and tables name the ends of a figure's 95% interval.

    The keys are `STEM_ci95_low_UNIT` and `STEM_ci95_high_UNIT`, with the unit where the figure's own name ends in it.
    """

    #: What the interval is of, for the legend of tables that have the figure with it; None: they have another, or none.
    of: str | None = None
    #: The figure's own name without its unit, by default.
    stem: str | None = None
    #: The same in the names of the ends' columns; that of the keys by default.
    column_stem: str | None = None
    #: Whether the ends are columns of tables.
    is_in_tables: bool = True
    #: What the ends are, in words for whoever reads a table.
    words: tuple[str, str] = ("lower end of its 95% interval", "upper end of its 95% interval")
    #: Where the columns stand; that of the metric before them where it is left out.
    place: float | None = None
    #: The field behind which the keys stand; the figure's own by default.
    after: str | None = None

    def key(self, name: str, unit: str, end: End) -> str:
        """Return the key of an end of the figure with this name and unit."""
        return self._named(self.stem, name, unit, end)

    def column(self, name: str, unit: str, end: End) -> str:
        """Return the name that tables give an end."""
        return self._named(self.stem if self.column_stem is None else self.column_stem, name, unit, end)

    def _named(self, stem: str | None, name: str, unit: str, end: End) -> str:
        suffix = f"_{unit.lower()}" if unit and name.endswith(f"_{unit.lower()}") else ""
        stem = name.removesuffix(suffix) if stem is None else stem
        return f"{stem}_ci95_{end}{suffix}".removeprefix("_")


#: The interval of a figure whose ends are in the saved run alone.
NOT_IN_TABLES = Interval(is_in_tables=False)


@dataclass(frozen=True)
class Reason:
    """The key under which a saved run says why a figure is missing. Several figures of a record may share one.

    With a `column` it is a column of tables too.
    """

    key: str
    column: str | None = None
    #: What the column says, in words for whoever reads a table.
    words: str = ""
    #: Where the column stands; that of the metric before it where it is left out.
    place: float | None = None
    #: The field behind which the key stands; the first that has this reason by default.
    after: str | None = None
