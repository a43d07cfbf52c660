"""Ways to run a forward, as far as a machine without a GPU can tell."""

from __future__ import annotations

import pytest
import torch

from benchmarks.instruments.latency.kernels import kernel_time
from benchmarks.instruments.latency.roofline import (
    forward_work,
    peak_bytes_per_s,
    peak_flops,
    roofline,
)
from benchmarks.instruments.numerics import count_casts, numerics
from benchmarks.loop import ClockError, ForwardLoop, require_positive
from benchmarks.policies import CeilingPolicy
from fixtures.dataset.batches import Batch
from fixtures.executions import EXECUTIONS, CaptureError, Forward, require_same_logits
from fixtures.precisions import PRECISIONS
from tests.tiny import tiny_gpt2

CPU = torch.device("cpu")
IDS = torch.arange(8)[None]
BATCH = Batch(IDS, torch.ones_like(IDS), text_tokens=8)


def casts(context, layers: int = 2) -> int:
    """Casts of the second forward under autocast, when the first has filled its cache."""
    model = tiny_gpt2(n_layer=layers)
    forward = EXECUTIONS["eager"].prepare(model, IDS, BATCH.attention_mask)
    with context, torch.autocast("cpu", dtype=torch.float16):
        forward(IDS, BATCH.attention_mask)
        _, counted = count_casts(forward, BATCH)
    return sum(counted.values())


def test_mixed_keeps_its_casts_of_the_weights():
    precision = PRECISIONS["mixed"]
    model = tiny_gpt2()
    forward = EXECUTIONS["eager"].prepare(model, IDS, BATCH.attention_mask)
    with precision.running(CPU):
        _, first = count_casts(forward, BATCH)
        _, second = count_casts(forward, BATCH)
    # Each layer has four products, each with a weight and a bias; the output layer shares the embedding's weight.
    weights = 2 * 4 * 2 + 1
    assert sum(first.values()) - sum(second.values()) == weights
    assert sum(second.values()) == casts(torch.no_grad())


@pytest.mark.skipif(torch.__version__ < "2.7", reason="PyTorch 2.6 keeps its casts in inference mode too")
def test_inference_mode_would_cast_the_weights_at_every_call():
    assert casts(torch.inference_mode()) - casts(torch.no_grad()) == 2 * 4 * 2 + 1


@pytest.mark.parametrize(
    ("name", "logits"), [("fp32", "torch.float32"), ("fp16", "torch.float16"), ("mixed", "torch.float16")]
)
def test_numerics_names_dtypes_switches_and_casts(name, logits):
    precision = PRECISIONS[name]
    model = tiny_gpt2().to(precision.load_dtype)
    forward = EXECUTIONS["eager"].prepare(model, IDS, BATCH.attention_mask)
    with precision.running(CPU):
        forward(IDS, BATCH.attention_mask)
        observed = numerics(model, forward, BATCH)
    assert observed["parameter_dtypes"] == {str(precision.load_dtype): len(list(model.parameters()))}
    assert observed["logits_dtype"] == logits
    assert observed["float32_matmul_precision"] == "highest"
    assert observed["attention_implementation"] == "sdpa"
    assert (observed["casts"] > 0) is (name == "mixed")


@pytest.mark.parametrize("name", ["graph", "compiled"])
def test_what_needs_cuda_says_so_on_a_cpu(name):
    assert "needs a CUDA device" in EXECUTIONS[name].unavailable_reason(CPU)
    assert EXECUTIONS[name].unavailable_reason(torch.device("cuda")) is None
    assert EXECUTIONS["eager"].unavailable_reason(CPU) is None


def test_logits_that_differ_are_refused_on_text_and_ignored_on_padding():
    expected = torch.tensor([[[3.0, 4.0], [1.0, 1.0]]])
    found = torch.tensor([[[3.0, 4.005], [9.0, 9.0]]])
    mask = torch.tensor([[1, 0]])
    assert require_same_logits(found, expected, mask, 1e-2, "x") == pytest.approx(0.001, rel=1e-4)
    with pytest.raises(
        CaptureError, match=r"x differ from eager ones by 1.00e-03 of their norm; expected at most 1e-04"
    ):
        require_same_logits(found, expected, mask, 1e-4, "x")
    with pytest.raises(CaptureError, match="inf of their norm"):
        require_same_logits(found, expected * torch.nan, mask, 1, "x")
    assert require_same_logits(expected * torch.nan, expected * torch.nan, mask, 1e-4, "x") == 0


def test_flops_are_those_of_the_matrix_products():
    model = tiny_gpt2(n_layer=1)
    forward = EXECUTIONS["eager"].prepare(model, IDS, BATCH.attention_mask)
    with torch.no_grad():
        work = forward_work(model, forward, BATCH, autocast=None)
    tokens, width, vocabulary = 8, 16, 50257
    products = 2 * tokens * (12 * width * width + width * vocabulary)
    attention = 2 * 2 * tokens * tokens * width
    assert work["flops"] == products + attention
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert work["bytes"] == 4 * parameters + 4 * tokens * vocabulary


def test_the_limit_is_the_longer_of_arithmetic_and_traffic():
    work = {"flops": 2_000_000, "bytes": 1000}
    found = roofline(work, flops_per_s=1e9, bytes_per_s=1e9, latency_ms=8.0)
    assert found["limit_ms"] == pytest.approx(2)
    assert found["limited_by"] == "arithmetic"
    assert found["roofline_fraction"] == pytest.approx(0.25)
    assert roofline(work, 1e15, 1e5, 20.0)["limited_by"] == "memory"


def test_ceilings_are_measured_on_this_machine():
    policy = CeilingPolicy(matrix_side={"cpu": 64}, copied_bytes=4096, timed_s=0.001)
    assert 1e6 < peak_flops(torch.float32, CPU, policy) < 1e15
    assert 1e6 < peak_bytes_per_s(CPU, policy) < 1e14


def test_a_cpu_has_no_kernel_time():
    found = kernel_time(lambda: None, CPU)
    assert found["kernel_time_ms"] is None
    assert found["kernel_time_reason"]


@pytest.mark.parametrize("duration_s", [0.0, -1e-9, float("nan")])
def test_a_clock_that_does_not_advance_is_an_error(duration_s):
    with pytest.raises(ClockError, match="expected more than 0"):
        require_positive(duration_s)


def test_a_round_collects_no_garbage_and_leaves_the_collector_as_it_was(monkeypatch):
    import gc

    seen = []
    loop = ForwardLoop(Forward(lambda ids, mask: None, lambda: seen.append(gc.isenabled())), [BATCH], CPU)
    assert loop.timed_round() > 0
    assert seen == [False]
    assert gc.isenabled()
