"""Spreads of visits and of sessions: by hand and by simulation."""

from __future__ import annotations

import math
import random
import statistics

import pytest

from analysis.comparison.variance import variance_markdown
from analysis.runs.saved import load
from analysis.uncertainty.figures import FIGURES, energy_of, gains, latency_of, visits_of
from analysis.uncertainty.variance import Spread, components
from core.case import Case
from core.errors import InputError
from tests.support.saved_runs import benchmark, save

FP32, FP16 = Case("fp32", "graph"), Case("fp16", "graph")


def numbered(*values: float) -> dict[int, float]:
    return dict(enumerate(values, start=1))


def test_components_by_hand():
    # Two sessions of two visits: variances 2 and 8 within, means 1 and 4, so 4.5 between the means.
    found = components([{FP16: numbered(0.0, 2.0)}, {FP16: numbered(2.0, 6.0)}])
    assert found.visits.value == pytest.approx(math.sqrt((2 + 8) / 2))
    assert found.session.value == pytest.approx(math.sqrt(4.5))
    assert found.between == pytest.approx(math.sqrt(4.5 - 5 / 2))
    assert (found.sessions, found.cases) == (2, 1)
    # chi2(1) has its 2.5% point at 0.000982 and its 97.5% point at 5.024.
    assert found.session.low == pytest.approx(math.sqrt(4.5 / 5.024), rel=1e-3)
    assert found.session.high == pytest.approx(math.sqrt(4.5 / 0.000982), rel=1e-3)


def test_visits_that_explain_more_than_sessions_differ_leave_nothing_between_them():
    assert components([{FP16: numbered(0.0, 2.0)}, {FP16: numbered(0.1, 2.0)}]).between == 0


@pytest.mark.parametrize(
    "sessions",
    [
        [],
        [{FP16: numbered(1.0, 2.0)}],
        [{FP16: numbered(1.0)}, {FP16: numbered(2.0)}],
        [{FP16: numbered(1.0, 2.0)}, {FP32: numbered(1.0, 2.0)}],
    ],
)
def test_with_one_session_or_visit_there_are_none(sessions):
    assert components(sessions) is None


def test_a_gain_pairs_visits_by_their_number():
    found = gains({FP32: {1: 3.0, 2: 5.0, 4: 9.0}, FP16: {1: 1.0, 2: 2.0, 3: 7.0}})
    assert found == {FP16: {1: 2.0, 2: 3.0}}
    assert gains({FP16: numbered(1.0)}) == {}


def test_simulated_components_are_found():
    generator, found = random.Random(1), []
    for _ in range(200):
        sessions = []
        for _ in range(10):
            own = generator.gauss(0, 0.005)
            sessions.append(
                {case: numbered(*(own + generator.gauss(0, 0.007) for _ in range(5))) for case in (FP32, FP16)}
            )
        found.append(components(sessions))
    assert statistics.fmean(one.visits.value for one in found) == pytest.approx(0.007, rel=0.02)
    expected = math.sqrt(0.005**2 + 0.007**2 / 5)
    assert statistics.fmean(one.session.value for one in found) == pytest.approx(expected, rel=0.04)
    held = sum(one.session.low <= expected <= one.session.high for one in found)
    assert held >= 0.93 * len(found)


def test_a_spread_is_shown_in_percent_with_its_interval():
    assert str(Spread(0.0015, 0.0011, 0.0028, 9)) == "0.15% (0.11% to 0.28%)"


def session_of(tmp_path, name: str, medians_ms: list[float]):
    item = benchmark("fp16", 1.0, execution="graph")
    item["extra_info"]["visits"] = [
        {"number": number, "median_ms": value, "energy_mj": None, "error": None}
        for number, value in enumerate(medians_ms, start=1)
    ] + [{"number": 9, "error": "lost"}]
    return load(save(tmp_path / name, 1, item))


def test_a_runs_visits_are_read_and_one_that_failed_is_left_out(tmp_path):
    run = session_of(tmp_path, "a", [1.0, math.e])
    assert visits_of(run, latency_of) == {Case("fp16", "graph"): {1: 0.0, 2: pytest.approx(1.0)}}
    assert visits_of(run, energy_of) == {}
    assert list(FIGURES) == ["latency", "fast latency", "speedup", "fast speedup", "energy", "energy saving"]


def test_one_session_is_too_few_and_says_so(tmp_path):
    with pytest.raises(InputError, match=r"are 1 session\(s\), or have no visits; expected two sessions or more"):
        variance_markdown([session_of(tmp_path, "a", [1.0, 1.1])])
