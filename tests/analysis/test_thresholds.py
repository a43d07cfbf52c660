"""Every threshold at its edge, and every unit: what decides and what converts, by hand."""

from __future__ import annotations

import itertools
import math
import os
from dataclasses import replace
from types import SimpleNamespace

import psutil
import pytest
import torch

from analysis.report.recommendation import dominated
from benchmarks.instruments.energy.measurement import meter_facts, refuse, require_undisturbed
from benchmarks.instruments.roofline.instrument import roofline
from benchmarks.instruments.validity import validity, visit_state
from benchmarks.loop import Rounds
from benchmarks.machine.readings import (
    Snapshot,
    other_processes,
    others_load,
    pressure_share,
    snapshot,
    steal_share,
)
from benchmarks.meters import MeterError
from benchmarks.meters.power_sensor import instant_power
from benchmarks.policies import ActivityPolicy, CeilingPolicy, EnergyPolicy, TimingPolicy
from benchmarks.steady_state import is_steady
from core.metrics.figures import Figure
from data_prep.datasets.wikitext2 import SPEC
from fixtures.dataset.batches import Batch
from fixtures.dataset.model_tokens import UNKNOWN_TOKENS, are_the_models
from fixtures.device.nvml import Gpu
from fixtures.options import WARMUP_ROUNDS
from fixtures.precisions import PRECISIONS
from fixtures.tasks.language_modeling.paired import perplexity_difference
from fixtures.tasks.language_modeling.perplexity import Scores
from tests.support.described import CATALOGUE, table
from tests.support.fake_nvml import fake_nvml, field_value
from tests.support.saved_runs import measured, with_floor
from tests.support.tiny import ORIGINAL_METADATA, REPOSITORY

CPU = torch.device("cpu")


def moment(time_s: float, busy_s: float = 0.0, own_s: float = 0.0, **more: float | None) -> Snapshot:
    """A machine without a GPU."""
    cpu = {name: more.pop(name, None) for name in ("stolen_cpu_s", "pressure_s")}
    return Snapshot(time_s, busy_s, own_s, **cpu, gpu={}, unknown={}, unreadable={})


def state(time_s: float, **gpu: object) -> Snapshot:
    return replace(moment(time_s), gpu={"sm_clock_mhz": 2000, "compute_pids": [], **gpu})


TIMING, ENERGY, CEILINGS, ACTIVITY = TimingPolicy(), EnergyPolicy(), CeilingPolicy(), ActivityPolicy()
WORDS = {0.5: "half a second", 2: "two", 5: "five", 6: "six"}


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ("latency", f"and rounds until {WORDS[TIMING.shortest_s]} is over on a GPU"),
        ("latency", f"then rounds of {TIMING.warm_up_stretch_s} s until the two halves of them show no trend"),
        ("latency", f"After {TIMING.warm_up_cap_s} s it ends in any case"),
        ("latency", f"On a CPU {WORDS[WARMUP_ROUNDS['cpu']]} rounds."),
        ("latency", f"two {CEILINGS.matrix_side['cuda']:,} x {CEILINGS.matrix_side['cuda']:,} matrices in the dtype"),
        ("latency", f"a copy of {CEILINGS.copied_bytes // 2**20} MiB"),
        ("latency", f"The rounds run for {ACTIVITY.settling_s} s, then for a window of {ACTIVITY.window_s} s"),
        ("latency", f"of {WORDS[ACTIVITY.fewest_rounds]} rounds at least, with a sample at both ends"),
        ("latency", f"reading alone ({ACTIVITY.read_bytes // 2**20} MiB summed over and over"),
        ("energy", f"It lasts {WORDS[ENERGY.counter.ticks]} ticks"),
        ("energy", f"all visits but one together have at least {ENERGY.fewest_ticks} ticks"),
        ("energy", f"one window of {ENERGY.average.window_s:g} s a case after the last visit"),
        ("energy", f"the first {ENERGY.average.settling_s:g} s left out"),
        ("energy", f"mean of {ENERGY.idle_s} s before the first visit of the session and {ENERGY.idle_s} s after"),
        ("energy", f"in the same {ENERGY.cross_check_s} s"),
        ("energy", f"Beyond {ENERGY.largest_dispute:.0%} the `status` is `disputed`"),
        ("energy", f"where the visits scatter by more than {ENERGY.marked_u95:.0%}"),
        ("energy", f"to the last by more than {ENERGY.marked_drift:.0%} and its own interval"),
        ("energy", f"gaps between rounds take more than {ENERGY.marked_gap_share:.0%} of the time"),
        ("energy", f"`THROTTLED` (heat or brake over {ENERGY.longest_throttling:.0%} of a visit)"),
        ("energy", f"`TOO_FEW_TICKS` (below {ENERGY.fewest_ticks} in all)"),
        ("energy", f"`TOO_UNCERTAIN` (beyond {ENERGY.largest_u95:.0%})"),
    ],
)
def test_the_pages_say_for_how_long_and_within_which_limits_a_session_measures(page, sentence):
    assert sentence in words_of(page)


