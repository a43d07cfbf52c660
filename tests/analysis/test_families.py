"""What verdicts together allow: a latency with the fast one, and all benchmarks of a metric as one family."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.comparison.change import INDICATIVE, MISSING, NO_VERDICT, Change, ChangeInterval
from analysis.comparison.changes import changes
from analysis.comparison.families import both_the_same, holm
from analysis.comparison.gates import Gate, judge
from analysis.comparison.missing import NOT_MEASURED, TOO_FEW_ROUNDS, missing_by_chance
from analysis.runs.saved import Run
from tests.support.described import CATALOGUE, described
from tests.support.saved_runs import measured, with_floor

MEDIAN, FAST, ENERGY = "median_latency_ms", "fast_latency_ms", "energy_per_sample_mj"
PAIRS = [(MEDIAN, FAST), ("speedup_vs_fp32", "speedup_fast")]


def change(metric: str, verdict: str, p_value: float | None = 0.001, benchmark: str = "fp16-graph") -> Change:
    """A change with a verdict and a probability; without one it has no interval."""
    interval = None if p_value is None else ChangeInterval(0.01, 0.03, "a test", p_value)
    return Change(benchmark, metric, "lower", 1.0, 1.02, 0.02, interval, (1, 1), verdict)


def together(*verdicts: tuple[str, str]) -> list[str]:
    """What becomes of verdicts on metrics of one benchmark."""
    return [one.verdict for one in both_the_same([change(*one) for one in verdicts])]


@pytest.mark.parametrize("other", ["worse", "better", "undecided", INDICATIVE])
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_the_same_is_undecided_where_the_other_figure_is_not_the_same(first, second, other):
    assert together((first, "same"), (second, other)) == ["undecided", other]
    assert together((second, other), (first, "same")) == [other, "undecided"]
    assert together((first, other), (second, "same")) == [other, "undecided"]


@pytest.mark.parametrize("other", ["same", MISSING, NO_VERDICT])
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_the_same_stands_where_the_other_figure_is_too_or_says_nothing(first, second, other):
    assert together((first, "same"), (second, other)) == ["same", other]
    assert together((first, other), (second, "same")) == [other, "same"]
    assert together((first, "same")) == together((second, "same")) == ["same"]


def test_figures_of_other_benchmarks_and_other_pairs_do_not_count():
    assert together((MEDIAN, "same"), ("speedup_fast", "worse"), (ENERGY, "worse")) == ["same", "worse", "worse"]
    pair = [change(MEDIAN, "same"), change(FAST, "worse", benchmark="mixed-graph")]
    assert [one.verdict for one in both_the_same(pair)] == ["same", "worse"]


def test_a_change_that_is_found_stands_whatever_the_other_figure_is():
    for verdict, other in itertools.product(("better", "worse", "undecided"), ("same", "better", "worse", MISSING)):
        assert together((MEDIAN, verdict), (FAST, other))[0] == verdict


def judged(*p_values: tuple[str, float], verdict: str = "worse") -> list[str]:
    """What Holm leaves of verdicts with these probabilities, each of a benchmark of its own."""
    made = [change(metric, verdict, p_value, f"case {number}") for number, (metric, p_value) in enumerate(p_values)]
    return [one.verdict for one in holm(made)]


def of_both(*p_values: float) -> list[str]:
    """The same of probabilities that are of a median and of a fast latency by turns."""
    return judged(*zip(itertools.cycle((MEDIAN, FAST)), p_values, strict=False))


@pytest.mark.parametrize(
    ("p_values", "found"),
    [
        # The smallest has to be below 5% / 4, the next below 5% / 3, then 5% / 2 and 5%.
        ((0.0124, 0.0166, 0.0249, 0.0499), 4),
        ((0.01, 0.02, 0.03, 0.04), 1),
        ((0.0126, 0.0166, 0.0249, 0.0499), 0),
        ((0.0124, 0.0166, 0.0251, 0.0499), 2),
        ((0.0124, 0.0166, 0.0249, 0.0501), 3),
    ],
)
def test_a_latency_and_the_fast_one_of_all_benchmarks_are_one_family(p_values, found):
    assert of_both(*p_values) == ["worse"] * found + ["undecided"] * (4 - found)
    assert of_both(*reversed(p_values)) == ["undecided"] * (4 - found) + ["worse"] * found


def test_speedups_are_a_family_of_their_own_with_the_fast_ones():
    assert judged(("speedup_vs_fp32", 0.03), ("speedup_fast", 0.03)) == ["undecided"] * 2
    assert judged(("speedup_vs_fp32", 0.03), (MEDIAN, 0.03)) == ["worse"] * 2


def test_other_metrics_are_families_of_their_own():
    alone = judged((MEDIAN, 0.04), (ENERGY, 0.04), ("model_size_mb", 0.04))
    assert alone == ["worse"] * 3
    assert judged((MEDIAN, 0.04), (ENERGY, 0.04), (ENERGY, 0.04)) == ["worse", "undecided", "undecided"]


@pytest.mark.parametrize(
    ("other", "counts"),
    [("same", True), ("undecided", True), (NO_VERDICT, False), (MISSING, False), (INDICATIVE, False)],
)
def test_what_was_judged_counts_in_a_family_and_what_was_not_does_not(other, counts):
    beside = change(FAST, other, None if other == INDICATIVE else 0.9)
    (first, second) = holm([change(MEDIAN, "better", 0.03), beside])
    assert first.verdict == ("undecided" if counts else "better")  # 5% / 2, or 5%
    assert second == beside


@given(st.lists(st.tuples(st.sampled_from([MEDIAN, FAST]), st.floats(0, 1)), max_size=8))
def test_a_smaller_probability_is_never_undecided_where_a_larger_one_is_found(p_values):
    found = judged(*p_values)
    largest = max((p for (_, p), one in zip(p_values, found, strict=True) if one == "worse"), default=-1.0)
    assert all(one == "worse" for (_, p), one in zip(p_values, found, strict=True) if p < largest)
    assert largest <= 0.05 + 1e-12


def visited(precision: str, median_ms: float, fast_ms: float | None) -> dict:
    """A benchmark of the second estimator."""
    item = measured(precision, "graph", median_ms)
    item["extra_info"] |= {"estimator": 2}
    item["extra_info"]["latency"] |= {"fast_ms": fast_ms}
    for visit in item["extra_info"]["visits"]:
        visit["fast_ms"] = fast_ms
    return item


def run(*items: dict) -> Run:
    return Run(Path("a.json"), items, described(with_floor(math.log(1.004), "graph")))


def compared(before: Run, after: Run, benchmark: str = "fp16-graph") -> dict[str, Change]:
    return {one.metric: one for one in changes([before], [after]) if one.benchmark == benchmark}


def test_an_equal_median_of_faster_rounds_that_became_slower_is_not_called_the_same():
    before = run(visited("fp32", 4.0, 3.8), visited("fp16", 2.0, 1.9))
    found = compared(before, run(visited("fp32", 4.0, 3.8), visited("fp16", 2.0, 2.0)))
    assert (found[MEDIAN].verdict, found[FAST].verdict) == ("undecided", "worse")
    assert (found["speedup_vs_fp32"].verdict, found["speedup_fast"].verdict) == ("undecided", "worse")
    found = compared(before, before)
    assert {found[metric].verdict for pair in PAIRS for metric in pair} == {"same"}


def test_a_fast_latency_that_a_side_lacks_is_missing_by_chance_and_leaves_the_median_its_verdict():
    before = run(visited("fp32", 4.0, 3.8), visited("fp16", 2.0, 1.9))
    found = compared(before, run(visited("fp32", 4.0, 3.8), visited("fp16", 2.0, None)))
    assert found[MEDIAN].verdict == "same"
    for metric in (FAST, "speedup_fast"):
        assert (found[metric].verdict, found[metric].reason) == (MISSING, TOO_FEW_ROUNDS)
    outcome = judge([found[FAST]], [Gate(FAST, 0.03)])
    assert (len(outcome.failed), len(outcome.undecided)) == (0, 1)
    assert TOO_FEW_ROUNDS in outcome.undecided[0]


def test_a_fast_latency_is_missing_for_lack_of_rounds_or_of_the_benchmark():
    whole, alone = [run(visited("fp32", 4.0, 3.8), visited("fp16", 2.0, None))], [run(visited("fp16", 2.0, None))]
    ratio = CATALOGUE["speedup_fast"]
    assert missing_by_chance(whole, "fp16-graph", CATALOGUE[FAST]) == TOO_FEW_ROUNDS
    assert missing_by_chance(whole, "fp16-graph", ratio) == TOO_FEW_ROUNDS
    assert missing_by_chance(alone, "fp16-graph", ratio) == NOT_MEASURED  # of FP32
    assert missing_by_chance(alone, "mixed-graph", CATALOGUE[FAST]) == NOT_MEASURED
    assert missing_by_chance(whole, "fp16-graph", CATALOGUE[MEDIAN]) is None
