"""For how long, and within which limits, a session measures: handed to whatever measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

#: The number of the measuring procedure. Whoever changes what a figure means, or what it is measured after, raises it:
#: runs of different procedures are shown beside each other and not judged. 1 was the first edition's; since 2 energy is
#: metered before the scoring pass, and peak memory is what tensors of the case alone asked for.
PROCEDURE = 2


@dataclass(frozen=True)
class TimingPolicy:
    """For how long a benchmark warms up and is timed, in seconds.

    A second of rounds spans many periods of the GPU's power management; a median over less depends on where it fell.
    """

    warm_up_cap_s: float = 0.5
    shortest_s: float = 1.0
    rounds_cap_s: float = 1.2
    #: Rounds and seconds, at least, of the sentinel that tells whether the machine has drifted.
    sentinel_rounds: int = 40
    sentinel_s: float = 0.5


@dataclass(frozen=True)
class CounterPolicy:
    """Windows of the energy counter, in seconds."""

    window_s: float = 0.3
    windows: int = 7
    #: Without a tick for this long, the counter stands still.
    patience_s: float = 1.0
    #: Polling starts this long before a tick is due.
    early_s: float = 0.012


@dataclass(frozen=True)
class PowerPolicy:
    """Windows of a power sensor, in seconds."""

    window_s: float
    windows: int
    #: Between two samples, on average.
    spacing_s: float = 0.02
    #: Until the sensor shows the present.
    settling_s: float = 0.0
    #: The sensor's own period on the boards that this was written for; samples are closer than that.
    tick_period_s: float = 0.1


@dataclass(frozen=True)
class EnergyPolicy:
    """Times in seconds; shares relative. Beyond the limits a figure is refused: it would not be repeatable."""

    counter: CounterPolicy = CounterPolicy()
    instant: PowerPolicy = PowerPolicy(window_s=0.4, windows=6)
    average: PowerPolicy = PowerPolicy(window_s=20.0, windows=2, settling_s=2.0)
    idle_s: float = 0.2
    cross_check_s: float = 0.8
    #: The loop runs this long before the first window, for clocks and power to settle.
    lead_in_s: float = 0.2
    #: Windows start at a random moment within this time.
    phase_s: float = 0.1
    fewest_ticks: int = 20
    largest_u95: float = 0.05
    largest_drift: float = 0.02
    longest_throttling: float = 0.01
    #: Counter and integrated power may differ by this much.
    largest_dispute: float = 0.05


@dataclass(frozen=True)
class CeilingPolicy:
    """How the device's ceilings are measured: large enough to fill it, small enough for a 2-core CPU."""

    #: Side of the square matrices that are multiplied, by type of device.
    matrix_side: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({"cuda": 8192, "cpu": 1024}))
    copied_bytes: int = 2**28
    timed_s: float = 0.1


@dataclass(frozen=True)
class Policies:
    """One policy for each kind of measurement, and how long a session waits for another to save."""

    timing: TimingPolicy = TimingPolicy()
    energy: EnergyPolicy = EnergyPolicy()
    ceilings: CeilingPolicy = field(default_factory=CeilingPolicy)
    #: Another session saves its run within a second; one that keeps the folder locked for longer has been stopped.
    lock_timeout_s: float = 30.0
