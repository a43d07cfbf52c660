"""Everything that is measured of a case, a file each. A new one is an `Instrument` in a module of this folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.extra_info import OWN_KEYS
from benchmarks.instruments.base import AfterVisits, Instrument, InVisit, is_instrument
from benchmarks.seconds import SecondsRecord
from core.errors import DeclarationError
from core.metrics.declarations import metrics_of, require_distinct_keys
from core.registry import Registry
from fixtures.tasks import Task

__all__ = ["INSTRUMENTS", "ORDER", "AfterVisits", "InVisit", "Instrument", "in_measuring_order", "require_consistent"]

#: The order of measurement. It is part of the procedure: what runs before a measurement may disturb it. Those that
#: measure in a visit come first; the others would disturb one, and run after the last visit of the session. What is not
#: named here runs behind those of its kind that are.
ORDER = (
    "provenance",  # measures nothing
    "tuning",  # measures nothing: what it writes down was chosen before the first visit
    "latency",  # arithmetic on the rounds
    "energy",  # meters the rounds
    "validity",  # reads clock and temperature beside the rounds, after the energy window
    "cache",  # compares logits when the rounds are over
    "size",
    "quality",
    "generation",
    "numerics",
    "breakdown",  # runs a profiler, whose profiles roofline and fallback look at too
    "roofline",  # runs a profiler
    "fallback",
    "activity",  # keeps the device at its limits for a second
)


def in_measuring_order(instruments: Registry[type[Instrument]]) -> tuple[type[Instrument], ...]:
    """Return the instruments in the order in which they measure.

    Raises `DeclarationError` where one would never be asked to.
    """
    for instrument in instruments.values():
        if not issubclass(instrument, (InVisit, AfterVisits)):
            raise DeclarationError(
                f"the instrument {instrument.name} is neither an InVisit nor an AfterVisits; expected one of them"
            )
        if not hasattr(instrument, "record") and instrument.records is Instrument.records:
            raise DeclarationError(f"the instrument {instrument.name} has no `record`; expected what it returns")
    places = {name: place for place, name in enumerate(ORDER)}

    def place(instrument: type[Instrument]) -> tuple[bool, int]:
        return issubclass(instrument, AfterVisits), places.get(instrument.name, len(places))

    return tuple(sorted(instruments.values(), key=place))


def require_consistent(instruments: Sequence[Instrument], tasks: Iterable[Task]) -> None:
    """Raise `DeclarationError` where records of one benchmark share a key, or a task's words name no metric of it."""
    for task in tasks:
        records = [record for instrument in instruments for record in instrument.records([task])]
        require_distinct_keys([*records, SecondsRecord], OWN_KEYS)
        metrics = (metric for record in records for metric in metrics_of(record))
        task.words.require_columns({metric.column for metric in metrics if metric.is_number})


INSTRUMENTS: Registry[type[Instrument]] = Registry("instrument", __name__, is_instrument)
