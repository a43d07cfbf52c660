"""The JSON of a benchmark, which pytest-benchmark saves as its `extra_info`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from analysis.runs.saved import Run
from analysis.uncertainty.saved_repeats import repeat_intervals
from core.case import is_own
from core.errors import DeclarationError
from core.metrics import lookup
from core.metrics.records import Record

#: Keys that a session writes beside those of its records.
VISITS, INCOMPLETE = OWN_KEYS = ("visits", "incomplete")


def joined(records: Iterable[Record]) -> dict[str, Any]:
    """Return the JSON of records, each in its section, those without one at top level.

    Raises `DeclarationError` where a key is there already, or a section is a figure of another record.
    """
    extra_info: dict[str, Any] = {}
    for record in records:
        section = extra_info.setdefault(record.section, {}) if record.section else extra_info
        if not isinstance(section, dict):
            raise DeclarationError(
                f"{type(record).__name__} has the section {record.section}, which is a figure of another record; "
                "expected a section of its own"
            )
        json = record.as_json()
        repeated = section.keys() & json.keys()
        if repeated:
            raise DeclarationError(
                f"{type(record).__name__} writes {', '.join(sorted(repeated))} a second time; expected once"
            )
        section.update(json)
    return extra_info


def with_repeats(benchmarks: Iterable[dict[str, Any]], session: Run) -> list[dict[str, Any]]:
    """Return benchmarks as they are saved: a session's own with intervals of a repeat, which all its cases decide."""
    intervals, saved = repeat_intervals(session), []
    for benchmark in benchmarks:
        name = lookup(benchmark, "params.case")  # benchmarks of others may have a case of their own kind
        extra_info = dict(benchmark["extra_info"])
        for section, ends in intervals.get(str(name), {}).items() if is_own(benchmark) else ():
            extra_info[section] = extra_info.get(section, {}) | ends
        saved.append(benchmark | {"extra_info": extra_info})
    return saved
