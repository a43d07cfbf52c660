"""What one session has measured, and with what: the one place that holds its finished benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.instruments import INSTRUMENTS
from benchmarks.instruments.base import Instrument, Record
from benchmarks.instruments.latency.noise import drift
from benchmarks.policies import Policies
from benchmarks.run import BenchmarkRun, FinishedRun
from fixtures.settings import Settings


@dataclass
class Session:
    """The instruments of a session, and what they have measured."""

    settings: Settings
    policies: Policies
    instruments: tuple[Instrument, ...]
    #: Seconds of each round, in their order, of every benchmark that has been timed, by name.
    timings_s: dict[str, tuple[float, ...]] = field(default_factory=dict)
    #: By name, in the order in which they finished.
    finished: dict[str, FinishedRun] = field(default_factory=dict)
    #: Every benchmark that is to run, by name, and why it has not been measured.
    outcomes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, settings: Settings, policies: Policies) -> Session:
        """Make the instruments, in the order in which they measure."""
        return cls(settings, policies, tuple(instrument(policies) for instrument in INSTRUMENTS))

    @property
    def missing(self) -> dict[str, str]:
        """Benchmarks that were to run and were not measured, and why."""
        return {name: outcome for name, outcome in self.outcomes.items() if name not in self.finished}

    @property
    def benchmarks(self) -> list[dict[str, Any]]:
        """What was measured, as in a file of pytest-benchmark's."""
        return [{"name": name, "extra_info": run.extra_info} for name, run in self.finished.items()]

    def start(self, run: BenchmarkRun) -> None:
        """Let each instrument prepare for a benchmark, before its execution is prepared."""
        for instrument in self.instruments:
            add(run.extra_info, instrument.starting(run))

    def prepared(self, run: BenchmarkRun) -> None:
        """Let each instrument read what it must directly before the rounds."""
        for instrument in self.instruments:
            instrument.prepared(run)

    def measure(self, run: BenchmarkRun) -> None:
        """Let each instrument measure, one after the other, and keep the benchmark as finished."""
        self.timings_s[run.name] = tuple(run.durations_s)
        for instrument in self.instruments:
            add(run.extra_info, instrument.measure(run))
        self.finished[run.name] = FinishedRun(run.precision.name, run.execution, run.extra_info)

    def compare_with_first_timing(self, run: BenchmarkRun) -> None:
        """Mark every benchmark of an execution as drifted where its first one, timed again, takes another time."""
        change = drift(self.timings_s[run.name], run.durations_s)
        for finished in self.finished.values():
            if finished.execution != run.execution:
                continue
            validity = finished.extra_info["validity"]
            validity.update(drift={"sentinel": run.name, **change}, drift_reason=change["reason"])
            if change["drifted"]:
                finished.invalidate(
                    f"drifted: {run.name} changed by {change['change_rel']:+.1%} ({change['change_ci95_low']:+.1%} to "
                    f"{change['change_ci95_high']:+.1%}) from its first timing to the end of the session; let the "
                    "machine settle and run again",
                )


def add(extra_info: dict[str, Any], record: Record) -> None:
    """Add an instrument's record to a benchmark's `extra_info`."""
    for key, part in record.items():
        if isinstance(part, Mapping):
            extra_info.setdefault(key, {}).update(part)
        else:
            extra_info[key] = part
