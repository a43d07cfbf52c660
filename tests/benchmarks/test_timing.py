"""Latency figures against numbers worked out by hand."""

from __future__ import annotations

import math
import statistics
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.instruments.latency.noise import outlier_share
from benchmarks.instruments.latency.statistics import Latency, LatencyRecord, medians, rounds_statistics, weighted
from benchmarks.policies import Policies
from fixtures.dataset.batches import FULL, PADDED
from tests.support.timed_cases import Round, dataset, latency_of, measured, timed_rounds
from tests.support.written import written

durations = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=60)


def of_ms(variant: str, *lengths_ms: float) -> list[Round]:
    return [(length / 1000, variant) for length in lengths_ms]


#: Medians of 3 and 11 ms, means of 4 and 12 ms.
VISIT = [*of_ms(FULL, 2, 7, 3), *of_ms(PADDED, 8, 18, 10, 12)]


def test_a_visits_median_and_mean_weight_the_variants_by_their_share_of_the_dataset():
    (visit,) = latency_of(dataset(full=1, padded=3), VISIT, disturbed=2).visits
    visit = visit.latency.as_json()
    assert visit == {
        "full_ms": pytest.approx(3),
        "padded_ms": pytest.approx(11),
        "median_ms": pytest.approx(3 / 4 + 3 * 11 / 4),
        "fast_ms": None,  # of so few rounds
        "mean_ms": pytest.approx(4 / 4 + 3 * 12 / 4),
        "rounds": 7,
        "full_rounds": 3,
        "disturbed_rounds": 2,
        "warmup_rounds": 3,
        "warmup_steady": True,
    }


def test_how_many_rounds_of_a_variant_ran_does_not_weigh():
    data = dataset(full=1, padded=3)
    few, many = of_ms(FULL, 3) + of_ms(PADDED, 11), of_ms(FULL, *[3] * 40) + of_ms(PADDED, 11)
    assert measured(data, few)["median_ms"] == measured(data, many)["median_ms"] == pytest.approx(9)
    assert measured(data, few)["mean_ms"] == pytest.approx(measured(data, many)["mean_ms"])
    assert measured(data, few)["full_share"] == 0.25


def test_a_variant_that_was_not_timed_has_no_weight_and_a_reason():
    assert weighted({FULL: 3.0, PADDED: 11.0}, {FULL: 0.25, PADDED: 0.75}) == pytest.approx(9)
    assert weighted({FULL: None, PADDED: 11.0}, {FULL: 0.25, PADDED: 0.75}) == pytest.approx(11)
    assert weighted({FULL: 3.0, PADDED: None}, {FULL: 1.0}) == pytest.approx(3)


@pytest.mark.parametrize(
    ("full", "padded", "timed", "figures"),
    [
        (1, 1, of_ms(PADDED, 8, 10), (9, None, 9, 0.5, "no full batch was timed")),
        (1, 1, of_ms(FULL, 8, 10), (9, 9, None, 0.5, "no padded batch was timed")),
        (0, 2, of_ms(PADDED, 8, 10), (9, None, 9, 0, "no full batch was timed")),
        (2, 0, of_ms(FULL, 8, 10), (9, 9, None, 1, "no padded batch was timed")),
        (1, 1, of_ms(FULL, 8) + of_ms(PADDED, 10), (9, 8, 10, 0.5, None)),
    ],
)
def test_a_missing_variant_is_null_with_a_reason(full, padded, timed, figures):
    found = measured(dataset(full, padded), timed)
    names = ("median_ms", "full_median_ms", "padded_median_ms", "full_share", "variant_reason")
    expected = [pytest.approx(value) if isinstance(value, (int, float)) else value for value in figures]
    assert [found[name] for name in names] == expected
    (visit,) = latency_of(dataset(full, padded), timed).visits
    assert (visit.latency.full_ms, visit.latency.padded_ms) == tuple(expected[1:3])


def test_a_variant_that_only_some_visits_timed_is_the_mean_of_those():
    both, padded = of_ms(FULL, 4) + of_ms(PADDED, 16), of_ms(PADDED, 25)
    found = measured(dataset(1, 1), both, padded)
    assert found["full_median_ms"] == pytest.approx(4)
    assert found["padded_median_ms"] == pytest.approx(20)  # sqrt(16 x 25)
    assert found["variant_reason"] is None