def words_of(page: str) -> str:
    """A page of the documentation, in one line."""
    return " ".join((REPOSITORY / "docs" / f"{page}.md").read_text(encoding="utf-8").split())


def test_the_pages_say_how_far_logits_may_be_apart():
    fp32, fp16 = (f"{PRECISIONS[name].tolerance:.0e}".replace("e-0", "e-") for name in ("fp32", "fp16"))
    assert f"(norms differ by {fp32} in FP32, {fp16} in FP16;" in words_of("latency")


def back_to_back(durations_s: list[float]) -> Rounds:
    ends_s = list(itertools.accumulate(durations_s))
    batch = Batch(torch.ones(1, 1), torch.ones(1, 1), text_tokens=1)
    return Rounds([batch], 0, [0.0, *ends_s[:-1]], ends_s)


@pytest.mark.parametrize(("after_s", "steady"), [(1.0049, True), (1.0051, False), (0.9951, True), (0.9949, False)])
def test_halves_of_a_warm_up_agree_within_half_a_percent(after_s, steady):
    """Without any scatter, so that the intervals of the medians do not overlap."""
    assert is_steady(back_to_back([1.0] * 10 + [after_s] * 10)) is steady


@pytest.mark.parametrize(("slowest_mhz", "valid"), [(1901, True), (1899, False)])
def test_the_clock_may_be_lower_in_one_visit_by_five_percent(slowest_mhz, valid):
    visits = [visit_state(state(0), state(10), {"sm_clock_mhz": clock}) for clock in (2000, slowest_mhz, 1950)]
    assert validity(visits, None)["valid"] is valid


@pytest.mark.parametrize(("share", "valid"), [(0.0099, True), (0.0101, False)])
def test_clocks_may_be_held_down_for_one_percent_of_the_time(share, valid):
    after = state(10, THERMAL_ns=round(share * 10e9))
    assert validity([visit_state(state(0, THERMAL_ns=0), after, {})], None)["valid"] is valid


def test_a_process_counts_user_and_system_time(monkeypatch):
    times = SimpleNamespace(user=3.0, system=2.0)
    monkeypatch.setattr(psutil, "cpu_times", lambda: SimpleNamespace(user=30.0, system=20.0))
    monkeypatch.setattr(psutil, "Process", lambda: SimpleNamespace(cpu_times=lambda: times))
    read = snapshot(CPU)
    assert (read.busy_cpu_s, read.own_cpu_s) == (50.0, 5.0)


RECORD = {"ticks": 20, "rel_u95": 0.3, "energy_per_sample_mj": Figure(100.0)}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"ticks": 19}, "TOO_FEW_TICKS"),
        ({"rel_u95": 0.3001}, "TOO_UNCERTAIN"),
        ({"rel_u95": None}, None),  # of one visit
    ],
)
def test_energy_is_refused_just_beyond_each_limit(changes, code):
    refused = None
    try:
        refuse(RECORD | changes, EnergyPolicy())
    except MeterError as error:
        refused = error.code
    assert refused == code


@pytest.mark.parametrize("policy", ["THERMAL", "BOARD_LIMIT", "RELIABILITY"])
@pytest.mark.parametrize(("share", "code"), [(0.0099, None), (0.0101, "THROTTLED")])
def test_a_window_is_refused_where_clocks_were_held_down(policy, share, code):
    """Power capping is normal on a board that runs at its limit."""
    before = state(0, POWER_ns=0, **{f"{policy}_ns": 0})
    after = state(2, POWER_ns=int(1e9), **{f"{policy}_ns": round(share * 2e9)})
    refused = None
    try:
        require_undisturbed(before, after, EnergyPolicy())
    except MeterError as error:
        refused = error.code
    assert refused == code


def test_a_window_whose_violations_are_not_known_stands():
    require_undisturbed(state(0), state(2, THERMAL_ns=int(2e9)), EnergyPolicy())


def test_facts_of_a_meter_are_in_milliseconds():
    meter = SimpleNamespace(method="counter", scope="gpu", tick_period_s=0.1, read_cost_s=0.003)
    times = {"tick_period_ms": pytest.approx(100), "read_cost_ms": pytest.approx(3)}
    assert meter_facts(meter) == {"method": "counter", "scope": "gpu", **times}
    meter.tick_period_s = meter.read_cost_s = None
    assert meter_facts(meter) == {"method": "counter", "scope": "gpu", "tick_period_ms": None, "read_cost_ms": None}


