"""When timing starts and stops, on rounds whose lengths the test decides."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.intervals import block_medians
from analysis.validity import Drift, drift
from benchmarks.instruments.latency.noise import noise
from benchmarks.instruments.latency.statistics import latency_statistics
from benchmarks.policies import TimingPolicy
from benchmarks.steady_state import converged, enough_rounds, warm_up

POLICY = TimingPolicy()


def rounds(*lengths_s: float):
    """Rounds of these lengths, the last repeated for ever."""
    return itertools.chain(lengths_s, itertools.repeat(lengths_s[-1])).__next__


def test_warm_up_ends_when_two_blocks_agree():
    found = warm_up(rounds(0.1, 0.075, 0.025), 3, lambda: None, POLICY)
    # Blocks of five rounds: the first has a median of 0.025, and so has the second.
    assert (found.rounds, found.steady) == (10, True)


def test_warm_up_goes_on_while_the_rounds_get_faster():
    falling = iter([0.05 * 0.9**i for i in range(60)])
    found = warm_up(lambda: next(falling, 0.05 * 0.9**60), 1, lambda: None, POLICY)
    assert found.rounds > 10


def test_warm_up_goes_on_while_the_clock_rises():
    clocks = iter([900, 1500, 1980, 1980])
    found = warm_up(rounds(0.02), 1, lambda: next(clocks), POLICY)
    assert (found.rounds, found.steady) == (20, True)


def test_warm_up_never_ends_before_the_minimum_and_never_outlasts_its_cap():
    assert warm_up(rounds(0.05), 33, lambda: None, POLICY).rounds >= 33
    generator = random.Random(1)
    found = warm_up(lambda: generator.uniform(0.01, 0.1), 1, lambda: None, POLICY)
    assert found.steady is False or found.rounds < 200
    wild = itertools.cycle([0.05] * 5 + [0.1] * 5)
    capped = warm_up(lambda: next(wild), 1, lambda: None, POLICY)
    assert capped.steady is False
    assert capped.rounds * 0.05 <= POLICY.warm_up_cap_s + 0.5


def test_warm_up_stops_at_its_cap_and_not_a_round_later():
    found = warm_up(rounds(0.25), 1, lambda: None, POLICY)  # 0.5 s are over after the second
    assert (found.rounds, found.steady) == (2, False)
    assert warm_up(rounds(0.25), 3, lambda: None, POLICY).rounds == 3


def test_equal_rounds_converge_and_scattered_ones_do_not():
    assert converged([0.01] * 10)
    assert not converged([0.01] * 5)  # too few for an interval
    assert not converged([0.01, 0.02] * 50)


def test_rounds_stop_when_converged_after_the_shortest_time_or_at_the_cap():
    assert not enough_rounds([0.01] * 90, POLICY)  # converged, but 0.9 s is too short
    assert enough_rounds([0.01] * 110, POLICY)
    assert not enough_rounds([0.01, 0.02] * 37, POLICY)  # 1.11 s and not converged
    assert enough_rounds([0.01, 0.02] * 41, POLICY)  # 1.23 s: the cap


@pytest.mark.parametrize(("count", "known"), [(298, False), (299, True)])
def test_a_99th_percentile_needs_299_rounds(count, known):
    found = latency_statistics([0.001] * count, 1, 1)
    assert (found["p99_ms"] is not None) is known
    assert (found["p99_reason"] is None) is known


def test_blocks_keep_the_order_of_rounds():
    assert block_medians([float(i) for i in range(100)]) == [4.5 + 10 * block for block in range(10)]
    assert block_medians([3.0, 1.0, 2.0]) == [3.0, 1.0, 2.0]
    assert block_medians([float(i) for i in range(20)]) == [0.5 + 2 * block for block in range(10)]
    assert block_medians([float(i) for i in range(19)]) == [float(i) for i in range(19)]


def test_the_series_for_the_eye_is_in_milliseconds_and_in_order():
    assert noise([0.003, 0.001, 0.002])["series_ms"] == [3.0, 1.0, 2.0]
    assert noise([0.001 * (i // 10) for i in range(2000)])["series_ms"] == pytest.approx(list(range(200)))


def test_noise_sees_slow_waves_and_outliers():
    wave = [1.0] * 50 + [1.1] * 50
    assert noise(wave)["noise_rel"] == pytest.approx(0.0502, abs=0.001)
    steady = [1.0 + 0.001 * (i % 3) for i in range(99)] + [9.0]
    assert noise(steady)["noise_rel"] < 0.001
    assert noise(steady)["outlier_share"] == 0.01
    assert noise([1.0])["noise_rel"] is None
    assert noise([0.002 + 0.0001 * (i % 3) for i in range(99)] + [0.02])["outlier_share"] == 0.01


def test_a_machine_that_slows_down_has_drifted_and_a_steady_one_has_not():
    generator = random.Random(5)
    first = [generator.gauss(1, 0.01) for _ in range(200)]
    slower = [generator.gauss(1.1, 0.01) for _ in range(40)]
    change = drift("fp32-eager", first, slower)
    assert change.is_drift
    assert change.change_rel == pytest.approx(0.1, abs=0.01)
    assert drift("fp32-eager", [1.0], [1.0]) is None
    assert drift("x", [1.0] * 40, [1.0] * 40).is_drift is False
    assert drift("x", [1.0] * 40, [1.5] * 40).is_drift is True


def test_a_change_too_small_to_matter_is_no_drift_however_certain():
    assert drift("x", [1.0] * 40, [1.019] * 40).is_drift is False
    assert drift("x", [1.0] * 40, [1.021] * 40).is_drift is True


def test_the_interval_of_a_change_is_in_the_unit_of_the_change():
    change = drift("x", [1.0, 1.1] * 5, [2.0, 2.2] * 5)
    assert change.change_rel == pytest.approx(1.0)
    assert change.low_rel < 1.0 < change.high_rel
    # Symmetric for the ratio of times, not for its difference from 1.
    assert (1 + change.low_rel) * (1 + change.high_rel) == pytest.approx(4.0)


def test_a_drift_is_one_where_its_interval_lies_wholly_beyond_2_percent():
    assert Drift("x", 0.03, 0.0201, 0.04).is_drift
    assert not Drift("x", 0.03, 0.02, 0.04).is_drift
    assert Drift("x", -0.03, -0.04, -0.0201).is_drift
    assert not Drift("x", -0.03, -0.04, -0.02).is_drift


def wandering(generator: random.Random, count: int, correlation: float) -> list[float]:
    """Rounds that resemble their neighbours, with a standard deviation of 10%."""
    state, found = generator.gauss(0, 1), []
    for _ in range(count):
        state = correlation * state + (1 - correlation**2) ** 0.5 * generator.gauss(0, 1)
        found.append(1 + 0.1 * state)
    return found


@pytest.mark.parametrize(("correlation", "most"), [(0.0, 0.05), (0.8, 0.06), (0.95, 0.10)])
def test_drift_has_a_low_false_positive_rate_even_where_neighbouring_rounds_resemble_each_other(correlation, most):
    generator = random.Random(7)
    alarms = [
        drift("x", wandering(generator, 400, correlation), wandering(generator, 400, correlation)).is_drift
        for _ in range(300)
    ]
    assert sum(alarms) / len(alarms) <= most


@given(st.lists(st.floats(1e-4, 10), min_size=2, max_size=80), st.floats(0.01, 100))
def test_noise_does_not_depend_on_the_unit(values, factor):
    assert noise([value * factor for value in values])["noise_rel"] == pytest.approx(
        noise(values)["noise_rel"], abs=1e-9
    )