def test_medians_over_visits_by_hand():
    # Logarithms ln 8, ln 10, ln 12.5: ln 1.25 = 0.22314 apart, which is their standard deviation too. Student's t of
    # two degrees of freedom is 4.30265: 4.30265 x 0.22314 / sqrt(3) = 0.55432 to either side.
    found = measured(dataset(1, 0), *(of_ms(FULL, 1, median, 99) for median in (12.5, 8, 10)))
    assert found["median_ms"] == pytest.approx(10)
    assert found["full_median_ms"] == pytest.approx(10)
    assert found["ci95_low_ms"] == pytest.approx(10 * math.exp(-0.55432), rel=1e-4)
    assert found["ci95_high_ms"] == pytest.approx(10 * math.exp(0.55432), rel=1e-4)
    assert found["noise_rel"] == pytest.approx(0.22314, rel=1e-4)
    assert (found["ci95_reason"], found["noise_reason"], found["converged"]) == (None, None, False)


def test_medians_over_visits_are_geometric_means_of_each_variant_and_of_the_weighted_medians():
    visits = [of_ms(FULL, 2) + of_ms(PADDED, 4), of_ms(FULL, 8) + of_ms(PADDED, 16)]
    found = measured(dataset(1, 1), *visits)
    assert found["full_median_ms"] == pytest.approx(4)
    assert found["padded_median_ms"] == pytest.approx(8)
    assert found["median_ms"] == pytest.approx(6)  # sqrt(3 x 12)


def test_one_visit_has_no_interval_however_many_rounds_it_had():
    found = measured(dataset(1, 0), of_ms(FULL, *[2] * 400))
    assert found["median_ms"] == pytest.approx(2)
    assert (found["ci95_low_ms"], found["ci95_high_ms"], found["noise_rel"]) == (None, None, None)
    assert found["ci95_reason"] == found["noise_reason"] == "one visit has no spread"
    assert found["converged"] is False


@pytest.mark.parametrize(("spread", "converged"), [(0.0, True), (0.0040, True), (0.0041, False), (0.3, False)])
def test_a_median_has_converged_where_its_interval_is_within_1_percent(spread, converged):
    # Three visits: 4.30265 / sqrt(3) x 0.0040055 = ln 1.01.
    visits = [
        SimpleNamespace(full_ms=5.0, padded_ms=None, median_ms=5 * math.exp(power * spread)) for power in (-1, 0, 1)
    ]
    assert medians(visits, {FULL: 1.0})["converged"] is converged


def test_throughput_is_of_the_weighted_mean_time():
    data = dataset(full=1, padded=3, batch_size=2)
    found = measured(data, VISIT[:4], VISIT[4:])  # the second visit timed padded rounds alone
    assert found["mean_ms"] == pytest.approx(10)
    assert found["throughput_samples_per_s"] == pytest.approx(200)
    # Two rows of four tokens in one batch, two rows of three in three of them.
    assert found["tokens_per_s"] == pytest.approx((8 + 3 * 6) / 4 / 0.010)


def test_warm_up_of_all_visits_is_told():
    found = measured(dataset(1, 0), *[of_ms(FULL, 1)] * 4)
    assert (found["warmup_rounds"], found["warmup_steady"], found["rounds"]) == (12, True, 4)
    assert measured(dataset(1, 0), *[of_ms(FULL, 1)] * 2, steady=False)["warmup_steady"] is False


def test_statistics_of_four_rounds():
    found = written(LatencyRecord, rounds_statistics([0.004, 0.001, 0.002, 0.003]))
    assert found["std_ms"] == pytest.approx((5 / 3) ** 0.5)
    assert found["p95_ms"] == pytest.approx(3.85)
    assert (found["p95_ci95_low_ms"], found["p95_ci95_high_ms"]) == (None, None)
    assert (found["rounds"], found["std_reason"]) == (4, None)


def test_one_round_has_no_spread():
    found = written(LatencyRecord, rounds_statistics([0.002]))
    assert found["p95_ms"] == pytest.approx(2)
    assert found["std_ms"] is None
    assert found["std_reason"] == "fewer than 2 rounds"


@pytest.mark.parametrize(("count", "known"), [(298, False), (299, True)])
def test_a_99th_percentile_needs_299_rounds(count, known):
    found = written(LatencyRecord, rounds_statistics([0.001] * count))
    assert found["p95_ms"] == pytest.approx(1)
    assert found["p99_ms"] == (pytest.approx(1) if known else None)
    assert found["p99_reason"] == (None if known else "298 rounds; a 99th percentile needs 299")
    assert (found["p99_ci95_low_ms"], found["p99_ci95_high_ms"]) == (None, None)  # 299 are too few for its interval


