"""Intervals hold the truth as often as they say; order and unit change nothing; a limit fails exactly beyond it."""

from __future__ import annotations

import math
import random
import statistics
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import stdtr

from analysis.comparison.changes import Change, change
from analysis.comparison.gates import Gate, judge, parse_gate
from benchmarks.instruments.energy.figures import relative_u95
from benchmarks.instruments.latency.statistics import medians
from core.statistics.intervals import block_medians, mean_interval, quantile_interval, student_t, welch
from fixtures.dataset.batches import FULL
from tests.support.described import CATALOGUE
from tests.support.timed_cases import Round, dataset, measured, timed_rounds

REPEATS = 2000
#: What 2,000 repeats of 95% scatter by: three standard deviations.
TOLERANCE = 3 * math.sqrt(0.95 * 0.05 / REPEATS)
runs = st.lists(st.floats(0.1, 10), min_size=2, max_size=6)


def latency(before: list[float], after: list[float]) -> Change:
    return change("fp16-eager", CATALOGUE["median_latency_ms"], np.array(before), np.array(after))


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


@given(st.lists(st.integers(0, 100), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_the_interval_of_a_quantile_does_not_depend_on_the_order(values, shuffler):
    shuffled = shuffler.sample(values, len(values))
    for probability in (0.5, 0.95):
        assert quantile_interval(shuffled, probability) == quantile_interval(values, probability)


@pytest.mark.parametrize(("count", "known"), [(71, False), (72, True)])
def test_a_95th_percentile_has_an_interval_from_so_many_rounds_on(count, known):
    # The largest of n values lies above the percentile with 1 - 0.95^n: 97.38% of 71 and 97.51% of 72.
    low, high = quantile_interval(range(1, count + 1), 0.95)
    assert (low is not None) is (high is not None) is known


@pytest.mark.parametrize(
    ("confidence", "degrees_of_freedom", "tabulated"),
    [
        (0.95, 1, 12.706),
        (0.95, 4, 2.776),
        (0.95, 30, 2.042),
        (0.95, math.inf, 1.960),
        (0.90, 1, 6.314),
        (0.90, 4, 2.132),
        (0.90, 10, 1.812),
        (0.90, math.inf, 1.645),
        (0.99, 5, 4.032),
    ],
)
def test_students_t_is_that_of_the_tables(confidence, degrees_of_freedom, tabulated):
    assert student_t(degrees_of_freedom, confidence) == pytest.approx(tabulated, abs=5e-4)


def test_students_t_is_of_95_percent_where_nothing_else_is_asked_for():
    assert student_t(4) == pytest.approx(2.776, abs=5e-4)


@pytest.mark.parametrize(
    ("values", "centre", "half_width"),
    [
        ([7.0], 7, None),
        ([1.0, 3.0], 2, 12.7062),  # a standard deviation of sqrt(2), by sqrt(2)
        ([1.0, 2.0, 3.0], 2, 4.30265 / math.sqrt(3)),
        ([1.0, 2.0, 3.0, 4.0], 2.5, 3.18245 * math.sqrt(5 / 3) / 2),
        ([-0.5, -0.5, -0.5], -0.5, 0),
    ],
)
def test_the_interval_of_a_mean_by_hand(values, centre, half_width):
    found = mean_interval(values)
    assert found == (pytest.approx(centre), None if half_width is None else pytest.approx(half_width, rel=1e-5))


@pytest.mark.parametrize("count", [2, 5])
def test_the_interval_of_a_mean_holds_the_truth(count):
    generator, hits = random.Random(4), 0
    for _ in range(REPEATS):
        mean, half_width = mean_interval([generator.gauss(7.0, 2.0) for _ in range(count)])
        hits += abs(mean - 7.0) <= half_width
    assert abs(hits / REPEATS - 0.95) < TOLERANCE


def test_the_interval_of_a_latency_over_visits_holds_the_truth():
    generator, hits = random.Random(6), 0
    for _ in range(REPEATS):
        visits = [
            SimpleNamespace(full_ms=None, padded_ms=None, median_ms=generator.lognormvariate(1, 0.2)) for _ in range(5)
        ]
        median = medians(visits, {FULL: 1.0})["median_ms"]
        hits += median.low <= math.e <= median.high
    assert abs(hits / REPEATS - 0.95) < TOLERANCE


def test_welch_by_hand():
    # Variances 1 and 4 of 3 and 5 values: shares 1/3 and 4/5, (1/3 + 4/5)^2 / ((1/3)^2 / 2 + (4/5)^2 / 4) = 5.959.
    before, after = np.array([1.0, 2.0, 3.0]), 10 + 2 * np.array([-1.0, -1.0, 0.0, 1.0, 1.0])
    centre, half_width, p_value = welch(before, after)
    assert centre == pytest.approx(8.0)
    assert p_value == pytest.approx(2 * stdtr(5.959, -8 / math.sqrt(1 / 3 + 4 / 5)), rel=1e-3)
    assert half_width == pytest.approx(student_t(5.959) * math.sqrt(1 / 3 + 4 / 5), rel=1e-4)


def test_values_without_spread_have_a_difference_of_no_width():
    assert welch(np.array([1.0, 1.0]), np.array([3.0, 3.0, 3.0])) == (2.0, 0.0, 0.0)
    assert welch(np.array([1.0, 1.0]), np.array([1.0, 1.0])).p_value == 1


def test_welch_is_students_interval_where_both_sides_are_alike():
    # Variances of 2 and two values a side: two degrees of freedom, a standard error of sqrt(2 / 2 + 2 / 2).
    centre, half_width, _ = welch(np.array([1.0, 3.0]), np.array([11.0, 13.0]))
    assert (centre, half_width) == pytest.approx((10, 4.30265 * math.sqrt(2)), rel=1e-5)


def test_a_side_without_spread_leaves_the_others_degrees_of_freedom():
    centre, half_width, _ = welch(np.array([2.0, 2.0, 2.0]), np.array([1.0, 3.0]))
    assert (centre, half_width) == pytest.approx((0, 12.7062), rel=1e-5)


def test_blocks_keep_the_order_of_rounds():
    assert block_medians([float(i) for i in range(100)]) == [4.5 + 10 * block for block in range(10)]
    assert block_medians([3.0, 1.0, 2.0]) == [3.0, 1.0, 2.0]
    assert block_medians([float(i) for i in range(20)]) == [0.5 + 2 * block for block in range(10)]
    assert block_medians([float(i) for i in range(19)]) == [float(i) for i in range(19)]
    assert block_medians([]) == []


def test_blocks_differ_by_one_value_at_most_and_leave_none_out():
    assert block_medians([1.0, 9.0, 2.0, 8.0, 3.0, 5.0, 4.0], 3) == [5.0, 5.0, 4.0]  # of 2, 2 and 3 values
    assert block_medians([1.0, 9.0, 2.0, 8.0, 3.0], 3) == [1.0, 9.0, 2.0, 8.0, 3.0]


@pytest.mark.parametrize(("true", "spreads"), [(1.0, (0.03, 0.03)), (1.1, (0.01, 0.05)), (0.3, (0.002, 0.01))])
def test_the_interval_of_a_change_holds_it_whatever_the_spreads(true, spreads):
    generator, hits = random.Random(2), 0
    for _ in range(REPEATS):
        before = [generator.lognormvariate(0, spreads[0]) for _ in range(5)]
        after = [true * generator.lognormvariate(0, spreads[1]) for _ in range(5)]
        compared = latency(before, after)
        hits += 1 + compared.interval.low_rel <= true <= 1 + compared.interval.high_rel
    assert abs(hits / REPEATS - 0.95) < TOLERANCE + 0.01  # Welch's degrees of freedom are an approximation


@pytest.mark.parametrize(("spread", "count"), [(0.01, 2), (0.05, 5)])
def test_the_uncertainty_of_an_energy_holds_the_mean_over_visits(spread, count):
    generator, true, hits = random.Random(3), 250.0, 0
    for _ in range(REPEATS):
        windows = [true * math.exp(generator.gauss(0, spread)) for _ in range(count)]
        mean = statistics.geometric_mean(windows)
        hits += abs(mean - true) <= mean * relative_u95(windows, [0.0] * count)
    assert abs(hits / REPEATS - 0.95) < TOLERANCE


def test_the_uncertainty_of_an_energy_holds_an_error_of_the_meter_that_no_spread_shows():
    generator, true, hits = random.Random(5), 250.0, 0
    for _ in range(REPEATS):
        shared = generator.gauss(0, 0.02 / math.sqrt(5))
        windows = [true * math.exp(shared + generator.gauss(0, 0.005)) for _ in range(5)]
        mean = statistics.geometric_mean(windows)
        hits += abs(mean - true) <= mean * relative_u95(windows, [0.02] * 5)
    assert 0.95 - TOLERANCE <= hits / REPEATS <= 0.98


@given(runs, runs, st.randoms(use_true_random=False), st.floats(1e-3, 1e6))
def test_neither_the_order_of_runs_nor_the_unit_changes_a_comparison(before, after, shuffler, factor):
    first = latency(before, after)
    for side in (before, after):
        shuffler.shuffle(side)
    second = latency([factor * value for value in before], [factor * value for value in after])
    assert second.change_rel == pytest.approx(first.change_rel, rel=1e-6, abs=1e-9)
    assert (first.interval is None) == (second.interval is None)
    if first.interval is not None:
        assert second.interval[:2] == pytest.approx(first.interval[:2], rel=1e-6, abs=1e-9)


def scaled(visits: list[list[Round]], factor: float) -> list[list[Round]]:
    return [[(factor * duration_s, variant) for duration_s, variant in visit] for visit in visits]


@given(st.lists(timed_rounds, min_size=1, max_size=3), st.floats(1e-3, 1e3), st.integers(1, 4))
def test_latencies_scale_and_rates_with_their_inverse(visits, factor, batch_size):
    data = dataset(1, 3, batch_size)
    one, other = measured(data, *visits), measured(data, *scaled(visits, factor))
    for name, value in one.items():
        if name.endswith("_ms") and value is not None:
            assert other[name] == pytest.approx(np.multiply(factor, value), rel=1e-6, abs=1e-9 * factor)
        if name.endswith("_per_s"):
            assert factor * other[name] == pytest.approx(value, rel=1e-6)
    assert one["noise_rel"] == pytest.approx(other["noise_rel"], abs=1e-9)
    assert one["throughput_samples_per_s"] == pytest.approx(1000 * batch_size / one["mean_ms"])
    lengths_ms = [1000 * duration_s for visit in visits for duration_s, _ in visit]
    for name in ("median_ms", "mean_ms"):
        assert min(lengths_ms) * (1 - 1e-9) <= one[name] <= max(lengths_ms) * (1 + 1e-9)


COLUMNS = [metric.column for metric in CATALOGUE.compared]


@given(st.sampled_from(COLUMNS), st.decimals(0, 1000, places=3))
def test_every_metric_with_a_better_and_a_worse_can_be_limited(column, percent):
    gate = parse_gate(f" {column} :{percent}% ").resolved(CATALOGUE)
    assert gate.metric == column
    assert gate.limit_rel == pytest.approx(float(percent) / 100)


@given(st.floats(0.1, 10), st.floats(0.1, 10), st.floats(0, 2), st.sampled_from(["lower", "higher"]))
def test_what_every_session_finds_fails_a_limit_exactly_where_it_is_worse_by_more(before, after, limit_rel, better):
    metric = replace(CATALOGUE["perplexity"], better=better)
    compared = change("fp16-eager", metric, np.array([before]), np.array([after]))
    worse_by = (after / before - 1) * (1 if better == "lower" else -1)
    if worse_by == pytest.approx(limit_rel, abs=1e-9):
        return  # a hair's breadth either way is rounding
    outcome = judge([compared], [Gate("perplexity", limit_rel)])
    assert (bool(outcome.failed), outcome.undecided) == (worse_by > limit_rel, ())
