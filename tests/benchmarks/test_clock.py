"""The time of day may step back or ahead while a run goes on: figures come from a clock that does not."""

from __future__ import annotations

import itertools
import time

import pytest

HOUR_S = 3600.0


@pytest.fixture
def stepping_clock(monkeypatch):
    """A time of day that is an hour ahead or back at every look."""
    steps = itertools.cycle((0.0, HOUR_S, -HOUR_S))
    time_of_day = time.time
    monkeypatch.setattr(time, "time", lambda: time_of_day() + next(steps))
    monkeypatch.setattr(time, "time_ns", lambda: int(1e9 * time.time()))


@pytest.mark.usefixtures("stepping_clock")
def test_a_clock_that_steps_changes_no_figure(run_suite, saved_run):
    started_s = time.perf_counter()
    assert run_suite("--benchmark-autosave", "--precisions=fp32").ret == 0
    elapsed_s = time.perf_counter() - started_s
    (benchmark,) = saved_run()["benchmarks"]
    assert 0 < benchmark["stats"]["min"] <= benchmark["stats"]["max"] < elapsed_s
    info = benchmark["extra_info"]
    assert 0 < info["latency"]["median_ms"] < 1000 * elapsed_s
    spent = [seconds for seconds in info["seconds"].values() if seconds is not None]  # nothing was compiled
    assert all(seconds >= 0 for seconds in spent)
    assert sum(spent) < elapsed_s
    first, second = info["visits"]
    assert 0 < first["started_s"] < second["started_s"] < elapsed_s
    for visit in (first, second):
        assert 0 < visit["median_ms"] < 1000 * elapsed_s
        assert 0 < visit["loop_ms"] < 1000 * elapsed_s
        assert 0 <= visit["gap_share"] < 1
