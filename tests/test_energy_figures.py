"""From windows to energy per sample, by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.instruments.energy.figures import drift, figures, power_series, relative_u95
from benchmarks.instruments.energy.metered_loop import Window, forwards_between
from benchmarks.instruments.energy.meters import Reading

#: What stands for the machine's slow moods in every interval.
SLOW_U95 = 1.96 * 0.003


def test_forwards_cut_by_an_end_count_by_their_share():
    completions = [0.0, 1.0, 2.0, 4.0]
    # Half of the first forward, the whole second, half of the third.
    assert forwards_between(completions, 0.5, 3.0) == pytest.approx(2.0)
    assert forwards_between(completions, 0.0, 4.0) == pytest.approx(3.0)
    assert forwards_between(completions, 2.0, 2.5) == pytest.approx(0.25)


@given(
    lengths=st.lists(st.floats(0.001, 1), min_size=2, max_size=50),
    shares=st.lists(st.floats(0, 1), min_size=3, max_size=3),
)
def test_forwards_of_adjoining_windows_add_up(lengths, shares):
    completions = [sum(lengths[:i]) for i in range(len(lengths) + 1)]
    a, b, c = sorted(share * completions[-1] for share in shares)
    whole = forwards_between(completions, a, c)
    assert forwards_between(completions, a, b) + forwards_between(completions, b, c) == pytest.approx(whole, abs=1e-6)


def window(energy_mj: float, forwards: float, seconds: float = 1.0) -> Window:
    return Window(Reading(0.0, seconds, energy_mj, 10, 0.0), forwards)


def idle(power_w: float) -> Reading:
    return Reading(0.0, 1.0, 1000 * power_w, 10, 0.0)


def test_figures_by_hand():
    windows = [window(200_000, 100), window(202_000, 100), window(198_000, 100), window(200_000, 100)]
    found = figures(windows, (idle(100), idle(100)), samples_per_forward=1, tokens_per_forward=50)
    assert found["energy_per_sample_mj"] == pytest.approx(2000)
    assert found["mean_power_w"] == pytest.approx(200)
    assert found["energy_per_sample_net_mj"] == pytest.approx(1000)
    assert found["samples_per_joule"] == pytest.approx(0.5)
    assert found["tokens_per_joule"] == pytest.approx(25)
    assert found["energy_delay_product_mj_ms"] == pytest.approx(2000 * 10)
    deviation = math.sqrt(8 / 3) / 200  # of 200, 202, 198, 200
    assert found["rel_u95"] == pytest.approx(math.hypot(3.18245 * deviation / 2, SLOW_U95), rel=1e-4)


def test_power_that_is_hardly_above_idle_has_no_net_energy():
    windows = [window(200_000, 100), window(206_000, 100), window(194_000, 100)]
    found = figures(windows, (idle(190), idle(192)), 1, 50)
    assert found["energy_per_sample_net_mj"] is None
    assert "not clearly above the idle power" in found["net_reason"]


def test_half_the_difference_of_idle_before_and_after_stands_for_its_error():
    windows = [window(200_000, 100)] * 3  # 200 W, without any spread
    assert figures(windows, (idle(198.0), idle(199.0)), 1, 50)["energy_per_sample_net_mj"] is None  # 1.5 W, 3 x 0.5 W
    assert figures(windows, (idle(197.9), idle(198.9)), 1, 50)["energy_per_sample_net_mj"] == pytest.approx(16)


def test_power_over_time_is_at_the_middle_of_each_reading():
    readings = [Reading(5.0, 5.5, 50_000, 5, 0.0), Reading(6.0, 7.0, 250_000, 10, 0.0)]
    assert power_series(readings) == [(0.25, 100.0), (1.5, 250.0)]


def test_resolution_adds_to_the_spread_as_errors_do():
    assert relative_u95([5.0] * 4, [0.01] * 4) == pytest.approx(math.hypot(1.96 * 0.01 / 2, SLOW_U95))
    spread = relative_u95([4.9, 5.1, 5.0, 5.0], [0.0] * 4)
    assert relative_u95([4.9, 5.1, 5.0, 5.0], [0.01] * 4) == pytest.approx(math.hypot(spread, 0.0098))


def test_drift_is_the_rise_of_a_line_through_the_windows():
    assert drift([1.0, 1.01, 1.02, 1.03]) == pytest.approx((0.03 / 1.015, 0), abs=1e-9)
    assert drift([2.0, 2.0, 2.0]) == (0, 0)
    assert drift([2.0, 2.2]) == (pytest.approx(0.2 / 2.1), math.inf)
    # Residuals 1, -2, 1 of the line 1, 2, 3: the slope's standard error is sqrt(6 / 1 / 2), times t(1, .975) and 2 / 2.
    assert drift([2.0, 0.0, 4.0]) == pytest.approx((1.0, 12.7062 * math.sqrt(3)), rel=1e-4)
