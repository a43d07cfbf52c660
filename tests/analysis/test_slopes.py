"""How energy changes with temperature and gaps: exact slopes, simulated ones and their errors, and those of hosts."""

from __future__ import annotations

import json
import math
import random
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.runs.saved import Run
from analysis.runs.visits import SavedVisit
from analysis.uncertainty.slopes import (
    Slopes,
    at_reference,
    elsewhere,
    fit,
    least_squares,
    over_hosts,
    row_of,
    rows_of,
    slopes_of,
    weighed,
)
from core.case import Case
from core.guards import finite_number
from tests.support.described import described
from tests.support.json_values import json_values
from tests.support.saved_runs import measured

CASES = [Case(precision, "graph") for precision in ("fp32", "fp16", "mixed")]
#: 0.4% a degree, and 30% from no gaps to nothing but gaps.
EXACT = Slopes(0.004, 0.0, -0.3, 0.0)
#: The two-sided 95% point of Student's t with seven degrees of freedom, from a printed table: sessions less one.
T_7 = 2.3646


def rows(celsius: list[float], gaps: list[float], level: float = 6.0) -> dict:
    """Visits of one case whose energies are exactly those of the slopes."""
    visits = zip(celsius, gaps, strict=True)
    return {
        number: (level + EXACT.temperature * (warm - 45) + EXACT.gap * gap, warm, gap)
        for number, (warm, gap) in enumerate(visits, start=1)
    }


def exact_sessions(count: int) -> list[dict]:
    """Sessions at other temperatures, of cases at other levels."""
    return [
        {
            case: rows([40.0 + number, 44.0 + place, 51.0], [0.01, 0.05 * number, 0.02], level=5.0 + place)
            for place, case in enumerate(CASES)
        }
        for number in range(count)
    ]


def test_least_squares_finds_exact_slopes_whatever_the_levels_of_the_cases():
    assert least_squares(exact_sessions(1)) == pytest.approx([0.004, -0.3])
    assert least_squares(exact_sessions(4)) == pytest.approx([0.004, -0.3])


def test_exact_slopes_have_no_error():
    found = fit(exact_sessions(3))
    assert (found.temperature, found.gap) == pytest.approx((0.004, -0.3))
    assert (found.temperature_error, found.gap_error) == pytest.approx((0, 0), abs=1e-9)


def test_the_errors_are_those_of_the_jackknife():
    sessions = exact_sessions(3)
    energy, warm, gap = sessions[0][CASES[0]][1]
    sessions[0][CASES[0]][1] = (energy + 0.01, warm, gap)
    without = [least_squares([one for one in sessions if one is not left_out]) for left_out in sessions]
    by_slope = [[float(one[place]) for one in without] for place in (0, 1)]
    expected = [math.sqrt(2 / 3 * sum((one - sum(of) / 3) ** 2 for one in of)) for of in by_slope]
    found = fit(sessions)
    assert [found.temperature_error, found.gap_error] == pytest.approx(expected, rel=1e-6)
    assert [found.temperature, found.gap] == pytest.approx(least_squares(sessions))


def simulated(generator: random.Random) -> list[dict]:
    """Eight sessions of three cases of five visits, each session with a temperature and an energy of its own."""
    sessions = []
    for _ in range(8):
        added, warm = generator.gauss(0, 0.004), generator.uniform(38, 52)
        session: dict = {case: {} for case in CASES}
        for place, case in enumerate(CASES):
            for number in range(1, 6):
                celsius, gap = warm + place + generator.uniform(-4, 4), generator.uniform(0, 0.05)
                told = 6 + place + EXACT.temperature * (celsius - 45) + EXACT.gap * gap
                session[case][number] = (told + added + generator.gauss(0, 0.004), celsius, gap)
        sessions.append(session)
    return sessions


def test_the_slopes_of_simulated_sessions_are_right_on_average_and_their_errors_hold_the_truth():
    generator, times = random.Random(45), 400
    found = [fit(simulated(generator)) for _ in range(times)]
    assert sum(one.temperature for one in found) / times == pytest.approx(0.004, rel=0.05)
    assert sum(one.gap for one in found) / times == pytest.approx(-0.3, rel=0.05)
    for estimate, error, truth in (("temperature", "temperature_error", 0.004), ("gap", "gap_error", -0.3)):
        held = sum(abs(getattr(one, estimate) - truth) <= T_7 * getattr(one, error) for one in found)
        assert 0.90 <= held / times <= 0.99, estimate


