"""What tells the energy between two moments, a file a meter. A new one is a `MeterSource` in a module here."""

from __future__ import annotations

import torch

from benchmarks.meters.meter import Meter, MeterError, MeterSource, Reading
from benchmarks.policies import EnergyPolicy
from core.registry import Registry, of_type
from fixtures.device.nvml import NvmlError

__all__ = ["METERS", "Meter", "MeterError", "MeterSource", "Reading", "open_meter", "sources_for"]

METERS: Registry[MeterSource] = Registry("meter", __name__, of_type(MeterSource))


def sources_for(device: torch.device) -> list[MeterSource]:
    """Return the meters that may tell a device's energy, the best first."""
    return sorted((one for one in METERS.values() if device.type in one.devices), key=lambda one: one.rank)


def open_meter(device: torch.device, policy: EnergyPolicy) -> Meter:
    """Return the best meter of a device that answers; on a CPU it is the whole machine's.

    Raises what the last one raised, `NvmlError` or `MeterError`, where none answers.
    """
    reason: Exception = MeterError("NO_METER", f"there is no meter for a {device.type}")
    for source in sources_for(device):
        try:
            return source.open(device, policy)
        except (NvmlError, MeterError) as error:
            reason = error  # the next one may answer; if none does, this is the caller's
    raise reason
