"""Everything that is measured of a case, one instrument each."""

from __future__ import annotations

from benchmarks.instruments.base import Instrument
from benchmarks.instruments.energy.instrument import Energy
from benchmarks.instruments.latency.roofline import Roofline
from benchmarks.instruments.latency.statistics import Latency
from benchmarks.instruments.machine.validity import Validity
from benchmarks.instruments.numerics import Numerics
from benchmarks.instruments.provenance import Provenance
from benchmarks.instruments.quality.instrument import Quality
from benchmarks.instruments.size import Size

#: The order of measurement. It is part of the procedure: what runs before a measurement may disturb it. Those that
#: measure during a visit come first; the others would disturb it.
INSTRUMENTS: tuple[type[Instrument], ...] = (
    Provenance,  # measures nothing
    Validity,  # the machine's state directly before and after the rounds
    Latency,  # arithmetic on the rounds
    Energy,
    Size,
    Quality,
    Numerics,
    Roofline,  # runs a profiler
)