def test_fewer_than_three_sessions_have_no_slopes():
    assert fit([]) is None
    assert fit(exact_sessions(2)) is None
    assert fit(exact_sessions(3)) is not None


@pytest.mark.parametrize(
    ("celsius", "gaps"),
    [
        ([45.0, 45.0, 45.0], [0.01, 0.02, 0.04]),
        ([40.0, 45.0, 52.0], [0.02, 0.02, 0.02]),
        ([45.0, 45.0, 45.0], [0.02, 0.02, 0.02]),
        ([40.0, 45.0, 50.0], [0.01, 0.02, 0.03]),  # a gap that rises with the temperature
    ],
)
def test_what_does_not_vary_by_itself_has_no_slopes(celsius, gaps):
    assert fit([{CASES[0]: rows(celsius, gaps)}] * 4) is None


def test_slopes_that_one_session_alone_tells_have_no_errors_and_are_none():
    still = {CASES[0]: rows([45.0, 45.0, 45.0], [0.01, 0.02, 0.04])}
    assert fit([still, still, still, exact_sessions(1)[0]]) is None


def test_energy_at_reference_by_hand():
    slopes = Slopes(0.004, 0.001, 0.5, 0.1)
    assert slopes.at_reference((math.log(100), 55.0, 0.02)) == pytest.approx(math.log(100) - 10 * 0.004 - 0.02 * 0.5)
    assert slopes.at_reference((math.log(100), 45.0, 0.0)) == math.log(100)
    # On average 5 degrees above and 3% of gaps.
    found = slopes.u([(4.6, 48.0, 0.02), (4.7, 52.0, 0.04)])
    assert found == pytest.approx(math.hypot(5 * 0.001, 0.03 * 0.1))
    assert slopes.u([(4.6, 40.0, 0.0), (4.7, 50.0, 0.0)]) == 0


def test_estimates_are_weighed_by_their_inverse_variances():
    # Weights 100 and 25.
    assert weighed([(1.0, 0.1), (2.0, 0.2)]) == pytest.approx((1.2, 1 / math.sqrt(125)))
    assert weighed([(0.004, 0.001)]) == pytest.approx((0.004, 0.001))
    assert weighed([(1.0, 0.1), (2.0, 0.0), (4.0, 0.0)]) == (3.0, 0.0)  # what is exact stands alone


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(1e-3, 1.0)), min_size=1, max_size=5))
def test_a_weighed_mean_lies_among_the_estimates_and_is_surer_than_each(estimates):
    mean, error = weighed(estimates)
    values = [value for value, _ in estimates]
    assert min(values) - 1e-9 <= mean <= max(values) + 1e-9
    assert error <= min(error for _, error in estimates) * (1 + 1e-9)


HERE = Slopes(0.005, 0.001, 0.2, 0.1)
THERE = [Slopes(0.004, 0.001, 0.3, 0.1), Slopes(0.006, 0.001, 0.5, 0.3)]


def test_a_host_of_which_nothing_is_known_has_the_mean_of_others_and_what_they_differ_by():
    found = elsewhere(THERE)
    assert (found.temperature, found.gap) == pytest.approx((0.005, 0.4))
    # Variances of the slopes 2e-6 and 0.02, times 1 + 1/2, and the mean square of their errors halved.
    assert found.temperature_error == pytest.approx(math.sqrt(3e-6 + 1e-6 / 2))
    assert found.gap_error == pytest.approx(math.sqrt(0.03 + (0.01 + 0.09) / 2 / 2))
    assert over_hosts([], THERE) == Slopes(*map(pytest.approx, asdict(found).values()))


def test_a_host_has_its_own_slopes_and_those_of_others_each_as_sure_as_it_is():
    found = over_hosts([HERE], THERE)
    own, others = 1 / 0.1**2, 1 / (0.03 + 0.025)
    assert found.gap == pytest.approx((own * 0.2 + others * 0.4) / (own + others))
    assert found.gap_error == pytest.approx((own + others) ** -0.5)
    assert found.temperature == pytest.approx(0.005)


