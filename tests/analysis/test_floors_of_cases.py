"""A case's floor: its own sessions, drawn to those of other hosts and of other cases."""

from __future__ import annotations

import math
import random
import statistics

import pytest

from analysis.uncertainty.conditions import Conditions
from analysis.uncertainty.noise_floor import PRIOR_FREEDOM, Floor, Key, NoiseFloor, Pooled, Series
from analysis.uncertainty.repeat import repeat, spread_of_visits
from core.case import Case
from core.executions import USUAL

FP16, FP32 = Case("fp16", "graph"), Case("fp32", "graph")
A_GPU = Conditions("a GPU", "580.1", "2.11", 2)


def series(host: str, spreads: dict[Case, tuple[float, int]], figure: str = "latency") -> Series:
    """A series with the standard deviation and the degrees of freedom of each case."""
    floors = {
        Key(case.execution, figure, case.id): Floor(session, session, freedom, "")
        for case, (session, freedom) in spreads.items()
    }
    return Series(host, max(freedom for _, freedom in spreads.values()) + 1, "", floors)


def test_a_case_that_its_host_measured_is_drawn_to_what_other_hosts_and_other_cases_say():
    here, there = series("a", {FP16: (0.01, 9)}), series("b", {FP16: (0.02, 5), FP32: (0.03, 5)})
    found = NoiseFloor(A_GPU, (here, there)).of(FP16, "latency", "a", USUAL)
    elsewhere = (4 * 0.03**2 + 5 * 0.02**2) / 9
    assert found.session == pytest.approx(math.sqrt((4 * elsewhere + 9 * 0.01**2) / 13))
    assert found.degrees_of_freedom == 13
    assert found.source == "10 sessions of a GPU and 6 on other hosts"


def test_a_case_that_other_hosts_measured_has_the_freedom_that_hosts_leave():
    floor = NoiseFloor(A_GPU, (series("a", {FP16: (0.01, 9)}), series("b", {FP16: (0.02, 4)})))
    found = floor.of(FP16, "latency", "c", USUAL)
    assert found.session == pytest.approx(math.sqrt((9 * 0.01**2 + 4 * 0.02**2) / 13))
    assert found.degrees_of_freedom == PRIOR_FREEDOM == 4
    assert found.visits == pytest.approx(math.sqrt((0.0001 + 0.0004) / 2))
    assert found.source == "15 sessions of a GPU on 2 hosts"


def test_a_case_that_nobody_measured_has_that_of_its_execution_and_says_so():
    floor = NoiseFloor(A_GPU, (series("a", {FP16: (0.01, 2), FP32: (0.02, 2)}),))
    found = floor.of(Case("bf16", "graph"), "latency", "a", USUAL)
    assert found.session == pytest.approx(math.sqrt((0.0001 + 0.0004) / 2))
    assert found.degrees_of_freedom == 2  # of three sessions, which all cases share
    assert found.source == "3 sessions of a GPU, of other cases of graph"
    assert floor.of(FP16, "energy", "a", USUAL) is None


def test_what_is_not_replayed_stays_on_its_host():
    case = Case("fp16", "eager")
    floor = NoiseFloor(A_GPU, (series("a", {case: (0.01, 9)}), series("b", {case: (0.02, 9)})))
    assert floor.of(case, "latency", "a", USUAL).session == 0.01
    assert floor.of(case, "latency", "c", USUAL) is None


def test_visits_of_a_case_are_drawn_to_those_of_the_other_cases():
    by_case = {FP16: {1: 0.0, 2: 0.02}, FP32: {1: 0.0, 2: 0.04}, Case("fp32", "eager"): {1: 0.0, 2: 9.0}}
    found = spread_of_visits(by_case, FP16)
    assert found == Pooled(pytest.approx((1 * 0.0008 + 1 * 0.0002) / 2), 2, None)
    assert spread_of_visits({FP16: {1: 0.0}}, FP16) is None
    alone = spread_of_visits({FP16: {1: 0.0, 2: 0.02}}, FP16)
    assert alone == Pooled(pytest.approx(0.0002), 1, None)  # nothing to be drawn to


@pytest.mark.parametrize("sessions", [0, 3, 10])
def test_floors_hold_cases_whose_spreads_differ_from_host_to_host(sessions):
    """Spreads of hosts and cases are drawn from what the rule supposes; other hosts, and sessions of one's own."""
    generator, held, times = random.Random(4), 0, 1500

    def sd(case: Case) -> float:
        scale = {FP16: 0.004, FP32: 0.002}[case]
        return scale * math.sqrt(4 / (2 * generator.gammavariate(2, 1)))  # scaled inverse chi-square of 4

    def measured(deviations: dict[Case, float], count: int) -> dict[Case, tuple[float, int]]:
        values = {case: [generator.gauss(0, value) for _ in range(count)] for case, value in deviations.items()}
        return {case: (statistics.stdev(of_case), count - 1) for case, of_case in values.items()}

    for _ in range(times):
        hosts = [series(str(number), measured({case: sd(case) for case in (FP16, FP32)}, 8)) for number in range(4)]
        here = {case: sd(case) for case in (FP16, FP32)}
        hosts += [series("here", measured(here, sessions))] if sessions else []
        floor = NoiseFloor(A_GPU, tuple(hosts)).of(FP16, "latency", "here", USUAL)
        one, other = (repeat([generator.gauss(0, here[FP16])], Pooled(0.0, 8, None), floor) for _ in range(2))
        held += abs(one.centre - other.centre) <= one.half_width()
    assert 0.93 <= held / times <= 0.99
