"""Energy of visits on a board whose every reading is known."""

from __future__ import annotations

import time

import pytest

from tests.support.board import BATCH_SIZE, TICK_S, Benches, Board
from tests.support.fake_nvml import field_value, power_fields


@pytest.fixture
def bench(monkeypatch, quick_energy) -> Benches:
    """Makes a bench for a board."""
    return Benches(monkeypatch, quick_energy)


def test_energy_per_sample_is_the_power_over_the_rate(bench):
    found = bench(Board(busy_w=200, idle_w=50)).measured()
    assert (found["method"], found["scope"], found["windows"]) == ("nvml_energy_counter", "gpu", 4)
    assert found["status"] in ("ok", "marked")  # a busy machine scatters
    assert found["code"] is None
    assert 4 * 5 <= found["ticks"] <= 4 * 10
    assert found["window_s"] == pytest.approx(TICK_S * found["ticks"], rel=0.1)
    seconds_a_sample = found["window_s"] / found["forwards"] / BATCH_SIZE
    assert found["energy_per_sample_mj"] == pytest.approx(1000 * found["mean_power_w"] * seconds_a_sample, rel=0.05)
    assert found["loop_ms"] == pytest.approx(1000 * found["window_s"] / found["forwards"], rel=0.05)
    assert 150 < found["mean_power_w"] <= 215  # nearly always busy
    assert found["idle_power_w"] == pytest.approx(50, rel=0.25)
    for moment in ("before", "after"):
        assert found[f"idle_power_{moment}_w"] == pytest.approx(50, rel=0.5)
    assert found["idle_temperature_c"] == 51
    idle_mj = found["idle_power_w"] * found["loop_ms"] / BATCH_SIZE
    assert found["energy_per_sample_net_mj"] == pytest.approx(found["energy_per_sample_mj"] - idle_mj, rel=0.05)
    assert found["net_ci95_low_mj"] < found["energy_per_sample_net_mj"] < found["net_ci95_high_mj"]
    assert found["tick_period_ms"] == pytest.approx(10, rel=0.1)
    assert found["samples_per_joule"] == pytest.approx(1000 / found["energy_per_sample_mj"])
    assert found["tokens_per_joule"] == pytest.approx(30 * found["samples_per_joule"])
    assert found["cross_check_rel"] is not None
    assert found["cross_check_reason"] is None


def test_the_record_is_of_its_visits(bench):
    made = bench(Board(), visits=3)
    visits = [made.visit() for _ in range(3)]
    found = made.close()
    product = visits[0]["energy_mj"] * visits[1]["energy_mj"] * visits[2]["energy_mj"]
    assert found["energy_per_sample_mj"] == pytest.approx(product ** (1 / 3))
    assert found["mean_power_w"] == pytest.approx(sum(visit["power_w"] for visit in visits) / 3)
    assert found["ticks"] == sum(visit["ticks"] for visit in visits)
    assert found["forwards"] == pytest.approx(sum(visit["window_rounds"] for visit in visits))
    assert found["power_series"] == [(visit["window_middle_s"], visit["power_w"]) for visit in visits]
    moments = [moment for moment, _ in found["power_series"]]
    assert moments == sorted(moments)
    assert moments[-1] < time.perf_counter() - made.case.session_start_s
    assert all(visit["started_s"] < moment for visit, moment in zip(visits, moments, strict=True))


def test_a_visits_window_is_one_of_its_rounds(bench):
    made = bench(Board())
    visit, rounds = made.visit(), made.last.rounds
    assert (visit["energy_reason"], visit["energy_code"], visit["error"]) == (None, None, None)
    assert 5 <= visit["ticks"] <= 10
    assert visit["window_s"] == pytest.approx(TICK_S * visit["ticks"], rel=0.15)
    assert BATCH_SIZE * visit["energy_mj"] / visit["loop_ms"] == pytest.approx(visit["power_w"])  # mJ / ms
    assert 150 < visit["power_w"] * visit["window_s"] / TICK_S / visit["ticks"] < 201  # nearly always busy
    assert visit["window_rounds"] < len(rounds)
    assert visit["window_rounds"] * visit["loop_ms"] == pytest.approx(1000 * visit["window_s"])


