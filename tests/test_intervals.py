"""Intervals hold the truth as often as they say; order and unit change nothing; a limit fails exactly beyond it."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.comparison.changes import Change, change
from analysis.comparison.gates import Gate, failures, parse_gate
from analysis.intervals import (
    effective_sample_size,
    median_interval_ratio,
    quantile_interval,
    student_t,
    welch,
)
from analysis.metrics import first_edition
from benchmarks.instruments.energy.figures import SLOW_REL_SD, relative_u95
from benchmarks.instruments.latency.statistics import latency_statistics

REPEATS = 2000
#: What 2,000 repeats of 95% scatter by: three standard deviations.
TOLERANCE = 3 * math.sqrt(0.95 * 0.05 / REPEATS)
runs = st.lists(st.floats(0.1, 10), min_size=2, max_size=6)
seconds = st.lists(st.floats(1e-6, 10), min_size=1, max_size=30)


def latency(before: list[float], after: list[float]) -> Change:
    return change("fp16-eager", "median_latency_ms", "lower", np.array(before), np.array(after))


@pytest.mark.parametrize("count", [6, 7, 20, 64, 100, 299, 1000])
def test_the_ranks_of_a_median_hold_it_with_95_percent_and_the_next_narrower_ones_do_not(count):
    low, high = quantile_interval(list(range(1, count + 1)), 0.5)

    def coverage(lower: int, upper: int) -> float:
        # The true median lies between these ranks where so many of `count` fair coins show heads.
        return sum(math.comb(count, heads) for heads in range(lower, upper)) / 2**count

    assert coverage(low, high) >= 0.95
    assert coverage(low + 1, high - 1) < 0.95


def test_the_interval_of_a_median_of_skewed_rounds_holds_it():
    generator, true, hits = random.Random(1), math.log(2), 0
    for _ in range(REPEATS):
        low, high = quantile_interval(sorted(generator.expovariate(1) for _ in range(64)), 0.5)
        hits += low <= true <= high
    assert hits / REPEATS >= 0.95 - TOLERANCE


def test_the_interval_of_a_median_of_100_is_ranks_40_to_61():
    # The classic table: for n = 100 the ranks 40 and 61 give 96.5%, 41 and 60 only 94.3%.
    assert quantile_interval(list(range(1, 101)), 0.5) == (40, 61)


def test_five_rounds_are_too_few_for_the_interval_of_a_median_and_six_are_enough():
    assert quantile_interval([1, 2, 3, 4, 5], 0.5) == (None, None)  # 1 - 2 / 2**5 = 93.8%
    assert quantile_interval([1, 2, 3, 4, 5, 6], 0.5) == (1, 6)  # 1 - 2 / 2**6 = 96.9%


@pytest.mark.parametrize(("probability", "true"), [(0.5, 0.5), (0.95, 0.95)])
def test_the_interval_covers_the_true_quantile_95_times_in_100(probability, true):
    generator = random.Random(3)
    hits = 0
    for _ in range(1000):
        low, high = quantile_interval(sorted(generator.random() for _ in range(120)), probability)
        hits += low <= true <= high
    assert 935 <= hits <= 1000


def test_the_interval_of_a_median_reaches_as_far_as_its_farther_end():
    values = [0.9] * 40 + [1.0] * 20 + [1.3] * 40
    assert median_interval_ratio(values) == pytest.approx(0.3)
    assert median_interval_ratio(values[::-1]) == pytest.approx(0.3)
    assert median_interval_ratio([1.0] * 5) is None


def test_students_t_is_that_of_the_tables():
    for degrees_of_freedom, tabulated in ((1, 12.706), (4, 2.776), (30, 2.042), (math.inf, 1.960)):
        assert student_t(degrees_of_freedom) == pytest.approx(tabulated, abs=5e-4)


def test_welch_by_hand():
    # Variances 1 and 4 of 3 and 5 values: shares 1/3 and 4/5, (1/3 + 4/5)^2 / ((1/3)^2 / 2 + (4/5)^2 / 4) = 5.959.
    before, after = np.array([1.0, 2.0, 3.0]), 10 + 2 * np.array([-1.0, -1.0, 0.0, 1.0, 1.0])
    centre, half_width = welch(before, after)
    assert centre == pytest.approx(8.0)
    assert half_width == pytest.approx(student_t(5.959) * math.sqrt(1 / 3 + 4 / 5), rel=1e-4)
    assert welch(before, after, (3, 5)) == welch(before, after)
    assert welch(before, after, (1.5, 2.5)).half_width > math.sqrt(2) * half_width
    # Worth 1.5 values each: shares 1 / 1.5 and 4 / 1.5 of 5 / 1.5, and one degree of freedom at least on either side.
    _, half_width = welch(before, after, (1.5, 1.5))
    assert half_width == pytest.approx(student_t(1 / (0.2**2 + 0.8**2)) * math.sqrt(5 / 1.5))


def test_values_without_spread_have_a_difference_of_no_width():
    assert welch(np.array([1.0, 1.0]), np.array([3.0, 3.0, 3.0])) == (2.0, 0.0)


def test_a_series_that_repeats_its_neighbours_is_worth_fewer_values():
    alternating = [0.0, 1.0] * 20
    assert effective_sample_size(alternating) == 40  # a negative correlation counts as none
    assert effective_sample_size([2.0] * 7) == 7
    # r of 0, 0, 1, 1: (0.25 - 0.25 + 0.25) / 1 = 0.25, raised by 1/4 to 0.5: 4 x 0.5 / 1.5.
    assert effective_sample_size([0.0, 0.0, 1.0, 1.0]) == pytest.approx(4 / 3)
    assert effective_sample_size([float(i // 500) for i in range(1000)]) == pytest.approx(1000 * 0.05 / 1.95)


@pytest.mark.parametrize(("true", "spreads"), [(1.0, (0.03, 0.03)), (1.1, (0.01, 0.05)), (0.3, (0.002, 0.01))])
def test_the_interval_of_a_change_holds_it_whatever_the_spreads(true, spreads):
    generator, hits = random.Random(2), 0
    for _ in range(REPEATS):
        before = [generator.lognormvariate(0, spreads[0]) for _ in range(5)]
        after = [true * generator.lognormvariate(0, spreads[1]) for _ in range(5)]
        compared = latency(before, after)
        hits += 1 + compared.ci95_low <= true <= 1 + compared.ci95_high
    assert abs(hits / REPEATS - 0.95) < TOLERANCE + 0.01  # Welch's degrees of freedom are an approximation


def test_the_uncertainty_of_an_energy_holds_the_truth():
    generator, true, hits = random.Random(3), 250.0, 0
    for _ in range(REPEATS):
        mood = generator.gauss(0, SLOW_REL_SD)
        windows = [true * (1 + mood + generator.gauss(0, 0.01)) for _ in range(6)]
        mean = sum(windows) / len(windows)
        hits += abs(mean - true) <= mean * relative_u95(windows, [0.0] * 6)
    assert hits / REPEATS >= 0.95 - TOLERANCE


@given(runs, runs, st.randoms(use_true_random=False), st.floats(1e-3, 1e6))
def test_neither_the_order_of_runs_nor_the_unit_changes_a_comparison(before, after, shuffler, factor):
    first = latency(before, after)
    for side in (before, after):
        shuffler.shuffle(side)
    second = latency([factor * value for value in before], [factor * value for value in after])
    for name in ("change_rel", "ci95_low", "ci95_high", "noise_floor_rel"):
        assert getattr(second, name) == pytest.approx(getattr(first, name), rel=1e-6, abs=1e-9)


@given(seconds, st.floats(1e-3, 1e3), st.integers(1, 64))
def test_latencies_scale_and_rates_with_their_inverse(durations_s, factor, batch_size):
    one = latency_statistics(durations_s, batch_size, 100)
    other = latency_statistics([factor * duration_s for duration_s in durations_s], batch_size, 100)
    for name, value in one.items():
        if name.endswith("_ms") and value is not None:
            assert other[name] == pytest.approx(factor * value, rel=1e-6, abs=1e-9 * factor)
        if name.endswith("_per_s"):
            assert factor * other[name] == pytest.approx(value, rel=1e-6)
    assert one["median_ms"] <= 1000 * max(durations_s)
    assert one["throughput_samples_per_s"] == pytest.approx(batch_size * len(durations_s) / sum(durations_s))


COLUMNS = [metric.column for metric in first_edition().compared]


@given(st.sampled_from(COLUMNS), st.decimals(0, 1000, places=3))
def test_every_metric_with_a_better_and_a_worse_can_be_limited(column, percent):
    gate = parse_gate(f" {column} :{percent}% ").resolved(first_edition())
    assert gate.metric == column
    assert gate.limit_rel == pytest.approx(float(percent) / 100)


@given(st.floats(0.1, 10), st.floats(0.1, 10), st.floats(0, 2), st.sampled_from(["lower", "higher"]))
def test_a_single_run_fails_a_limit_exactly_where_it_is_worse_by_more(before, after, limit_rel, better):
    compared = change("fp16-eager", "x", better, np.array([before]), np.array([after]))
    worse_by = (after / before - 1) * (1 if better == "lower" else -1)
    if worse_by == pytest.approx(limit_rel, abs=1e-9):
        return  # a hair's breadth either way is rounding
    assert bool(failures([compared], [Gate("x", limit_rel)])) == (worse_by > limit_rel)
