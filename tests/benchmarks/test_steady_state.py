"""When a warm-up ends, on rounds whose lengths the test decides."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.loop import ForwardLoop, Rounds
from benchmarks.policies import TimingPolicy
from benchmarks.steady_state import WarmUp, at_least, is_steady, relative_to_variant, warm_up
from fixtures.dataset.batches import FULL, PADDED, Batch
from fixtures.executions import Forward

#: Powers of two, so that sums of lengths are exact: a stretch is 8 rounds of `ROUND_S`, and the cap 4 stretches.
POLICY = TimingPolicy(warm_up_stretch_s=0.125, warm_up_cap_s=0.5)
ROUND_S = 1 / 64
#: A stretch whose second half takes longer than the first.
SLOWER = (ROUND_S, ROUND_S, 2 * ROUND_S, 4 * ROUND_S)
MASKS = {FULL: torch.ones(1, 2), PADDED: torch.tensor([[1.0, 0.0]])}


def batches(*variants: str) -> list[Batch]:
    return [Batch(torch.zeros(1, 2), MASKS[name], text_tokens=int(MASKS[name].sum())) for name in variants]


class Stopwatch:
    """A clock that stands still but for the rounds of its loop."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.ran: list[str] = []

    def loop(self, lengths_s: Iterable[float], *variants: str) -> ForwardLoop:
        """A loop whose rounds take these lengths, over batches of these variants."""
        following, placed = iter(lengths_s), [""]

        def place(batch: Batch) -> None:
            placed[0] = batch.variant

        def run() -> None:
            self.now_s += next(following)
            self.ran.append(placed[0])

        return ForwardLoop(Forward(place, run), batches(*(variants or (FULL,))), torch.device("cpu"))


@pytest.fixture
def stopwatch(monkeypatch) -> Stopwatch:
    made = Stopwatch()
    for module in ("loop", "steady_state"):
        monkeypatch.setattr(f"benchmarks.{module}.time", SimpleNamespace(perf_counter=lambda: made.now_s))
    return made


def then(*lengths_s: float) -> Iterable[float]:
    """These lengths, the last one for ever."""
    return itertools.chain(lengths_s, itertools.repeat(lengths_s[-1]))


def test_warm_up_ends_after_the_first_stretch_without_a_trend(stopwatch):
    assert warm_up(stopwatch.loop(then(ROUND_S)), 1, POLICY) == WarmUp(rounds=8, steady=True)
    assert len(stopwatch.ran) == 8


def test_warm_up_goes_on_while_the_rounds_change(stopwatch):
    found = warm_up(stopwatch.loop(then(*SLOWER, *SLOWER, ROUND_S)), 1, POLICY)
    assert found == WarmUp(rounds=4 + 4 + 8, steady=True)


def test_warm_up_stops_at_its_cap_and_is_not_steady(stopwatch):
    assert warm_up(stopwatch.loop(itertools.cycle(SLOWER)), 1, POLICY) == WarmUp(rounds=16, steady=False)
    assert stopwatch.now_s == POLICY.warm_up_cap_s


def test_one_stretch_of_rounds_that_get_faster_by_a_hundredth_each_is_not_steady(stopwatch):
    found = warm_up(stopwatch.loop(ROUND_S * 0.99**number for number in itertools.count()), 1, POLICY)
    assert not found.steady
    assert POLICY.warm_up_cap_s <= stopwatch.now_s < POLICY.warm_up_cap_s + 4 * ROUND_S


def test_rounds_longer_than_a_stretch_run_until_the_cap(stopwatch):
    assert warm_up(stopwatch.loop(then(0.25)), 1, POLICY) == WarmUp(rounds=2, steady=False)


def test_full_and_padded_rounds_of_different_length_are_steady(stopwatch):
    lengths = itertools.cycle([ROUND_S, 2 * ROUND_S, 2 * ROUND_S])
    assert warm_up(stopwatch.loop(lengths, FULL, PADDED, PADDED), 1, POLICY) == WarmUp(rounds=5, steady=True)
    assert stopwatch.ran == [FULL, PADDED, PADDED, FULL, PADDED]


@pytest.mark.parametrize("minimum", [9, 20, 33])
def test_warm_up_never_ends_before_the_minimum(stopwatch, minimum):
    assert warm_up(stopwatch.loop(then(ROUND_S)), minimum, POLICY) == WarmUp(minimum, steady=True)


def test_the_minimum_counts_once(stopwatch):
    # 20 rounds that get faster, 0.23 s, then stretches of 8 that do not.
    lengths = (ROUND_S * (1 if number < 10 else 0.5) for number in range(20))
    found = warm_up(stopwatch.loop(then(*lengths, ROUND_S)), 20, POLICY)
    assert found == WarmUp(rounds=20 + 8, steady=True)