def test_the_resolution_of_a_power_sensor_is_its_tick_over_the_time(quick_energy):
    board = fake_nvml(nvmlDeviceGetFieldValues=lambda handle, fields: [field_value(0, 100_000)])
    reading = instant_power(Gpu(board, "handle"), quick_energy).measure(0.05)
    elapsed_s = reading.end_s - reading.start_s
    assert reading.rel_u == pytest.approx(0.01 / math.sqrt(6) / elapsed_s)
    assert reading.ticks == round(elapsed_s / 0.01)


def test_the_roofline_in_its_units():
    figures = roofline({"flops": 3_000_000_000, "bytes": 2_000_000}, 6e12, 4e9, latency_ms=1.0)
    assert (figures["forward_gflop"], figures["forward_mb"]) == (3.0, 2.0)
    assert (figures["peak_tflops"], figures["peak_gb_per_s"]) == (6.0, 4.0)
    assert figures["limit_ms"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("vocabulary", "meaningful"), [(50_256, False), (50_257, None), (50_304, None), (50_305, False)]
)
def test_a_vocabulary_padded_to_128_may_be_gpt2s(vocabulary, meaningful):
    found = are_the_models(SPEC, ORIGINAL_METADATA, UNKNOWN_TOKENS, {"vocab_size": vocabulary}.get, "model")
    assert found.value is meaningful


@pytest.mark.parametrize(("vocabulary", "meaningful"), [(50_256, False), (50_257, True), (10**6, True)])
def test_with_gpt2s_end_of_text_there_may_be_any_number_of_rows_more(vocabulary, meaningful):
    says = {"vocab_size": vocabulary, "eos_token_id": 50_256}.get
    assert are_the_models(SPEC, ORIGINAL_METADATA, UNKNOWN_TOKENS, says, "model").value is meaningful


def test_a_sequence_without_a_target_does_not_count_for_an_interval():
    scores = Scores(torch.tensor([2.0, 0.0]), torch.tensor([1, 0]), 0)
    difference = perplexity_difference(scores, scores)["delta_perplexity_vs_fp32"]
    assert difference.reason.startswith("1 sequence with a target is too few")
    enough = replace(scores, nll_nats=torch.tensor([2.0, 3.0]), targets=torch.tensor([1, 1]))
    assert perplexity_difference(enough, enough)["verdict"].value == "equal"


@pytest.mark.parametrize(("median_ms", "beaten"), [(2.985, False), (2.965, True)])
def test_a_benchmark_is_dominated_by_more_than_one_percent(median_ms, beaten):
    frame = table([measured("fp32", "graph", 3.0), measured("fp16", "graph", median_ms)], with_floor(0.0, "graph"))
    assert bool(dominated(frame, CATALOGUE)) is beaten


def test_the_load_of_others_leaves_out_this_process(monkeypatch):
    before, after = moment(0.0, 100.0, 40.0), moment(10.0, 118.0, 50.0)
    # 18 s of all programs less 10 s of this one, in 10 s on each core.
    assert others_load(before, after) == pytest.approx(8 / 10 / os.cpu_count())
    monkeypatch.setattr(os, "cpu_count", lambda: None)  # where Python cannot tell, one
    assert others_load(before, after) == pytest.approx(0.8)
    assert others_load(after, replace(after, time_s=20.0, own_cpu_s=51.0)) == 0  # this process alone, rounded


def test_steal_is_a_share_of_all_cores_and_pressure_one_of_the_time(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    before = moment(0.0, stolen_cpu_s=5.0, pressure_s=1.0)
    after = moment(10.0, stolen_cpu_s=25.0, pressure_s=4.0)
    assert steal_share(before, after) == pytest.approx(20 / 10 / 4)
    assert pressure_share(before, after) == pytest.approx(0.3)
    assert (steal_share(after, replace(after, time_s=20.0)), pressure_share(after, replace(after, time_s=20.0))) == (
        0,
        0,
    )
    for ends in ((moment(0.0), after), (before, moment(10.0))):
        assert (steal_share(*ends), pressure_share(*ends)) == (None, None)


@pytest.mark.parametrize(
    ("pids", "others"),
    [(None, None), ([], 0), ([os.getpid()], 0), ([7], 0), ([7, os.getpid()], 1), ([7, 8], 1), ([7, 8, os.getpid()], 2)],
)
def test_one_process_that_is_not_known_by_its_number_is_this_one(pids, others):
    assert other_processes(state(0, compute_pids=pids)) == others


@pytest.mark.parametrize("end", [0, 1])
def test_another_process_counts_at_either_end_of_the_windows(end):
    states = [state(0), state(2)]
    states[end] = state(2 * end, compute_pids=[os.getpid(), 77])
    with pytest.raises(MeterError) as caught:
        require_undisturbed(*states, EnergyPolicy())
    assert caught.value.code == "OTHER_PROCESS"
