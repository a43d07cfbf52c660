"""Columns of tables: figures that instruments measured, and those that are derived from several of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeVar, get_args

from core.errors import InputError
from core.guards import LIMITS, finite_number
from core.metrics.ranges import ANY_NUMBER, Range, range_of

#: Figures within this share of each other are called the same, on one run as between runs.
SAME_REL = 0.01
#: Beyond this many times the latency in its base something is said of a case. Fallbacks of a library's kernels took 2.4
#: to 132 times as long as BF16 (torchao 0.18 on an H200); layers of many small kernels, launched one by one, take 3.
FAR_SLOWER = 1.5
ColumnType = TypeVar("ColumnType", bound="Column")
Direction = Literal["lower", "higher"]
NAME = re.compile(r"[a-z][a-z0-9_]{0,79}", re.ASCII)
PATH = re.compile(r"[a-z][a-z0-9_]{0,79}(\.[a-z][a-z0-9_]{0,79}){0,3}", re.ASCII)
FORM = re.compile(r"\+?,?(\.\d[efg%])?", re.ASCII)
#: What a case consists of beside precision and execution, as columns.
CASE_COLUMNS = ("task", "workload", "batch_size", "sequence_length")
#: For each figure whose repeats are predicted (`FIGURES` of `analysis.uncertainty.variance`), the columns of a table
#: with the ends of the interval of a repeat.
REPEAT_COLUMNS = {
    "latency": ("latency_repeat95_low_ms", "latency_repeat95_high_ms"),
    "fast latency": ("fast_latency_repeat95_low_ms", "fast_latency_repeat95_high_ms"),
    "energy": ("energy_repeat95_low_mj", "energy_repeat95_high_mj"),
    "energy at reference": ("energy_at_reference_repeat95_low_mj", "energy_at_reference_repeat95_high_mj"),
    "speedup": ("speedup_repeat95_low", "speedup_repeat95_high"),
    "fast speedup": ("speedup_fast_repeat95_low", "speedup_fast_repeat95_high"),
    "energy saving": ("energy_saving_repeat95_low", "energy_saving_repeat95_high"),
}
#: What `Column.repeat` is of a figure that is the same in every session on one machine.
SAME = "same"
A_REPEAT = "a repeat of this session"
#: Columns of a table that are no metrics.
RESERVED = ("run", "case", "name", "setting", "precision", "execution", *CASE_COLUMNS)


@dataclass(frozen=True)
class Column:
    """A column of a table: one figure of each benchmark."""

    column: str
    unit: str
    #: The direction of improvement; None where the figure is a condition and not a merit.
    better: Direction | None
    description: str
    #: Whether the value is a number; otherwise it is text, true or false.
    is_number: bool = True
    #: The column that says why the figure is missing.
    reason_column: str | None = None
    #: What the figure's 95% interval is of; None where it has none.
    interval_of: str | None = None
    #: The columns with the ends of the interval, or the one with its half-width relative to the figure.
    low_column: str | None = None
    high_column: str | None = None
    relative_column: str | None = None
    #: How the figure of another session may differ: a key of `REPEAT_COLUMNS`, `SAME`, or None where nothing says it.
    repeat: str | None = None
    #: What heads the figure in the summary; it is left out there where this is None.
    heading: str | None = None
    #: Whether the short table of the terminal has it as well.
    in_terminal: bool = False
    #: How the figure is formatted, as in Python's format strings.
    form: str = ".4g"
    #: Follows the number.
    sign: str = ""
    #: Between which numbers values can lie; None where nothing says it.
    within: Range | None = None


@dataclass(frozen=True)
class Metric(Column):
    """A figure that instruments measure, at a dotted path of a benchmark's `extra_info`."""

    path: str = ""
    #: Where it stands in tables: by rising places. Those without one stand last.
    place: float | None = None

    def value(self, extra_info: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """Return this metric of a benchmark, or None where the value is missing or of another type."""
        value = lookup(extra_info, self.path)
        if self.is_number:
            return finite_number(value) if (self.within or ANY_NUMBER).holds(value) else None
        return value if isinstance(value, (str, bool)) else None

    def impossible(self, extra_info: Mapping[str, Any]) -> object:
        """Return the value of a benchmark that this figure cannot have, None where it is possible or missing."""
        value = lookup(extra_info, self.path)
        return value if self.is_number and not (self.within or ANY_NUMBER).holds(value) else None

    @classmethod
    def from_json(cls, entry: object) -> Metric:
        """Read one entry of a saved run's catalogue. Raises `InputError` where it is not one."""
        if not isinstance(entry, Mapping):
            raise InputError(f"The run's catalogue of metrics has {ascii(entry)[:80]}; expected a mapping.")
        known = {field.name: entry[field.name] for field in fields(cls) if field.name in entry}
        flags = ("is_number", "in_terminal")
        place, within = known.get("place"), known.get("within")
        if within is not None:
            known["within"] = range_of(within)
        is_typed = (place is None or finite_number(place) is not None) and all(
            isinstance(part, bool) if name in flags else part is None or isinstance(part, str)
            for name, part in known.items()
            if name not in ("place", "within")
        )
        is_typed = is_typed and (within is None or known["within"] is not None)
        required = [known.get(name) for name in ("column", "path", "unit", "description")]
        if not is_typed or not all(isinstance(part, str) for part in required) or cls.unsound_parts(known):
            raise InputError(
                f"The run's catalogue of metrics has {ascii(dict(entry))[:200]}; expected column, path, unit, better "
                "and description of a metric, for a place a finite number, and for within two ends."
            )
        return cls(**{"better": None} | {name: part for name, part in known.items() if part is not None})

    @staticmethod
    def unsound_parts(known: Mapping[str, Any]) -> list[str]:
        """Return the names of those parts of a description that cannot be used."""
        column = known["column"]
        is_sound = {
            "column": NAME.fullmatch(column) and column not in RESERVED and column not in derived_columns(),
            **{
                name: known.get(name) is None or NAME.fullmatch(known[name])
                for name in ("reason_column", "low_column", "high_column", "relative_column")
            },
            "path": PATH.fullmatch(known["path"]),
            "form": FORM.fullmatch(known.get("form") or ""),
            "better": known.get("better") in (None, *get_args(Direction)),
            "repeat": known.get("repeat") in (None, SAME, *REPEAT_COLUMNS),
        }
        too_long = (
            name for name, part in known.items() if isinstance(part, str) and len(part) > LIMITS.name_characters
        )
        return [*(name for name, sound in is_sound.items() if not sound), *too_long]


@dataclass(frozen=True)
class Ratio(Column):
    """A figure against FP32 in the same setting, derived and never stored.

    `gain` is baseline / value (how many times better); `saving` is 1 - value / baseline (the share that is saved).
    """

    of: str = ""
    kind: Literal["gain", "saving"] = "gain"


def with_repeat(column: ColumnType) -> ColumnType:
    """Return a column with the interval of a repeat for its interval, where its figure has one."""
    if column.repeat not in REPEAT_COLUMNS:
        return column
    low, high = REPEAT_COLUMNS[column.repeat]
    return replace(column, interval_of=A_REPEAT, low_column=low, high_column=high, relative_column=None)


RATIOS = tuple(
    map(
        with_repeat,
        (
            Ratio(
                "speedup_vs_fp32",
                "",
                "higher",
                "median latency of FP32 over this one's, in the same setting, visit by visit",
                repeat="speedup",
                heading="speed vs FP32",
                in_terminal=True,
                form=".2f",
                sign="x",
                of="median_latency_ms",
            ),
            Ratio(
                "speedup_fast",
                "",
                "higher",
                "fast latency of FP32 over this one's, in the same setting, visit by visit",
                repeat="fast speedup",
                heading="fast vs FP32",
                form=".2f",
                sign="x",
                of="fast_latency_ms",
            ),
            Ratio(
                "energy_reduction_vs_fp32",
                "",
                "higher",
                "share of FP32's energy that is saved, visit by visit",
                repeat="energy saving",
                of="energy_per_sample_mj",
                kind="saving",
            ),
            Ratio(
                "size_reduction_vs_fp32",
                "",
                "higher",
                "share of FP32's size that is saved",
                repeat=SAME,
                of="model_size_mb",
                kind="saving",
            ),
        ),
    )
)
VALIDITY = Column("validity", "", None, "valid, invalid or unknown", is_number=False)
PAIRED_VALIDITY = Column(
    "paired_validity", "", None, "the same apart from drift, which falls on both sides of a ratio", is_number=False
)
INTERVAL_ASSUMED = Column(
    "interval_assumed",
    "",
    None,
    "whether the interval of a repeat rests on an assumed noise floor",
    is_number=False,
)
ROWS_SCORED = Column(
    "rows_scored", "", None, "rows that were scored of those of the dataset, where they are fewer", is_number=False
)
LAUNCH_BOUND = Column("launch_bound_share", "", "lower", "1 - graph / eager, of the median latencies")
#: No merit yet: raw energy decides until this has been shown to hold on other boards.
ENERGY_AT_REFERENCE = with_repeat(
    Column(
        "energy_at_reference_mj",
        "mJ",
        None,
        "energy of a sample at 45 degrees Celsius and without gaps between rounds",
        repeat="energy at reference",
        heading="mJ at 45 °C, no gaps",
        form=".1f",
    )
)
#: A second figure of the same thing, and the first: they are called the same where both are.
SECOND_FIGURES = {"fast_latency_ms": "median_latency_ms", "speedup_fast": "speedup_vs_fp32"}
DERIVED: tuple[Column, ...] = (
    *RATIOS,
    ENERGY_AT_REFERENCE,
    INTERVAL_ASSUMED,
    VALIDITY,
    PAIRED_VALIDITY,
    ROWS_SCORED,
    LAUNCH_BOUND,
)


def derived_columns() -> set[str]:
    """Return the names of all columns that are derived, the ends of ratios' intervals among them."""
    ends = {name for names in REPEAT_COLUMNS.values() for name in names}
    return ends | {column.column for column in DERIVED}


def lookup(extra_info: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401
    """Return the value at a dotted path of a benchmark's `extra_info`, or None where there is none."""
    value: Any = extra_info
    for key in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value
