"""The interval of a repeat: by hand, by simulation, of runs that have little, and in the JSON of a session."""

from __future__ import annotations

import json
import math
import random
import statistics

import pytest

from analysis.comparison.changes import changes
from analysis.comparison.gates import Gate, judge
from analysis.runs.saved import Run, load
from analysis.uncertainty.chosen_floors import FLOORS_KEY, Floors
from analysis.uncertainty.coverage import IDEAL, coverage
from analysis.uncertainty.figures import FIGURES
from analysis.uncertainty.noise_floor import Floor, Key, Pooled
from analysis.uncertainty.repeat import joint_repeat, repeat, repeats
from analysis.uncertainty.saved_repeats import NO_FIGURE, ONE_VISIT, repeat_intervals
from analysis.uncertainty.variance import components
from core.case import Case
from tests.support.described import table
from tests.support.saved_runs import benchmark, extra_info, in_visits, save, with_floor

#: Two-sided 95% points of Student's t distribution, from a printed table.
T_8, T_9 = 2.3060, 2.2622
FLOOR = Floor(0.01, 0.02, 9, "10 sessions")


def test_the_half_width_is_of_the_floor_where_visits_explain_less():
    found = repeat([0.0, 0.02, -0.02], Pooled(0.0002, 8, None), FLOOR)  # visits: 0.0002 / 3 < 0.01^2
    assert found.centre == pytest.approx(0)
    assert found.half_width() == pytest.approx(math.sqrt(2) * T_9 * 0.01, rel=1e-4)
    assert found.half_width(5, 5) == pytest.approx(math.sqrt(2 / 5) * T_9 * 0.01, rel=1e-4)
    assert found.source == "10 sessions"


def test_the_half_width_is_of_the_visits_where_they_scatter_more():
    found = repeat([0.0, 0.1, -0.1], Pooled(0.01, 8, None), FLOOR)
    assert found.u == pytest.approx(0.1 / math.sqrt(3))
    assert found.half_width() == pytest.approx(math.sqrt(2) * T_8 * 0.1 / math.sqrt(3), rel=1e-4)
    assert found.source == "this session's visits"


def test_one_visit_has_the_floors_interval_and_none_by_an_assumption():
    found = repeat([0.5], None, FLOOR)
    assert found.u == pytest.approx(0.02)  # what visits scattered by when the floor was measured
    assert (found.degrees_of_freedom, found.source) == (9, "10 sessions, for one visit")
    assert repeat([0.5], None, Floor(0.01, None, math.inf, "assumed", assumed=True)) is None


def test_the_ends_of_a_saving_are_those_of_its_gain():
    found = repeat([math.log(4.0)] * 5, Pooled(0.0, 8, None), Floor(0.01, None, math.inf, "x"))
    half = math.sqrt(2) * 1.959964 * 0.01
    assert found.value("energy saving") == pytest.approx(0.75)
    assert found.ends("energy saving") == pytest.approx((1 - 0.25 * math.exp(half), 1 - 0.25 * math.exp(-half)))
    assert found.ends("speedup") == pytest.approx((4 * math.exp(-half), 4 * math.exp(half)))


def test_sessions_are_joined_by_their_variances():
    one, other = (repeat([0.0] * 5, Pooled(0.0, 8, None), Floor(s, None, 9, "x")) for s in (0.03, 0.01))
    assert joint_repeat([one, other]).u == pytest.approx(math.sqrt((0.0009 + 0.0001) / 2))
    assert joint_repeat([one, None]) is None  # nothing says how far that session's repeat may differ
    assert joint_repeat([]) is None


def test_a_p_value_and_the_interval_agree():
    found = repeat([0.0] * 5, Pooled(0.0, 8, None), FLOOR)
    assert found.p_value(found.half_width(3, 2), 3, 2) == pytest.approx(0.05)
    exact = repeat([0.0] * 5, Pooled(0.0, 8, None), Floor(0.0, None, 9, "x"))
    assert (exact.p_value(0.0, 1, 1), exact.p_value(1e-9, 1, 1)) == (1, 0)


