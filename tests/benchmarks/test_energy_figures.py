"""From windows and rounds to energy per sample, by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.instruments.energy.figures import (
    MeteredWindow,
    energy_drift,
    energy_figures,
    marks,
    net_energy,
    relative_u95,
)
from benchmarks.instruments.energy.instrument import power_series
from benchmarks.instruments.energy.metering import metered_window
from benchmarks.instruments.energy.records import VisitEnergy
from benchmarks.loop import Rounds
from benchmarks.meters import MeterError, Reading
from benchmarks.policies import EnergyPolicy
from core.metrics.figures import Figure

#: Student's t of three degrees of freedom for an interval of 95%, from its table.
T_3 = 3.18245


def rounds(*bounds_s: tuple[float, float]) -> Rounds:
    """Rounds with these beginnings and ends."""
    return Rounds([], 0, [start for start, _ in bounds_s], [end for _, end in bounds_s])


#: Three rounds; between the first two, no forward ran for 0.2 s.
THREE = rounds((0.0, 1.0), (1.2, 2.0), (2.0, 4.0))


@pytest.mark.parametrize(
    ("moment_s", "count"),
    [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (1.1, 1.1), (1.5, 1.5), (2.0, 2.0), (3.0, 2.5), (4.0, 3.0)],
)
def test_a_round_counts_from_the_end_of_the_one_before(moment_s, count):
    assert THREE.until(moment_s) == pytest.approx(count)


def test_rounds_cut_by_an_end_count_by_their_share():
    # Half of the first round, the whole second, half of the third.
    assert THREE.between(0.5, 3.0) == pytest.approx(2.0)
    assert THREE.between(0.0, 4.0) == pytest.approx(3.0)
    assert THREE.between(2.0, 2.5) == pytest.approx(0.25)
    assert rounds((10.0, 12.0)).between(10.5, 11.0) == pytest.approx(0.25)


def laid_out(lengths: list[tuple[float, float]]) -> Rounds:
    """Rounds one after another, each given by the gap before it and its own length."""
    bounds, end_s = [], 0.0
    for gap_s, length_s in lengths:
        bounds.append((end_s + gap_s, end_s + gap_s + length_s))
        end_s = bounds[-1][1]
    return rounds(*bounds)


lengths = st.lists(st.tuples(st.floats(0, 0.5), st.floats(0.001, 1)), min_size=1, max_size=30)
shares = st.lists(st.floats(0, 1), min_size=3, max_size=3)


def moments_in(made: Rounds, parts: list[float]) -> list[float]:
    first_s, last_s = made.start_s[0], made.end_s[-1]
    return [first_s + part * (last_s - first_s) for part in sorted(parts)]


@given(lengths, shares)
def test_rounds_of_adjoining_windows_add_up(lengths, parts):
    made = laid_out(lengths)
    a, b, c = moments_in(made, parts)
    assert made.between(a, b) + made.between(b, c) == pytest.approx(made.between(a, c), abs=1e-6)
    assert 0 <= made.between(a, c) <= len(made) + 1e-6


@pytest.mark.parametrize(
    ("start_s", "end_s", "share"),
    [(0.0, 4.0, 0.05), (1.0, 2.0, 0.2), (1.1, 1.3, 0.5), (1.05, 1.15, 1.0), (2.0, 4.0, 0.0), (0.2, 0.4, 0.0)],
)
def test_a_gap_is_time_in_which_no_round_ran(start_s, end_s, share):
    assert THREE.gap_share(start_s, end_s) == pytest.approx(share, abs=1e-9)


@given(lengths)
def test_gaps_and_rounds_make_up_the_whole_time(lengths):
    made = laid_out(lengths)
    whole_s = made.end_s[-1] - made.start_s[0]
    gaps_s = sum(gap_s for gap_s, _ in lengths[1:])  # the first lies before the first round
    assert made.gap_share(made.start_s[0], made.end_s[-1]) == pytest.approx(gaps_s / whole_s, abs=1e-6)


@pytest.mark.parametrize(
    ("reads_s", "undisturbed"),
    [
        ([], [True, True, True]),
        ([(0.9, 1.1)], [False, True, True]),
        ([(1.05, 1.15)], [True, True, True]),  # in the gap
        ([(1.05, 1.25)], [True, False, True]),
        ([(0.5, 3.0)], [False, False, False]),
        ([(1.5, 2.1)], [True, False, False]),
        ([(3.0, 3.1), (0.1, 0.2)], [False, True, False]),
        ([(-1.0, -0.5), (5.0, 6.0)], [True, True, True]),
        ([(3.9, 9.0)], [True, True, False]),
    ],
)
def test_a_round_is_disturbed_by_a_read_that_overlaps_it(reads_s, undisturbed):
    assert THREE.are_undisturbed(reads_s) == undisturbed


def test_a_window_is_joined_with_the_rounds_that_ran_in_it():
    reading = Reading(start_s=0.5, end_s=3.0, energy_mj=200_000, ticks=25, rel_u=0.01)
    found = metered_window(reading, THREE, batch_size=4, fewest_rounds=2)
    assert found.rounds == pytest.approx(2.0)
    assert found.energy_mj == pytest.approx(200_000 / 2 / 4)
    assert found.loop_ms == pytest.approx(1250)
    assert found.gap_share == pytest.approx(0.2 / 2.5)
    assert (found.power_w, found.window_s, found.ticks, found.rel_u) == (pytest.approx(80), 2.5, 25, 0.01)


def test_the_power_of_a_part_of_a_round_is_not_known():
    reading = Reading(start_s=0.5, end_s=3.5, energy_mj=200_000, ticks=30, rel_u=0.04)
    found = metered_window(reading, THREE, batch_size=4, fewest_rounds=2)
    part = THREE.between(0.5, 3.5)
    assert found.rounds == part
    assert found.rel_u == pytest.approx(math.hypot(0.04, 0.3 * abs(part - round(part)) / part))
    assert found.rel_u > 0.041


def window(energy_mj: float, power_w: float, loop_ms: float = 10.0, **more: float) -> MeteredWindow:
    values = {"gap_share": 0.02, "window_s": 0.5, "rounds": 50.0, "ticks": 5, "rel_u": 0.0}
    return MeteredWindow(energy_mj=energy_mj, loop_ms=loop_ms, power_w=power_w, **values | more)


def idle(power_w: float) -> Reading:
    return Reading(0.0, 1.0, 1000 * power_w, 10, 0.0)


#: Each forward takes one sample and 10 ms: at 200 W these are 2000 mJ.
FOUR = [window(2000, 200), window(2020, 202), window(1980, 198), window(2000, 200)]


def test_figures_by_hand():
    found = energy_figures(FOUR, [idle(100), idle(100)], batch_size=1, tokens_per_forward=50)
    energy_mj = 2000 * (1.01 * 0.99) ** 0.25
    assert found["energy_per_sample_mj"].value == pytest.approx(energy_mj)
    assert found["mean_power_w"] == pytest.approx(200)
    assert found["idle_power_w"] == pytest.approx(100)
    assert found["samples_per_joule"] == pytest.approx(1000 / energy_mj)
    assert found["tokens_per_joule"] == pytest.approx(50_000 / energy_mj)
    assert found["energy_delay_product_mj_ms"] == pytest.approx(energy_mj * 10)
    assert (found["windows"], found["ticks"], found["forwards"], found["window_s"]) == (4, 20, 200, 2.0)
    assert (found["loop_ms"], found["gap_share"]) == pytest.approx((10, 0.02))
    # Logarithms 0, 0.00995, -0.01005, 0, whose mean is -0.000025.
    deviation = math.sqrt((0.00995033**2 + 0.01005034**2 - 4 * 0.000025**2) / 3)
    assert found["rel_u95"] == pytest.approx(T_3 * deviation / 2, rel=1e-4)


def test_tokens_per_joule_count_the_tokens_of_a_sample_not_of_a_forward():
    found = energy_figures(FOUR, [idle(100)], batch_size=5, tokens_per_forward=50)
    assert found["tokens_per_joule"] == pytest.approx(10 * found["samples_per_joule"])


def test_energy_and_time_are_geometric_means_of_the_visits():
    found = energy_figures([window(1000, 200, 5.0), window(4000, 200, 20.0)], [idle(100)], 1, 50)
    assert found["energy_per_sample_mj"].value == pytest.approx(2000)
    assert found["loop_ms"] == pytest.approx(10)
    assert found["energy_delay_product_mj_ms"] == pytest.approx(20_000)


def test_gaps_and_power_are_means_of_the_visits():
    found = energy_figures([window(2000, 190, gap_share=0.1), window(2000, 210, gap_share=0.3)], [idle(100)], 1, 50)
    assert (found["gap_share"], found["mean_power_w"]) == pytest.approx((0.2, 200))


def test_one_visit_has_an_energy_and_no_uncertainty():
    found = energy_figures(FOUR[:1], [idle(100)], 1, 50)
    assert found["energy_per_sample_mj"].value == pytest.approx(2000)
    assert (found["rel_u95"], found["drift_rel"], found["drift_u95_rel"]) == (None, 0, None)
    assert found["energy_per_sample_net_mj"] == Figure(pytest.approx(1000))


def test_net_energy_by_hand():
    # 1000, 1020, 980 and 1000 mJ above 100 W for 10 ms; their standard deviation is sqrt(800 / 3).
    spread_mj = T_3 * math.sqrt(800 / 3) / 2
    net = net_energy(FOUR, [idle(100), idle(100)], batch_size=1)["energy_per_sample_net_mj"]
    assert (net.value, net.reason) == (pytest.approx(1000), None)
    assert (net.low, net.high) == pytest.approx((1000 - spread_mj, 1000 + spread_mj), rel=1e-5)


@pytest.mark.parametrize("readings", [1, 0])
def test_without_both_readings_of_idle_power_net_energy_has_no_interval(readings):
    net = net_energy(FOUR, [idle(100)] * readings, batch_size=1)["energy_per_sample_net_mj"]
    assert (net.low, net.high) == (None, None)
    assert (net.value is None) == (net.reason is not None) == (readings == 0)


def test_half_the_change_of_idle_power_widens_the_interval_of_net_energy():
    # From 98 W to 102 W: an error of 2 W, times 1.96 and 10 ms.
    half_width = math.hypot(T_3 * math.sqrt(800 / 3) / 2, 1.96 * 2 * 10)
    for order in ([idle(98), idle(102)], [idle(102), idle(98)]):
        found = net_energy(FOUR, order, batch_size=1)
        assert found["idle_power_w"] == pytest.approx(100)
        net = found["energy_per_sample_net_mj"]
        assert (net.high - 1000, 1000 - net.low) == pytest.approx((half_width, half_width), rel=1e-5)


def test_a_sample_of_a_batch_bears_its_share_of_idle_power():
    # Four samples in 10 ms: 500 mJ each, of which 100 W for 2.5 ms are idle.
    windows = [window(500, 200)] * 2
    net = net_energy(windows, [idle(99), idle(101)], batch_size=4)["energy_per_sample_net_mj"]
    assert net.value == pytest.approx(250)
    assert net.high - 250 == pytest.approx(1.96 * 1 * 10 / 4)


def test_power_that_is_hardly_above_idle_has_no_net_energy():
    windows = [window(2000, 200), window(2060, 206), window(1940, 194)]
    found = energy_figures(windows, [idle(190), idle(192)], 1, 50)
    reason = "200 W is not clearly above the idle power of 191 W"
    assert found["energy_per_sample_net_mj"] == Figure(None, reason=reason)


def test_half_the_difference_of_idle_before_and_after_stands_for_its_error():
    windows = [window(2000, 200)] * 3  # without any spread
    nets = [net_energy(windows, [idle(before), idle(before + 1)], 1) for before in (198.0, 197.9)]
    values = [net["energy_per_sample_net_mj"].value for net in nets]
    assert values == [None, pytest.approx(16)]  # 1.5 W, 3 x 0.5 W


def test_power_over_time_is_of_the_visits_that_have_a_window():
    known = {"loop_ms": 10.0, "gap_share": 0.0}
    visits = [
        VisitEnergy(energy_mj=Figure(2000.0), window_middle_s=1.5, power_w=200.0, **known),
        VisitEnergy(energy_mj=Figure(None, reason="no window"), **known),
        VisitEnergy(energy_mj=Figure(2020.0), window_middle_s=9.5, power_w=202.0, **known),
    ]
    assert power_series(visits) == [(1.5, 200.0), (9.5, 202.0)]


def test_resolution_adds_to_the_spread_as_errors_do():
    assert relative_u95([5.0] * 4, [0.01] * 4) == pytest.approx(1.96 * 0.01 / 2)
    assert relative_u95([5.0] * 2, [0.03, 0.04]) == pytest.approx(1.96 * math.sqrt((0.03**2 + 0.04**2) / 2 / 2))
    spread = relative_u95([4.9, 5.1, 5.0, 5.0], [0.0] * 4)
    assert spread == pytest.approx(T_3 * math.sqrt((0.0202027**2 + 0.0198026**2) / 3) / 2, rel=1e-3)
    assert relative_u95([4.9, 5.1, 5.0, 5.0], [0.01] * 4) == pytest.approx(math.hypot(spread, 0.0098))
    assert relative_u95([5.0], [0.01]) is None


def test_drift_is_the_rise_of_a_line_through_the_windows():
    assert energy_drift([1.0, 1.01, 1.02, 1.03]) == pytest.approx((0.03 / 1.015, 0), abs=1e-9)
    assert energy_drift([2.0, 2.0, 2.0]) == (0, 0)
    assert energy_drift([2.0, 2.2]) == (pytest.approx(0.2 / 2.1), math.inf)
    assert energy_drift([2.0]) == (0, math.inf)
    # Residuals 1, -2, 1 of the line 1, 2, 3: the slope's standard error is sqrt(6 / 1 / 2), times t(1, .975) and 2 / 2.
    assert energy_drift([2.0, 0.0, 4.0]) == pytest.approx((1.0, 12.7062 * math.sqrt(3)), rel=1e-4)


PLAIN = {"rel_u95": 0.05, "drift_rel": 0.0, "drift_u95_rel": 0.01, "gap_share": 0.1}
SCATTER, DRIFTED, GAPS = "the visits scatter by", "from the first visit to the last", "no forward ran"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"rel_u95": 0.0501}, [SCATTER]),
        ({"rel_u95": None}, ["one window has no spread"]),
        ({"drift_rel": 0.0199}, []),
        ({"drift_rel": 0.0201}, [DRIFTED]),
        ({"drift_rel": -0.0201}, [DRIFTED]),
        ({"drift_rel": 0.03, "drift_u95_rel": 0.04}, []),  # not beyond its own interval
        ({"drift_rel": 0.05, "drift_u95_rel": 0.04}, [DRIFTED]),
        ({"drift_rel": 0.03, "drift_u95_rel": 0.0}, [DRIFTED]),  # exactly on a line
        ({"drift_rel": 0.5, "drift_u95_rel": None}, []),  # of two visits nothing is known of its error
        ({"gap_share": 0.101}, [GAPS]),
        ({"rel_u95": 0.1, "drift_rel": -0.1, "gap_share": 0.2}, [SCATTER, DRIFTED, GAPS]),
    ],
)
def test_what_must_be_known_to_read_a_figure_is_said(changes, expected):
    found = marks(PLAIN | changes, EnergyPolicy())
    assert len(found) == len(expected)
    assert all(words in sentence for words, sentence in zip(expected, found, strict=True))


def test_marks_give_their_figures():
    scatter, drifted, gaps = marks(PLAIN | {"rel_u95": 0.1, "drift_rel": -0.12, "gap_share": 0.25}, EnergyPolicy())
    assert "± 10.0%" in scatter
    assert "-12.0%" in drifted
    assert "25% of the time" in gaps


def test_a_window_in_which_no_round_ran_is_no_energy():
    rounds = Rounds([], 0, start_s=[1.0], end_s=[2.0])
    with pytest.raises(MeterError, match=r"0 rounds ran in the meter's window of 0\.2 s; expected 1") as caught:
        metered_window(Reading(0.2, 0.4, 5.0, 2, 0.0), rounds, batch_size=1, fewest_rounds=1)
    assert caught.value.code == "TOO_FEW_ROUNDS"