def test_each_quantile_has_its_own_interval():
    found = written(LatencyRecord, rounds_statistics([0.001 * number for number in range(1, 1001)]))
    for quantile, centre in (("p95", 950), ("p99", 990)):
        low, high = found[f"{quantile}_ci95_low_ms"], found[f"{quantile}_ci95_high_ms"]
        assert centre - 25 < low < centre < high < centre + 25


# p99 needs 299 rounds.
@settings(suppress_health_check=[*settings.default.suppress_health_check, HealthCheck.large_base_example])
@given(st.lists(st.floats(1e-6, 1e3), min_size=299, max_size=320))
def test_quantiles_agree_with_the_standard_library(values):
    found = measured(dataset(1, 0), [(value, FULL) for value in values])
    percentiles = statistics.quantiles([1000 * value for value in values], n=100, method="inclusive")
    assert found["median_ms"] == pytest.approx(percentiles[49])
    assert found["p95_ms"] == pytest.approx(percentiles[94])
    assert found["p99_ms"] == pytest.approx(percentiles[98])


@given(st.lists(timed_rounds, min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_neither_the_order_of_rounds_in_a_visit_nor_that_of_visits_matters(visits, shuffler):
    shuffled = [shuffler.sample(visit, len(visit)) for visit in shuffler.sample(visits, len(visits))]
    first, second = (measured(dataset(1, 2), *some) for some in (visits, shuffled))
    assert sorted(first.pop("series_ms")) == sorted(second.pop("series_ms"))  # up to 200 rounds are shown one by one
    assert first.pop("noise_rel") == pytest.approx(second.pop("noise_rel"), abs=1e-9)
    assert first == pytest.approx(second)


def test_the_series_for_the_eye_is_in_milliseconds_and_in_the_order_of_the_visits():
    run = latency_of(dataset(1, 0), of_ms(FULL, 3, 1), of_ms(FULL, 2))
    assert Latency(Policies()).measure(run).as_json()["series_ms"] == pytest.approx([3, 1, 2])
    run.visits.reverse()
    assert Latency(Policies()).measure(run).as_json()["series_ms"] == pytest.approx([3, 1, 2])
    many = measured(dataset(1, 0), of_ms(FULL, *(1 + number // 10 for number in range(2000))))
    assert many["series_ms"] == pytest.approx(list(range(1, 201)))


def repeated(variant: str, centre: float, count: int) -> list[Round]:
    """Rounds that scatter by a thousandth."""
    return [(centre * (1 + 0.001 * (number % 3)), variant) for number in range(count)]


@pytest.mark.parametrize(
    ("rounds", "share"),
    [
        (repeated(FULL, 1, 100), 0.0),
        ([*repeated(FULL, 1, 99), (9.0, FULL)], 0.01),
        ([*repeated(FULL, 1, 99), (0.1, FULL)], 0.01),
        (repeated(FULL, 1, 90) + repeated(PADDED, 2, 10), 0.0),  # rare, and as their variant is
        (repeated(FULL, 1, 50) + repeated(PADDED, 2, 49) + [(1.0, PADDED)], 0.01),  # ordinary for the other variant
        ([*repeated(FULL, 1, 98), (2.0, FULL), (1.0, PADDED)], 0.01),
        ([(1.0, FULL)], 0.0),
    ],
)
def test_outliers_lie_far_from_the_rounds_of_their_variant(rounds, share):
    assert outlier_share(*zip(*rounds, strict=True)) == pytest.approx(share)


@pytest.mark.parametrize(("length", "outliers"), [(1.0741, 0), (1.0742, 1), (0.9259, 0), (0.9258, 1)])
def test_an_outlier_is_farther_than_five_robust_standard_deviations(length, outliers):
    # The median is 1, and half of all lie within 0.01 of it: 5 x 1.4826 x 0.01 = 0.07413.
    lengths = [0.99] * 10 + [1.0] * 2 + [1.01] * 10 + [length]
    assert outlier_share(lengths, [FULL] * 23) == pytest.approx(outliers / 23)


@given(timed_rounds, st.sampled_from([2.0**-10, 0.5, 2.0**20]))
def test_outliers_do_not_depend_on_the_unit(rounds, factor):
    lengths, variants = zip(*rounds, strict=True)
    assert outlier_share([factor * length for length in lengths], variants) == outlier_share(lengths, variants)