def test_one_other_host_says_nothing_and_without_any_there_are_no_slopes():
    assert over_hosts([HERE], THERE[:1]) == Slopes(*map(pytest.approx, asdict(HERE).values()))
    assert over_hosts([], THERE[:1]) is None
    assert over_hosts([], []) is None


def run(execution: str, visits: dict[int, tuple[float, float, float]]) -> Run:
    """A run of one case whose visits have an energy, a temperature and a share of gaps."""
    item = measured("fp32", execution, 1.0, 1.0)
    item["extra_info"]["visits"] = [
        {"number": number, "median_ms": 1.0, "energy_mj": math.exp(energy), "temperature_c": warm, "gap_share": gap}
        for number, (energy, warm, gap) in visits.items()
    ]
    return Run(Path("a.json"), (item,), described())


WARM = dict.fromkeys(range(1, 6), (math.log(100), 50, 0.02))


def changed(**visit: object) -> Run:
    """A run of which one visit differs."""
    found = run("graph", WARM)
    found.benchmarks[0]["extra_info"]["visits"][-1] |= visit
    return found


def test_a_runs_visits_are_told_by_energy_temperature_and_gap():
    assert rows_of(run("graph", WARM)) == {CASES[0]: {number: pytest.approx(row) for number, row in WARM.items()}}
    told = at_reference(run("graph", WARM), {"graph": Slopes(0.004, 0.0, 0.5, 0.0)})
    assert told == {CASES[0]: dict.fromkeys(WARM, pytest.approx(math.log(100) - 5 * 0.004 - 0.02 * 0.5))}
    assert at_reference(run("eager", WARM), {"graph": EXACT}) == {}


@pytest.mark.parametrize("conditions", [{"temperature_c": None}, {"gap_share": None}, {"temperature_c": "warm"}])
def test_a_visit_that_does_not_say_its_conditions_leaves_its_case_out(conditions):
    assert rows_of(changed(**conditions)) == {}
    assert at_reference(changed(**conditions), {"graph": EXACT}) == {}


def test_a_visit_without_energy_is_left_out_alone():
    assert list(rows_of(changed(energy_mj=None, temperature_c=None))[CASES[0]]) == [1, 2, 3, 4]


def test_replayed_executions_of_three_sessions_have_slopes_and_others_have_none():
    graph, eager = ([run(name, of[CASES[0]]) for of in exact_sessions(4)] for name in ("graph", "eager"))
    (found,) = slopes_of(graph).values()
    assert (found.temperature, found.gap) == pytest.approx((0.004, -0.3))
    assert slopes_of(graph[:2]) == slopes_of(eager) == {}


@given(json_values)
def test_any_json_is_slopes_or_none(value):
    assert Slopes.from_json(value) is None
    for name in ("temperature", "temperature_error", "gap", "gap_error"):
        found = Slopes.from_json(asdict(HERE) | {name: value})
        is_sound = finite_number(value) is not None and (value >= 0 or not name.endswith("error"))
        assert found == (replace(HERE, **{name: value}) if is_sound else None)


def test_slopes_survive_a_saved_run_and_lacking_ones_or_negative_errors_are_refused():
    assert Slopes.from_json(json.loads(json.dumps(asdict(HERE)))) == HERE
    for name in asdict(HERE):
        assert Slopes.from_json({key: value for key, value in asdict(HERE).items() if key != name}) is None
    for name in ("temperature_error", "gap_error"):
        assert Slopes.from_json(asdict(HERE) | {name: -1e-9}) is None


@pytest.mark.parametrize("odd", [{"temperature_c": 1e6}, {"gap_share": -1e4}, {"gap_share": 1.5}, {"temperature_c": 0}])
def test_a_visit_with_conditions_that_no_board_has_says_nothing(odd):
    visit = {"number": 1, "energy_mj": 100.0, "temperature_c": 45, "gap_share": 0.01}
    assert row_of(SavedVisit.from_json(visit)) == (math.log(100.0), 45, 0.01)
    assert row_of(SavedVisit.from_json(visit | odd)) is None
