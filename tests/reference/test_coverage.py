"""What intervals hold, case by case, over hosts and on CPUs."""

from __future__ import annotations

import pytest

from analysis.uncertainty.coverage import Coverage
from reference.series import CPU_DEFAULT, CPU_PRECISIONS
from reference.variance.cases import by_assumed_floors, longest_minutes, over_hosts, rows_by_case


def host(held: int, pairs: int = 100) -> Coverage:
    return Coverage(held, pairs, 0.1, None)


@pytest.mark.parametrize("series", [CPU_DEFAULT, CPU_PRECISIONS])
def test_what_is_assumed_of_a_cpu_holds_latencies_and_speedups(series):
    found = by_assumed_floors(series)
    shares = {key: one.share for key, one in found.items() if key[1] in ("latency", "speedup")}
    assert len(shares) == (2 if series == CPU_DEFAULT else 4)
    assert min(shares.values()) >= 0.93


def test_the_interval_over_hosts_is_that_of_hosts_that_are_drawn():
    assert over_hosts([host(95), host(95), host(95)]) == (0.95, 0.95)
    low, high = over_hosts([host(100), host(100), host(100), host(60)])
    assert (low, high) == (0.7, 1.0)  # three of four draws, in 5.1% of 10,000; and none, in 32%
    low, high = over_hosts([host(30, 30), host(0, 90)])
    assert (low, high) == (0.0, 1.0)


@pytest.mark.slow
def test_each_case_has_a_row_with_its_worst_host():
    rows = rows_by_case().set_index(["figure", "graph"])
    assert len(rows) == 10
    assert rows.loc[("latency", "fp16"), "worst host"] == "62% (h100_9c937667)"
    assert rows.loc[("latency", "fp32"), "95% interval over hosts"] == "100% to 100%"


def test_sessions_of_a_host_were_near_to_each_other():
    assert longest_minutes() == 19
