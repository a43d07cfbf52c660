"""Every threshold at its edge, and every unit: what decides and what converts, by hand."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch

from analysis.intervals import effective_sample_size
from analysis.metrics import first_edition
from analysis.report.recommendation import dominated
from analysis.table import table
from benchmarks.instruments.energy.measurement import meter_facts, refuse
from benchmarks.instruments.energy.metered_loop import forwards_until
from benchmarks.instruments.energy.meters import MeterError, instant_power
from benchmarks.instruments.latency.roofline import roofline
from benchmarks.instruments.machine.readings import Snapshot, others_load, snapshot
from benchmarks.instruments.machine.validity import validity
from benchmarks.instruments.quality.paired import perplexity_difference
from benchmarks.instruments.quality.perplexity import Scores, perplexity_validity
from benchmarks.policies import CeilingPolicy, EnergyPolicy, TimingPolicy
from benchmarks.steady_state import agree
from data_prep.tokens import is_gpt2_vocabulary
from fixtures.device.nvml import Gpu
from fixtures.precisions import PRECISIONS
from tests.fake_nvml import fake_nvml, field_value
from tests.test_recommendation import measured

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


def state(time_s: float, **gpu: object) -> Snapshot:
    return Snapshot(time_s, 0.0, 0.0, {"sm_clock_mhz": 2000, "compute_pids": [], **gpu}, {})


def test_the_procedure_is_the_documented_one():
    timing, energy, ceilings = TimingPolicy(), EnergyPolicy(), CeilingPolicy()
    assert (timing.warm_up_cap_s, timing.shortest_s, timing.rounds_cap_s) == (0.5, 1.0, 1.2)
    assert (timing.sentinel_rounds, timing.sentinel_s) == (40, 0.5)
    assert (energy.counter.window_s, energy.counter.windows, energy.lead_in_s, energy.phase_s) == (0.3, 7, 0.2, 0.1)
    assert (energy.fewest_ticks, energy.largest_u95, energy.largest_drift) == (20, 0.05, 0.02)
    assert (energy.longest_throttling, energy.largest_dispute) == (0.01, 0.05)
    assert (dict(ceilings.matrix_side), ceilings.copied_bytes) == ({"cuda": 8192, "cpu": 1024}, 256 * 1024**2)
    assert [precision.tolerance for precision in PRECISIONS.values()] == [1e-5, 1e-2, 1e-2]


@pytest.mark.parametrize(("after_s", "same"), [(1.009, True), (1.0125, False), (0.991, True), (0.9875, False)])
def test_blocks_of_rounds_agree_within_one_percent(after_s, same):
    assert agree((1.0, 1980), (after_s, 1980)) is same
    assert agree((1.0, None), (after_s, 1980)) is same  # a clock that only one side knows decides nothing
    assert agree((1.0, 1980), (after_s, None)) is same


def test_a_clock_that_moves_by_more_than_one_percent_is_not_steady():
    assert agree((1.0, 2000), (1.0, 2019))
    assert not agree((1.0, 2000), (1.0, 2025))


@pytest.mark.parametrize(("after_mhz", "valid"), [(1901, True), (1899, False)])
def test_the_clock_may_fall_by_five_percent(after_mhz, valid):
    assert validity(state(0), state(10, sm_clock_mhz=after_mhz), None)["valid"] is valid


@pytest.mark.parametrize(("share", "valid"), [(0.0099, True), (0.0101, False)])
def test_clocks_may_be_held_down_for_one_percent_of_the_time(share, valid):
    after = state(10, THERMAL_ns=round(share * 10e9))
    assert validity(state(0, THERMAL_ns=0), after, None)["valid"] is valid


def test_a_process_counts_user_and_system_time(monkeypatch):
    times = SimpleNamespace(user=3.0, system=2.0)
    monkeypatch.setattr(psutil, "cpu_times", lambda: SimpleNamespace(user=30.0, system=20.0))
    monkeypatch.setattr(psutil, "Process", lambda: SimpleNamespace(cpu_times=lambda: times))
    read = snapshot(CPU)
    assert (read.busy_cpu_s, read.own_cpu_s) == (50.0, 5.0)


RECORD = {"ticks": 20, "drift_rel": 0.0, "drift_u95_rel": 0.01, "rel_u95": 0.05, "energy_per_sample_mj": 100.0}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"ticks": 19}, "TOO_FEW_TICKS"),
        ({"rel_u95": 0.0501}, "TOO_UNCERTAIN"),
        ({"drift_rel": 0.0199}, None),
        ({"drift_rel": -0.0201}, "DRIFT"),
        ({"drift_rel": 0.03, "drift_u95_rel": 0.04}, None),  # not beyond its own interval
    ],
)
def test_energy_is_refused_just_beyond_each_limit(changes, code):
    refused = None
    try:
        assert refuse(RECORD | changes, state(0), state(2), EnergyPolicy()) is None
    except MeterError as error:
        refused = error.code
    assert refused == code


@pytest.mark.parametrize(("share", "code"), [(0.0099, None), (0.0101, "THROTTLED")])
def test_energy_is_refused_where_clocks_were_held_down(share, code):
    before, after = state(0, THERMAL_ns=0, POWER_ns=0), state(2, THERMAL_ns=round(share * 2e9), POWER_ns=int(1e9))
    if code is None:
        assert refuse(RECORD, before, after, EnergyPolicy()) == pytest.approx(0.5)  # the share of power capping
        return
    with pytest.raises(MeterError) as caught:
        refuse(RECORD, before, after, EnergyPolicy())
    assert caught.value.code == code


def test_facts_of_a_meter_are_in_milliseconds():
    meter = SimpleNamespace(tick_period_s=0.1, read_cost_s=0.003)
    assert meter_facts(meter) == {"tick_period_ms": pytest.approx(100), "read_cost_ms": pytest.approx(3)}


def test_the_resolution_of_a_power_sensor_is_its_tick_over_the_time(quick_energy):
    board = fake_nvml(nvmlDeviceGetFieldValues=lambda handle, fields: [field_value(0, 100_000)])
    (reading,) = instant_power(Gpu(board, "handle"), quick_energy).measure(0.05, 1)
    elapsed_s = reading.end_s - reading.start_s
    assert reading.rel_u == pytest.approx(0.01 / math.sqrt(6) / elapsed_s)
    assert reading.ticks == round(elapsed_s / 0.01)


def test_forwards_until_a_moment_count_from_the_first_entry():
    assert forwards_until([0.0, 1.0, 3.0], 0.0) == 0
    assert forwards_until([0.0, 1.0, 3.0], 2.0) == pytest.approx(1.5)


def test_the_roofline_in_its_units():
    figures = roofline({"flops": 3_000_000_000, "bytes": 2_000_000}, 6e12, 4e9, latency_ms=1.0)
    assert (figures["forward_gflop"], figures["forward_mb"]) == (3.0, 2.0)
    assert (figures["peak_tflops"], figures["peak_gb_per_s"]) == (6.0, 4.0)
    assert figures["limit_ms"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("vocabulary", "meaningful"), [(50_256, False), (50_257, True), (50_304, True), (50_305, False)]
)
def test_a_vocabulary_padded_to_128_is_still_gpt2s(vocabulary, meaningful):
    assert perplexity_validity(False, vocabulary)["meaningful"] is meaningful


@pytest.mark.parametrize(
    ("size", "end", "expected"), [(50_257, 50_256, True), (50_257, 0, False), (50_258, 50_256, False)]
)
def test_gpt2s_vocabulary_is_known_by_its_size_and_its_end(size, end, expected):
    class Tokenizer:
        eos_token_id = end

        def __len__(self) -> int:
            return size

    assert is_gpt2_vocabulary(Tokenizer()) is expected


def test_a_sequence_without_a_target_does_not_count_for_an_interval():
    scores = Scores(torch.tensor([2.0, 0.0]), torch.tensor([1, 0]), 0)
    assert perplexity_difference(scores, scores)["delta_reason"].startswith("1 sequence with a target is too few")
    enough = replace(scores, nll_nats=torch.tensor([2.0, 3.0]), targets=torch.tensor([1, 1]))
    assert perplexity_difference(enough, enough)["verdict"] == "equal"


@pytest.mark.parametrize(("median_ms", "beaten"), [(2.985, False), (2.965, True)])
def test_a_benchmark_is_dominated_by_more_than_one_percent(median_ms, beaten):
    frame = table([measured("fp32", "graph", 3.0), measured("fp16", "graph", median_ms)])
    assert bool(dominated(frame, first_edition())) is beaten


def test_neighbours_that_are_alike_are_worth_fewer_values():
    series = [1.0, 1.0, 2.0, 2.0]
    # Deviations -1/2, -1/2, 1/2, 1/2: scatter 1, lagged products 1/4 - 1/4 + 1/4, and 1/4 for four values.
    assert effective_sample_size(series) == pytest.approx(4 * (1 - 0.5) / (1 + 0.5))
    assert effective_sample_size(list(np.tile([1.0, 2.0], 20))) == 40  # alternating values count in full


def test_the_load_of_others_leaves_out_this_process(monkeypatch):
    before, after = Snapshot(0.0, 100.0, 40.0, {}, {}), Snapshot(10.0, 118.0, 50.0, {}, {})
    # 18 s of all programs less 10 s of this one, in 10 s on each core.
    assert others_load(before, after, 10.0) == pytest.approx(8 / 10 / os.cpu_count())
    monkeypatch.setattr(os, "cpu_count", lambda: None)  # where Python cannot tell, one
    assert others_load(before, after, 10.0) == pytest.approx(0.8)


@pytest.mark.parametrize("moment", [0, 1])
def test_another_process_counts_at_either_end_of_the_windows(moment):
    states = [state(0), state(2)]
    states[moment] = state(2 * moment, compute_pids=[os.getpid(), 77])
    with pytest.raises(MeterError) as caught:
        refuse(RECORD, *states, EnergyPolicy())
    assert caught.value.code == "OTHER_PROCESS"