def simulated(generator: random.Random, s_visits: float, s_session: float, factor: float = 1.0) -> dict[Case, dict]:
    """Logarithms of the visits of three cases of one session; what a session adds is the same for all of them."""
    added = generator.gauss(0, s_session) + math.log(factor)
    return {
        Case(precision, "graph"): {number: added + generator.gauss(0, s_visits) for number in range(1, 6)}
        for precision in ("fp32", "fp16", "mixed")
    }


def floor_of(generator: random.Random, s_visits: float, s_session: float) -> Floor:
    """A floor that ten simulated sessions measured."""
    spread = components([simulated(generator, s_visits, s_session) for _ in range(10)]).session
    return Floor(spread.value, None, spread.degrees_of_freedom, "simulated")


def found_in(session: dict[Case, dict], floor: Floor):
    """The repeat of FP16 in a simulated session."""
    squares = [statistics.variance(of.values()) for of in session.values()]
    return repeat(list(session[Case("fp16", "graph")].values()), Pooled(statistics.fmean(squares), 12, None), floor)


@pytest.mark.parametrize("spreads", [(0.007, 0.0), (0.007, 0.005), (0.003, 0.008)])
def test_the_interval_of_a_repeat_holds_the_next_session_19_times_in_20(spreads):
    generator, held, times = random.Random(18), 0, 3000
    for _ in range(times):
        floor = floor_of(generator, *spreads)
        one, other = (found_in(simulated(generator, *spreads), floor) for _ in range(2))
        held += abs(one.centre - other.centre) <= one.half_width()
    assert 0.93 <= held / times <= 0.99


def session(tmp_path, name: str, latencies: dict[Case, dict], floor: Floor):
    """A saved run of simulated visits."""
    items = []
    for case, logs in latencies.items():
        item = in_visits(benchmark(case.precision, math.exp(statistics.fmean(logs.values())), execution="graph"))
        for visit in item["extra_info"]["visits"]:
            visit["median_ms"] = math.exp(logs[visit["number"]])
        item["extra_info"]["validity"]["status"] = "valid"
        items.append(item)
    path = save(tmp_path / name, 1, *items)
    document = json.loads(path.read_text())
    document["machine_info"][FLOORS_KEY] = Floors({Key("graph", figure, ""): floor for figure in FIGURES}).as_json()
    path.write_text(json.dumps(document))
    return load(path)


def outcomes(tmp_path, spreads: tuple[float, float], factor: float, limit_rel: float, times: int) -> tuple[int, int]:
    """In how many of so many comparisons of one session with another FP16 is called changed, and a limit fails."""
    generator, called, failed = random.Random(7), 0, 0
    for _ in range(times):
        floor = floor_of(generator, *spreads)
        before = session(tmp_path, "before", simulated(generator, *spreads), floor)
        after = session(tmp_path, "after", simulated(generator, *spreads, factor=factor), floor)
        compared = [one for one in changes([before], [after]) if one.metric == "median_latency_ms"]
        called += any(one.verdict in ("better", "worse") for one in compared)
        failed += bool(judge(compared, [Gate("median_latency_ms", limit_rel)]).failed)
    return called, failed


@pytest.mark.slow
def test_equal_speed_is_seldom_called_faster_or_slower_and_seldom_fails_a_limit(tmp_path):
    called, failed = outcomes(tmp_path, (0.003, 0.002), 1.0, 0.03, 150)
    assert called <= 0.05 * 150
    assert failed <= 0.02 * 150


def test_ten_percent_slower_fails_a_limit_of_five(tmp_path):
    called, failed = outcomes(tmp_path, (0.003, 0.002), 1.10, 0.05, 60)
    assert (called, failed) == (60, 60)


def test_more_sessions_find_smaller_changes():
    found = repeat([0.0] * 5, Pooled(0.0, 8, None), FLOOR)
    widths = [found.half_width(count, count) for count in (1, 2, 5, 10)]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] / widths[3] == pytest.approx(math.sqrt(10))


