"""How long a session still takes, where its time went, and when its process began: by hand, and from outside."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.machine.process import started_s
from benchmarks.measured_case import MeasuredCase
from benchmarks.session_time import SessionTime
from benchmarks.time_left import CLOSING, CLOSING_S, COMPILATION, COMPILATION_S, REPORT_S, VISIT, TimeLeft
from core.case import Case
from fixtures.dataset.batches import FULL
from tests.support.timed_cases import case_in_progress, dataset, visited
from tests.support.tiny import REPOSITORY

#: Two cases of two visits, of which one is compiled.
TESTS = [
    (COMPILATION, "b"),
    *((VISIT, case) for case in "abab"),
    *((CLOSING, case) for case in "ab"),
]


def after(*over: tuple[str, str, float], tests: list[tuple[str, str]] = TESTS) -> TimeLeft:
    """What is left when some tests are over."""
    left = TimeLeft(list(tests))
    for kind, case, seconds in over:
        left.over(kind, case, seconds)
    return left


def test_nothing_is_told_before_the_first_visit():
    assert TimeLeft([]).seconds is None
    assert after().seconds is None
    assert after((COMPILATION, "b", 9.0)).seconds is None
    assert after((COMPILATION, "b", 9.0), (VISIT, "a", 2.0)).seconds is not None


def test_a_visit_takes_as_long_as_the_cases_own_and_without_one_as_long_as_all():
    closings = 2 * CLOSING_S + REPORT_S
    of_a = after((COMPILATION, "b", 9.0), (VISIT, "a", 2.0))
    assert of_a.seconds == pytest.approx(2.0 + 2 * 2.0 + closings)
    of_a.over(VISIT, "b", 6.0)
    assert of_a.seconds == pytest.approx(2.0 + 6.0 + closings)
    of_a.over(VISIT, "a", 4.0)
    assert of_a.seconds == pytest.approx(6.0 + closings)
    of_a.over(VISIT, "b", 8.0)
    assert of_a.seconds == pytest.approx(closings)


def test_a_visit_of_a_case_that_was_not_visited_takes_the_mean_of_all_visits():
    tests = [(VISIT, case) for case in "aabbc"]
    left = after((VISIT, "a", 1.0), (VISIT, "a", 2.0), (VISIT, "b", 6.0), tests=tests)
    assert left.seconds == pytest.approx(6.0 + 3.0 + REPORT_S)


def test_compilations_take_as_long_as_those_that_were_made():
    tests = [*((COMPILATION, case) for case in "abc"), (VISIT, "a")]
    left = after((VISIT, "a", 2.0), tests=tests)
    assert left.seconds == pytest.approx(3 * COMPILATION_S + REPORT_S)
    left.over(COMPILATION, "a", 10.0)
    assert left.seconds == pytest.approx(2 * 10.0 + REPORT_S)
    left.over(COMPILATION, "b", 20.0)
    assert left.seconds == pytest.approx(15.0 + REPORT_S)


def test_the_first_closing_scores_for_all_and_each_has_rows_of_its_own():
    tests = [(VISIT, "a"), *((CLOSING, case) for case in "abc")]
    left = after((VISIT, "a", 2.0), tests=tests)
    left.scoring_s, left.timed_rows_s = 40.0, {"a": 3.0, "b": 5.0}
    assert left.seconds == pytest.approx(40.0 + 3.0 + 5.0 + CLOSING_S + REPORT_S)
    left.over(CLOSING, "a", 50.0)
    assert left.seconds == pytest.approx(5.0 + CLOSING_S + REPORT_S)
    left.over(CLOSING, "b", 1.0)
    left.over(CLOSING, "c", 1.0)
    assert left.seconds == pytest.approx(REPORT_S)


def test_a_test_that_was_not_expected_is_learned_from_and_nothing_more():
    left = after((VISIT, "a", 2.0), (VISIT, "z", 4.0), tests=[(VISIT, "a"), (VISIT, "b")])
    assert left.seconds == pytest.approx(3.0 + REPORT_S)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 1e4)), min_size=1, max_size=12))
def test_what_is_left_of_equal_cases_lies_between_the_shortest_and_the_longest_visits(visits):
    tests = [(VISIT, case) for case, _ in visits] + [(VISIT, "d")] * 3
    found = after(*((VISIT, case, seconds) for case, seconds in visits), tests=tests).seconds - REPORT_S
    taken = [seconds for _, seconds in visits]
    assert 3 * min(taken) * (1 - 1e-9) - 1e-9 <= found <= 3 * max(taken) * (1 + 1e-9) + 1e-9


def timed_case(precision: str, milliseconds: float | None, batch_size: int = 1) -> MeasuredCase:
    """A case on a CPU, of whose dataset ten rows are scored, after a visit of rounds that all took so long."""
    data = dataset(full=4, padded=0, batch_size=batch_size)
    case = case_in_progress(data, Case(precision, "eager", batch_size=batch_size))
    case.settings.quality_rows = lambda rows, rows_on_cpu: min(rows, 10)
    case.dataset.num_samples = 500
    if milliseconds is not None:
        case.visits.append(visited(1, [(milliseconds / 1000, FULL)] * 3, data.variant_shares))
    return case


def test_scoring_is_expected_to_take_as_long_as_the_rounds_say():
    cases = [timed_case("fp32", 200.0), timed_case("fp16", 100.0, batch_size=2), timed_case("mixed", None)]
    names = [case.case.id for case in cases]
    left = after((VISIT, names[0], 2.0), tests=[(CLOSING, name) for name in names])
    left.expect(cases)
    # Ten rows of 200 and of 50 ms are scored; 16 rows take 2.5 rounds each, and mixed was not visited.
    assert left.scoring_s == pytest.approx(10 * 0.2 + 10 * 0.05)
    timed = [CLOSING_S + 2.5 * 16 * 0.2, CLOSING_S + 2.5 * 16 * 0.05, CLOSING_S]
    assert left.seconds == pytest.approx(2.5 + sum(timed) + REPORT_S)
    left.over(CLOSING, names[0], 9.0)
    assert left.seconds == pytest.approx(sum(timed[1:]) + REPORT_S)


def test_a_precision_is_scored_once_however_many_cases_it_has():
    left = TimeLeft([])
    left.expect([timed_case("fp32", 100.0, batch_size=1), timed_case("fp32", 100.0, batch_size=2)])
    assert left.scoring_s == pytest.approx(10 * 0.05)  # by the rounds of the last
    assert len(left.timed_rows_s) == 2


def test_the_phases_of_a_session_and_of_its_cases_sum_to_the_total_and_other_is_the_rest():
    spent = SessionTime(time.perf_counter() - 100)
    spent.add("imports", 8.0)
    spent.add("loading", 1.5)
    spent.add("loading", 2.5)
    found = spent.as_json([{"rounds": 30.0, "quality": 12.25}, {"rounds": 20.0}])
    named = {"imports": 8, "collection": 0, "loading": 4, "integrity": 0, "rounds": 50, "quality": 12.25}
    assert {phase: found[phase] for phase in named} == named
    assert found.keys() == {"total", "other", *named}
    assert found["total"] >= 100
    assert found["other"] == pytest.approx(found["total"] - 74.25, abs=0.011)


@given(st.dictionaries(st.sampled_from(["imports", "loading", "rounds"]), st.floats(0, 30)), st.floats(0, 30))
def test_every_second_of_a_session_is_in_one_phase(phases, of_case):
    spent = SessionTime(time.perf_counter() - 200)
    for phase, seconds in phases.items():
        spent.add(phase, seconds)
    found = spent.as_json([{"rounds": of_case}])
    total = found.pop("total")
    assert sum(found.values()) == pytest.approx(total, abs=0.005 * (len(found) + 1) + 1e-9)
    assert found["other"] >= 0


def test_telling_the_phases_adds_none():
    spent = SessionTime(time.perf_counter())
    for _ in range(2):
        assert spent.as_json([{"rounds": 2.0}])["rounds"] == 2.0
    assert "rounds" not in spent.seconds


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says when a process began")
def test_a_process_began_after_it_was_started_and_before_it_says_so():
    tick_s = 0.02  # the kernel counts in hundredths of a second
    assert started_s() < time.perf_counter()
    code = "import time; from benchmarks.machine.process import started_s; print(started_s(), time.perf_counter())"
    before = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    began, said = map(float, done.stdout.split())
    assert before - tick_s <= began < said <= time.perf_counter()
