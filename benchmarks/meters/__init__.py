"""What tells the energy between two moments, a file a meter. A new one is a `MeterSource` in a module here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch

from benchmarks.meters.meter import Meter, MeterError, MeterSource, Reading
from benchmarks.policies import EnergyPolicy
from core.errors import DeclarationError
from core.registry import Registry, of_type
from fixtures.device.nvml import NvmlError

__all__ = ["METERS", "Meter", "MeterError", "MeterSource", "Reading", "open_meter", "sources_for"]

METERS: Registry[MeterSource] = Registry("meter", __name__, of_type(MeterSource))


#: What every meter has.
MEMBERS = (
    *("method", "scope", "tick_period_s", "begins_at_update", "read_cost_s", "needs_long_window"),
    *("visit_window_s", "measure", "second_meter"),
)


def sources_for(device: torch.device) -> list[MeterSource]:
    """Return the meters that may tell a device's energy, the best first."""
    return sorted((one for one in METERS.values() if device.type in one.devices), key=lambda one: one.rank)


def open_meter(device: torch.device, policy: EnergyPolicy) -> tuple[Meter, str | None]:
    """Return the best meter of a device that answers, and why better ones do not, or None; on a CPU the machine's.

    Raises `MeterError` with all reasons where none answers, or what they raised where they all say the same.
    """
    passed_over: dict[str, NvmlError | MeterError] = {}
    for source in sources_for(device):
        try:
            meter = source.open(device, policy)
        except (NvmlError, MeterError) as error:
            passed_over[source.name] = error
            continue
        if meter.method != source.name:
            raise DeclarationError(f"the meter {source.name} says that its method is {meter.method}; expected its name")
        missing = [member for member in MEMBERS if not hasattr(meter, member)]
        if missing:
            raise DeclarationError(f"the meter {source.name} has no {missing[0]}; expected every member of Meter")
        return meter, reasons(passed_over) or None
    if not passed_over:
        raise MeterError("NO_METER", f"there is no meter for a {device.type}")
    last = list(passed_over.values())[-1]
    if len({str(error) for error in passed_over.values()}) == 1:
        raise last
    raise MeterError(last.code, reasons(passed_over))


def reasons(passed_over: Mapping[str, Exception]) -> str:
    """Return why meters do not answer, by their names, as text."""
    return "; ".join(f"{name}: {error}" for name, error in passed_over.items())


def require_ranks(sources: Iterable[MeterSource]) -> None:
    """Raise `DeclarationError` where two meters of one type of device have one rank, and neither is the better."""
    holders: dict[tuple[str, int], str] = {}
    for source in sources:
        for place in ((device, source.rank) for device in source.devices):
            if place in holders:
                raise DeclarationError(
                    f"the meters {holders[place]} and {source.name} both have the rank {source.rank} for a {place[0]}; "
                    "expected another for one of them"
                )
            holders[place] = source.name


require_ranks(METERS.values())
