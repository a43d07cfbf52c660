"""The fast latency of a visit: by hand, what it does not depend on, and how many rounds lie below it on average."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.statistics.rounds import ROUNDS_FOR_FAST, fast_ms, weighted

ALONE = {"full": 1.0, "padded": 0.0}
BOTH = {"full": 0.25, "padded": 0.75}
seconds = st.lists(st.floats(1e-6, 1e3), min_size=ROUNDS_FOR_FAST, max_size=90)


def spaced(count: int, step_ms: float = 1.0) -> list[float]:
    """Seconds of rounds of 1, 2, 3 and so on steps, not in their order."""
    return [step_ms * number / 1000 for number in [*range(2, count + 1, 2), *range(1, count + 1, 2)]]


@pytest.mark.parametrize(("count", "rank"), [(40, 2.05), (59, 3.0), (99, 5.0), (100, 5.05), (300, 15.05)])
def test_the_fast_latency_is_the_value_at_rank_one_twentieth_of_the_rounds_and_one(count, rank):
    assert fast_ms({"full": spaced(count)}, ALONE) == pytest.approx(rank)


def test_two_variants_are_weighted_by_their_shares_and_not_by_their_rounds():
    rounds = {"full": spaced(40), "padded": spaced(100, 10.0)}
    assert fast_ms(rounds, BOTH) == pytest.approx(0.25 * 2.05 + 0.75 * 50.5)


@pytest.mark.parametrize("padded", [{}, {"padded": []}, {"padded": spaced(39, 9.0)}, {"padded": spaced(40, 9.0)}])
def test_a_variant_that_the_dataset_does_not_have_needs_no_rounds_and_counts_for_nothing(padded):
    assert fast_ms({"full": spaced(40)} | padded, ALONE) == pytest.approx(2.05)


@pytest.mark.parametrize(
    ("rounds", "shares"),
    [
        ({"full": spaced(39)}, ALONE),
        ({"full": spaced(40), "padded": spaced(39)}, BOTH),
        ({"full": spaced(39), "padded": spaced(300)}, BOTH),
        ({"full": spaced(300), "padded": []}, BOTH),
        ({"full": spaced(300)}, BOTH),
        ({}, ALONE),
        ({"full": spaced(40)}, {"full": 0.0, "padded": 0.0}),
    ],
)
def test_too_few_rounds_of_a_variant_that_the_dataset_has_leave_no_fast_latency(rounds, shares):
    assert fast_ms(rounds, shares) is None


def test_a_variant_of_which_no_round_was_timed_has_no_weight_in_a_mean():
    assert weighted({"full": 2.0, "padded": 4.0}, BOTH) == pytest.approx(3.5)
    assert weighted({"full": 2.0, "padded": None}, BOTH) == 2.0


@given(seconds, seconds, st.floats(1e-3, 1e3))
def test_rounds_that_take_a_factor_longer_have_a_fast_latency_that_is_longer_by_it(full, padded, factor):
    slower = {"full": [factor * one for one in full], "padded": [factor * one for one in padded]}
    expected = factor * fast_ms({"full": full, "padded": padded}, BOTH)
    assert fast_ms(slower, BOTH) == pytest.approx(expected, rel=1e-9)


@given(seconds, st.randoms(use_true_random=False))
def test_the_order_of_the_rounds_plays_no_part(full, random):
    shuffled = list(full)
    random.shuffle(shuffled)
    assert fast_ms({"full": shuffled}, ALONE) == fast_ms({"full": full}, ALONE)


@given(seconds)
def test_the_fast_latency_lies_between_the_fastest_round_and_the_median(full):
    found = fast_ms({"full": full}, ALONE)
    assert 1000 * min(full) * (1 - 1e-12) <= found <= 1000 * float(np.median(full)) * (1 + 1e-12)


@given(seconds, st.floats(0.01, 0.99))
def test_the_fast_latency_of_both_variants_lies_between_those_of_each(full, share):
    each = [fast_ms({"full": of}, ALONE) for of in (full, [3 * one for one in full])]
    both = fast_ms({"full": full, "padded": [3 * one for one in full]}, {"full": share, "padded": 1 - share})
    assert min(each) * (1 - 1e-9) <= both <= max(each) * (1 + 1e-9)


@pytest.mark.parametrize("count", [40, 100, 300])
def test_one_round_in_twenty_is_faster_on_average_however_many_there_are(count):
    """The share of a uniform distribution below a value is that value; its mean over samples has an error of 0.0005."""
    generator = np.random.default_rng(count)
    found = [fast_ms({"full": generator.uniform(size=count)}, ALONE) / 1000 for _ in range(4000)]
    assert np.mean(found) == pytest.approx(0.05, abs=0.002)
