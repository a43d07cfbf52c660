"""What every instrument is: something that measures one thing of a benchmark, at three moments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.policies import Policies
    from benchmarks.run import BenchmarkRun

#: Parts of a benchmark's `extra_info` by their keys. A part that is a mapping joins what is there under its key.
Record = Mapping[str, Any]


class Instrument:
    """Measures one thing of a benchmark and returns it as a record.

    One object serves a whole session and may keep what holds for several benchmarks. All three methods are called in
    the precision's context; an instrument overrides those it needs. An instrument knows no pytest: it raises where a
    benchmark must fail.
    """

    def __init__(self, policies: Policies) -> None:
        self.policies = policies

    def starting(self, run: BenchmarkRun) -> Record:
        """Called when model and data are on the device, before anything is captured, compiled or run."""
        return {}

    def prepared(self, run: BenchmarkRun) -> None:
        """Called after the first forward, directly before the warm-up rounds."""

    def measure(self, run: BenchmarkRun) -> Record:
        """Called after the timed rounds, whose seconds are `run.durations_s`."""
        return {}