@pytest.mark.parametrize("cap_s", [0.0, 0.5])
@pytest.mark.parametrize(
    ("lengths_s", "minimum", "steady"),
    [([ROUND_S], 1, False), ([ROUND_S], 4, True), ([ROUND_S, ROUND_S, 1.0, 1.0], 4, False)],
)
def test_without_a_stretch_exactly_the_minimum_runs(stopwatch, lengths_s, minimum, steady, cap_s):
    policy = TimingPolicy(warm_up_stretch_s=0.0, warm_up_cap_s=cap_s)
    assert warm_up(stopwatch.loop(then(*lengths_s)), minimum, policy) == WarmUp(minimum, steady)
    assert len(stopwatch.ran) == minimum


def test_without_a_stretch_and_a_minimum_nothing_runs(stopwatch):
    policy = TimingPolicy(warm_up_stretch_s=0.0, warm_up_cap_s=0.5)
    assert warm_up(stopwatch.loop(then(ROUND_S)), 0, policy) == WarmUp(rounds=0, steady=False)
    assert stopwatch.ran == []


def test_without_a_minimum_a_stretch_runs(stopwatch):
    assert warm_up(stopwatch.loop(then(ROUND_S)), 0, POLICY) == WarmUp(rounds=8, steady=True)


def test_both_the_time_and_the_rounds_have_to_be_over(stopwatch):
    goes_on = at_least(1.0, 3)
    assert goes_on(5)  # no time has passed
    stopwatch.now_s = 0.75
    assert goes_on(5)
    stopwatch.now_s = 1.0
    assert not goes_on(3)
    assert goes_on(2)


def of_lengths(lengths_s: Iterable[float], *variants: str) -> Rounds:
    """Rounds that took these lengths, each of which began at 0; over batches of these variants."""
    ends = list(lengths_s)
    return Rounds(batches(*(variants or (FULL,))), 0, [0.0] * len(ends), ends)


@pytest.mark.parametrize(
    ("lengths_s", "steady"),
    [
        ([1.0, 1.004], True),
        ([1.0, 1.006], False),
        ([1.0, 0.996], True),
        ([1.0, 0.994], False),
        ([1.0, 1.0, 1.0, 1.0, 1.0], True),
        ([1.0, 1.0, 2.0, 2.0, 2.0], False),
        ([9.0, 1.0, 1.0, 1.0, 1.0, 7.0], True),  # an outlier moves no median
        ([1.0], False),
    ],
)
def test_halves_whose_medians_are_within_half_a_percent_show_no_trend(lengths_s, steady):
    assert is_steady(of_lengths(lengths_s)) is steady


#: Six values, the fewest whose median has an interval: from the smallest to the largest.
SCATTERED = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5]


@pytest.mark.parametrize(("further", "steady"), [(0.1, True), (0.4, True), (0.51, False), (2.0, False)])
def test_halves_whose_intervals_overlap_show_no_trend(further, steady):
    shifted = [length + further for length in SCATTERED]
    assert is_steady(of_lengths(SCATTERED + shifted)) is steady
    assert is_steady(of_lengths(shifted + SCATTERED)) is steady


def test_halves_too_small_for_an_interval_have_to_agree():
    five = SCATTERED[:5]
    assert not is_steady(of_lengths(five + [length + 0.1 for length in five]))
    assert is_steady(of_lengths(five + five))


#: Three full rounds and a padded one in the first half, a full one and three padded ones in the second.
UNEVEN = (FULL, FULL, FULL, PADDED, FULL, PADDED, PADDED, PADDED)
LENGTHS_S = {FULL: 1.0, PADDED: 2.0}


def test_halves_need_not_hold_the_same_share_of_each_variant():
    lengths_s = [LENGTHS_S[variant] for variant in UNEVEN]
    assert is_steady(of_lengths(lengths_s, *UNEVEN))
    assert not is_steady(of_lengths(lengths_s))  # of one variant, these are twice as long in the second half


def test_a_trend_of_both_variants_is_seen():
    alternating = [LENGTHS_S[variant] for variant in (FULL, PADDED)] * 10
    assert is_steady(of_lengths(alternating, FULL, PADDED))
    slower = alternating[:10] + [1.1 * length for length in alternating[10:]]
    assert not is_steady(of_lengths(slower, FULL, PADDED))


def test_each_round_counts_relative_to_the_median_of_its_variant():
    variants = [FULL, PADDED, FULL, FULL, PADDED]
    assert relative_to_variant([2.0, 10.0, 4.0, 8.0, 30.0], variants) == [0.5, 0.5, 1.0, 2.0, 1.5]


lengths = st.lists(st.floats(1e-4, 10), min_size=1, max_size=60)


@given(lengths, st.sampled_from([2.0**-10, 0.25, 2.0**10]))
def test_neither_the_unit_nor_a_variants_own_length_decides(lengths_s, factor):
    steady = is_steady(of_lengths(lengths_s, FULL, PADDED))
    assert is_steady(of_lengths([factor * length for length in lengths_s], FULL, PADDED)) is steady
    only_padded = [length * (factor if number % 2 else 1) for number, length in enumerate(lengths_s)]
    assert is_steady(of_lengths(only_padded, FULL, PADDED)) is steady


@given(lengths)
def test_rounds_that_repeat_themselves_have_no_trend(lengths_s):
    assert is_steady(of_lengths(lengths_s + lengths_s))
