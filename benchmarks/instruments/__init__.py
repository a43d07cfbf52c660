"""Everything that is measured of a case, one instrument each."""

from __future__ import annotations

from benchmarks.instruments.base import Instrument
from benchmarks.instruments.energy.instrument import Energy
from benchmarks.instruments.generation import Generation
from benchmarks.instruments.latency.statistics import Latency
from benchmarks.instruments.numerics import Numerics
from benchmarks.instruments.provenance import Provenance
from benchmarks.instruments.quality.instrument import Quality
from benchmarks.instruments.roofline.instrument import Roofline
from benchmarks.instruments.size import Size
from benchmarks.instruments.validity import Validity

#: The order of measurement. It is part of the procedure: what runs before a measurement may disturb it. Those that
#: measure in a visit come first; the others would disturb one, and run after the last visit of the session.
INSTRUMENTS: tuple[type[Instrument], ...] = (
    Provenance,  # measures nothing
    Latency,  # arithmetic on the rounds
    Energy,  # meters the rounds
    Validity,  # reads clock and temperature beside the rounds, after the energy window
    Size,
    Quality,
    Generation,
    Numerics,
    Roofline,  # runs a profiler
)
