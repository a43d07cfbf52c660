"""For how long, and within which limits, a session measures: handed to whatever measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

#: The number of the measuring procedure. Whoever changes what a figure means, or what it is measured after, raises it:
#: runs of different procedures are shown beside each other and not judged. 2 measures every
#: case in several visits, time and energy in one loop, full and padded batches apart, and what disturbs after the last.
#: Windows of whole rounds did not raise it: of rounds below 40 ms they are as long as before, and of longer ones they
#: hold what was meant before, the energy of a round.
PROCEDURE = 2


@dataclass(frozen=True)
class TimingPolicy:
    """For how long a visit warms up and is timed, in seconds, beside the rounds that the options ask for.

    Half a second of rounds spans several periods of the GPU's power management, and five ticks of its energy counter.
    """

    #: Rounds whose halves are compared. 0: only the rounds asked for are run.
    warm_up_stretch_s: float = 0.12
    warm_up_cap_s: float = 0.5
    shortest_s: float = 0.5


@dataclass(frozen=True)
class CounterPolicy:
    """Windows of the energy counter, in ticks of the counter and seconds."""

    #: Length of a visit's window.
    ticks: int = 5
    #: Without a tick for this long, the counter stands still.
    patience_s: float = 1.0
    #: Polling starts this long before a tick is due.
    early_s: float = 0.012


@dataclass(frozen=True)
class PowerPolicy:
    """Windows of a power sensor, in seconds."""

    window_s: float
    #: Between two samples, on average.
    spacing_s: float = 0.02
    #: Until the sensor shows the present.
    settling_s: float = 0.0
    #: The sensor's own period on the boards that this was written for; samples are closer than that.
    tick_period_s: float = 0.1


@dataclass(frozen=True)
class EnergyPolicy:
    """Times in seconds; shares relative.

    Beyond `fewest_ticks`, `fewest_rounds`, `longest_throttling` and `largest_u95` there is no figure: it would say
    nothing. Beyond the other limits the figure is given with a mark.
    """

    counter: CounterPolicy = CounterPolicy()
    instant: PowerPolicy = PowerPolicy(window_s=0.5)
    average: PowerPolicy = PowerPolicy(window_s=20.0, settling_s=2.0)
    idle_s: float = 0.3
    cross_check_s: float = 0.8
    #: All visits of a case have so many ticks together; where there are fewer visits, their windows are longer.
    fewest_ticks: int = 20
    #: A window has so many rounds at least: of fewer, those that its ends cut would matter.
    fewest_rounds: int = 10
    #: No round ended for so long: a window that waits for one is given up.
    patience_s: float = 600.0
    longest_throttling: float = 0.01
    largest_u95: float = 0.3
    marked_u95: float = 0.05
    marked_drift: float = 0.02
    marked_gap_share: float = 0.1
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
class TuningPolicy:
    """How candidates of a compiler's options are timed, and when one replaces the defaults."""

    repeats: int = 5
    #: A candidate's rounds of one variant in one repeat: so many seconds, and so many rounds.
    block_s: float = 0.2
    fewest_rounds: int = 3
    #: A candidate is used where it takes this much less than the defaults.
    smallest_gain: float = 0.02
    #: Without a word for so long a candidate hangs; the slowest compilation seen, of INT8 on an H100, took 156 s.
    patience_s: float = 1200.0


@dataclass(frozen=True)
class ActivityPolicy:
    """When the GPU's counters are read beside rounds, in seconds.

    In 10 to 20 ms they tell nothing, and no error says so; from 0.2 s on they are right (an H200, driver 580). Both
    times together are longer than the second of which NVML averages the power.
    """

    #: For so long the rounds have run when the window begins.
    settling_s: float = 0.6
    window_s: float = 0.5
    #: A window has so many rounds at least.
    fewest_rounds: int = 5
    #: Eight times as large as the cache of an H200.
    read_bytes: int = 2**29


def timing_by_device() -> Mapping[str, TimingPolicy]:
    """Return how long a visit lasts by type of device: on a CPU as long as its rounds, each of which takes 0.1 s."""
    return MappingProxyType({"cuda": TimingPolicy(), "cpu": TimingPolicy(0.0, 0.0, 0.0)})


@dataclass(frozen=True)
class Policies:
    """One policy for each kind of measurement, and how long a session waits for another to save."""

    timing: Mapping[str, TimingPolicy] = field(default_factory=timing_by_device)
    energy: EnergyPolicy = EnergyPolicy()
    ceilings: CeilingPolicy = field(default_factory=CeilingPolicy)
    tuning: TuningPolicy = TuningPolicy()
    activity: ActivityPolicy = ActivityPolicy()
    #: Another session saves its run within a second; one that keeps the folder locked for longer has been stopped.
    lock_timeout_s: float = 30.0