def test_coverage_by_hand(tmp_path):
    # Three sessions at 0, 0.01 and 0.03 in logarithms, intervals of 0.015 on either side: 4 of 6 ordered pairs are
    # within 0.02, 2 of them within 0.015.
    floor = Floor(0.015 / math.sqrt(2) / 1.959964, None, math.inf, "x", assumed=True)
    sessions = [
        session(tmp_path, str(number), {Case("fp16", "graph"): dict.fromkeys(range(1, 6), log)}, floor)
        for number, log in enumerate((0.0, 0.01, 0.03))
    ]
    floors = Floors({Key("graph", figure, ""): floor for figure in FIGURES})
    found = coverage(sessions, lambda *_: floors)["graph", "latency"]
    assert (found.held, found.pairs) == (2, 6)
    assert found.half_width == pytest.approx(0.015, rel=1e-6)
    assert found.relative_width == pytest.approx(0.015 / (IDEAL * statistics.stdev((0.0, 0.01, 0.03))), rel=1e-5)


def test_a_run_without_visits_has_no_interval_and_one_with_a_single_visit_says_why(tmp_path):
    whole = load(save(tmp_path, 1, benchmark("fp32", 2.0)))
    assert repeats(whole)["latency"] == {}
    single = benchmark("fp32", 2.0)
    single["extra_info"]["visits"] = [{"number": 1, "median_ms": 2.0, "energy_mj": None, "error": None}]
    latency = repeat_intervals(load(save(tmp_path, 2, single)))["fp32-eager"]["latency"]
    ends = dict.fromkeys(("repeat95_low_ms", "repeat95_high_ms", "repeat95_source", "repeat95_assumed"))
    assert latency == {
        **(ends | {"repeat95_reason": ONE_VISIT}),
        **{f"fast_{name}": value for name, value in (ends | {"repeat95_reason": NO_FIGURE}).items()},
    }


def test_a_run_of_one_visit_against_another_has_no_interval_and_a_run_without_the_metric_does_not_count(tmp_path):
    def saved(number: int, visits: int, energy_mj: float | None) -> Run:
        item = in_visits(benchmark("fp32", 2.0, energy_mj, validity={"status": "valid", "native": True}))
        del item["extra_info"]["visits"][visits:]
        return load(save(tmp_path, number, item))

    whole, single, unmetered = saved(1, 5, 9.0), saved(2, 1, 9.0), saved(3, 5, None)
    by_metric = {one.metric: one for one in changes([whole], [single])}
    assert by_metric["median_latency_ms"].interval is None
    by_metric = {one.metric: one for one in changes([whole, unmetered], [whole])}
    assert by_metric["energy_per_sample_mj"].runs == (1, 1)
    assert by_metric["energy_per_sample_mj"].interval.of == "a repeat (assumed)"


def test_an_assumed_interval_is_marked_and_a_measured_one_is_not():
    rows = [in_visits(benchmark("fp32", 2.0)), in_visits(benchmark("fp16", 1.0))]
    assert table(rows)["interval_assumed"].tolist() == [True, True]
    assert table(rows, with_floor(0.01))["interval_assumed"].tolist() == [False, False]


def test_a_session_writes_what_a_repeat_will_find(run_suite, saved_run):
    assert run_suite("--benchmark-autosave", "--precisions=fp32").ret == 0
    saved = saved_run()
    latency = extra_info(saved, "fp32-eager-b1x16")["latency"]
    assert latency["repeat95_low_ms"] < latency["median_ms"] < latency["repeat95_high_ms"]
    assert latency["repeat95_assumed"] is True
    assert extra_info(saved, "fp32-eager-b1x16")["energy"]["repeat95_reason"] == "there is no figure"
    assert saved["machine_info"][FLOORS_KEY]["spreads"][0]["source"] == "assumed, ± 40%"