@pytest.mark.parametrize(("visits", "ticks"), [(1, 21), (4, 6), (5, 5), (7, 5)])
def test_windows_of_fewer_visits_are_longer(bench, visits, ticks):
    made = bench(Board(), visits=visits)
    assert ticks - 1 <= made.visit()["ticks"] <= ticks + 3  # a tick may be seen late on a busy machine


def test_rounds_that_the_meter_disturbs_are_run_and_not_timed(bench):
    made = bench(Board())
    made.board.reads_s.clear()
    for _ in range(2):
        made.visit()
        visit = made.last
        assert len(visit.timed.durations_s) < len(visit.rounds)
        reads_s = made.board.reads_s
        overlapping = {
            end - start
            for start, end in zip(visit.rounds.start_s, visit.rounds.end_s, strict=True)
            if any(start < read_end and read_start < end for read_start, read_end in reads_s)
        }
        assert overlapping
        assert not overlapping & set(visit.timed.durations_s)


def test_idle_power_is_read_once_before_all_visits_and_once_after_them(bench):
    made = bench(Board(idle_w=50), visits=2)
    other = made.new_case("fp16")
    for _ in range(2):
        made.visit()
        made.visit(other)
        assert made.energy()["idle_power_after_w"] is None
    made.board.idle_w = 90  # now that the board is warm
    first = made.close()
    assert first["idle_power_before_w"] == pytest.approx(50, rel=0.25)
    assert first["idle_power_after_w"] == pytest.approx(90, rel=0.25)
    assert first["idle_power_w"] == pytest.approx((first["idle_power_before_w"] + first["idle_power_after_w"]) / 2)
    made.board.idle_w = 180
    second = made.close(other)
    for name in ("idle_power_w", "idle_power_before_w", "idle_power_after_w"):
        assert second[name] == first[name]


def test_before_the_last_visit_the_record_is_of_those_made(bench):
    made = bench(Board(), visits=3, fewest_ticks=4)
    first = made.visit()
    found = made.energy()
    assert found["windows"] == 1
    assert found["energy_per_sample_mj"] == pytest.approx(first["energy_mj"])
    assert (found["rel_u95"], found["idle_power_after_w"]) == (None, None)
    made.visit()
    assert made.energy()["windows"] == 2


def test_a_cross_check_that_disagrees_is_disputed(bench):
    found = bench(Board(nvmlDeviceGetFieldValues=lambda handle, fields: [field_value(0, 400_000)])).measured()
    assert found["status"] == "disputed"
    assert found["marks"].startswith("counter and integrated power differ by +")
    assert found["reason"] is None  # it is given
    assert found["cross_check_rel"] == pytest.approx(400 / 200 - 1, rel=0.3)
    assert found["energy_per_sample_mj"] > 0


def test_on_a_superchip_the_counter_is_the_modules_and_so_is_what_it_is_compared_with(bench):
    """The module draws 200 W while the GPU in it draws 120 W: a comparison with the GPU's power would be disputed."""
    powers = power_fields(f186_s0=120_000, f186_s1=200_000)
    made = bench(Board(busy_w=200, nvmlDeviceGetFieldValues=powers), largest_dispute=0.15)
    found = made.measured()
    assert found["scope"] == "module"
    assert found["status"] in ("ok", "marked")
    assert abs(found["cross_check_rel"]) < 0.15


def test_the_cross_check_is_made_once_and_stands_for_every_case(bench):
    read = []

    def power(handle: object, fields: object) -> list:
        read.append(time.perf_counter())
        return [field_value(0, 400_000)]

    made = bench(Board(nvmlDeviceGetFieldValues=power), visits=2)
    other = made.new_case("fp16")
    for run in (made.case, other):
        made.visit(run)
        made.visit(run)
    first = made.close()
    made_by = len(read)
    second = made.close(other)
    assert len(read) == made_by
    assert (first["status"], second["status"]) == ("disputed", "disputed")
    assert first["cross_check_rel"] == second["cross_check_rel"]


def test_without_a_second_meter_there_is_no_cross_check(bench):
    found = bench(Board(nvmlDeviceGetFieldValues=lambda handle, fields: [field_value(3, 0)])).measured()
    assert found["status"] in ("ok", "marked")
    assert found["cross_check_rel"] is None
    assert "NVML_ERROR_NOT_SUPPORTED" in found["cross_check_reason"]
