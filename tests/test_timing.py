"""Latency statistics against numbers worked out by hand, and the loop that is timed."""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.instruments.latency.statistics import latency_statistics
from benchmarks.loop import ForwardLoop
from fixtures.dataset.batches import Batch
from fixtures.executions import EXECUTIONS, Forward, called_with_batch
from tests.tiny import REPOSITORY, tiny_gpt2

#: Folders of the code that a round runs; an environment may lie inside the repository, so that is no criterion.
OWN_FOLDERS = {REPOSITORY / "benchmarks", REPOSITORY / "fixtures"}
durations = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=60)


def test_statistics_of_four_rounds():
    found = latency_statistics([0.004, 0.001, 0.002, 0.003], batch_size=2, text_tokens=50)
    assert found["mean_ms"] == pytest.approx(2.5)
    assert found["std_ms"] == pytest.approx((5 / 3) ** 0.5)
    assert found["median_ms"] == pytest.approx(2.5)
    assert found["p95_ms"] == pytest.approx(3.85)
    assert found["throughput_samples_per_s"] == pytest.approx(8 / 0.010)
    assert found["tokens_per_s"] == pytest.approx(50 / 0.010)
    assert found["ci95_low_ms"] is None
    assert "too few" in found["ci95_reason"]


def test_one_round_has_no_spread():
    found = latency_statistics([0.002], batch_size=1, text_tokens=3)
    assert found["median_ms"] == pytest.approx(2)
    assert found["std_ms"] is None
    assert found["std_reason"]


@given(st.lists(st.floats(1e-6, 1e3), min_size=299, max_size=320))
def test_quantiles_agree_with_the_standard_library(values):
    summary = latency_statistics(values, batch_size=1, text_tokens=1)
    percentiles = statistics.quantiles([1000 * value for value in values], n=100, method="inclusive")
    assert summary["median_ms"] == pytest.approx(percentiles[49])
    assert summary["p95_ms"] == pytest.approx(percentiles[94])
    assert summary["p99_ms"] == pytest.approx(percentiles[98])


@given(durations, st.randoms(use_true_random=False))
def test_the_order_of_rounds_does_not_matter(values, shuffler):
    shuffled = values[:]
    shuffler.shuffle(shuffled)
    first, second = latency_statistics(values, 1, 1), latency_statistics(shuffled, 1, 1)
    assert first == pytest.approx(second)


def called(logits) -> Forward:
    """A forward that calls a function with the batch in place."""
    return called_with_batch(logits, torch.zeros(1), torch.zeros(1))


def batches(count: int) -> list[Batch]:
    return [Batch(torch.tensor([[i]]), torch.ones(1, 1), text_tokens=10 + i) for i in range(count)]


def test_warm_up_counts_up_to_the_first_batch_and_rounds_wrap_around():
    seen: list[int] = []
    loop = ForwardLoop(called(lambda ids, mask: seen.append(int(ids))), batches(4), torch.device("cpu"))
    loop.next_index = -2
    for _ in range(7):
        loop.run_one()
    assert seen == [2, 3, 0, 1, 2, 3, 0]


def test_text_tokens_are_those_of_the_batches_that_the_rounds_read():
    loop = ForwardLoop(called(lambda ids, mask: ids), batches(3), torch.device("cpu"))
    assert loop.text_tokens(0, 4) == 10 + 11 + 12 + 10


def test_a_batch_is_placed_as_a_view_of_the_dataset_not_a_copy():
    data = batches(2)
    loop = ForwardLoop(called(lambda ids, mask: ids), data, torch.device("cpu"))
    loop.place_next()
    assert loop.forward_and_wait().data_ptr() == data[0].input_ids.data_ptr()


def test_while_a_batch_runs_ahead_the_next_one_is_placed():
    events: list[str] = []
    forward = Forward(lambda ids, mask: events.append(f"place {int(ids)}"), lambda: events.append("run"))
    loop = ForwardLoop(forward, batches(3), torch.device("cpu"))
    loop.place_next()
    loop.run_pipelined()
    loop.run_pipelined()
    assert events == ["place 0", "run", "place 1", "run", "place 2"]


def test_of_this_project_only_the_forward_and_the_wait_run_between_the_clock_reads():
    ids = torch.arange(8)[None]
    data = [Batch(ids, torch.ones_like(ids), text_tokens=8)]
    model = tiny_gpt2()
    loop = ForwardLoop(EXECUTIONS["eager"].prepare(model, ids, data[0].attention_mask), data, torch.device("cpu"))
    calls: list[str] = []

    def profile(frame, event, argument):
        if not OWN_FOLDERS & set(Path(frame.f_code.co_filename).parents):
            return  # hypothesis reads the clock too, wherever garbage is collected
        if event == "c_call" and argument is time.perf_counter:
            calls.append("clock")
        elif event == "call":
            calls.append(frame.f_code.co_name)

    with torch.no_grad():
        sys.setprofile(profile)
        try:
            loop.timed_round()
        finally:
            sys.setprofile(None)
    first, second = (index for index, call in enumerate(calls) if call == "clock")
    assert calls[first + 1 : second] == ["forward_and_wait", "run", "logits", "<lambda>"]


def test_each_quantile_has_its_own_interval():
    figures = latency_statistics([0.001 * number for number in range(1, 1001)], batch_size=1, text_tokens=1)
    for quantile, centre in (("p95", 950), ("p99", 990)):
        low, high = figures[f"{quantile}_ci95_low_ms"], figures[f"{quantile}_ci95_high_ms"]
        assert centre - 25 < low < centre < high < centre + 25
    assert 450 < figures["ci95_low_ms"] < 500 < figures["ci95_high_ms"] < 550
