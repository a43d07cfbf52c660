"""Ways to run a forward, as far as a machine without a GPU can tell."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
import torch

from benchmarks.instruments.numerics import numerics, watched_forward
from benchmarks.instruments.roofline.instrument import (
    forward_work,
    peak_bytes_per_s,
    peak_flops,
    roofline,
)
from benchmarks.kernels import profiled_kernels
from benchmarks.loop import ForwardLoop
from benchmarks.policies import CeilingPolicy
from fixtures.dataset.batches import Batch, ShapedDataset
from fixtures.executions import EXECUTIONS, CaptureError, require_same_logits
from fixtures.precisions import PRECISIONS
from fixtures.workloads.attention import mask_left_out
from tests.tiny import tiny_gpt2

CPU = torch.device("cpu")
IDS = torch.arange(8)[None]
BATCH = Batch(IDS, torch.ones_like(IDS), text_tokens=8)


def casts(context, layers: int = 2) -> int:
    """Casts of the second forward under autocast, when the first has filled its cache."""
    model = tiny_gpt2(n_layer=layers)
    forward = EXECUTIONS["eager"].prepare(model, [BATCH])
    with context, torch.autocast("cpu", dtype=torch.float16):
        forward(BATCH)
        _, counted, *_ = watched_forward(forward, BATCH)
    return sum(counted.values())


def test_mixed_keeps_its_casts_of_the_weights():
    precision = PRECISIONS["mixed"]
    model = tiny_gpt2()
    forward = EXECUTIONS["eager"].prepare(model, [BATCH])
    with precision.running(CPU):
        _, first, *_ = watched_forward(forward, BATCH)
        _, second, *_ = watched_forward(forward, BATCH)
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
    forward = EXECUTIONS["eager"].prepare(model, [BATCH])
    with precision.running(CPU):
        forward(BATCH)
        observed = numerics(model, forward, BATCH)
    assert observed["parameter_dtypes"] == {str(precision.load_dtype): len(list(model.parameters()))}
    assert observed["logits_dtype"] == logits
    assert observed["float32_matmul_precision"] == "highest"
    assert observed["attention_implementation"] == "sdpa"
    assert (observed["casts"] > 0) is (name == "mixed")


def test_what_needs_cuda_says_so_on_a_cpu():
    assert "needs a CUDA device" in EXECUTIONS["graph"].unavailable_reason(CPU)
    assert EXECUTIONS["graph"].unavailable_reason(torch.device("cuda")) is None
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
    forward = EXECUTIONS["eager"].prepare(model, [BATCH])
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


def loop_of(execution: str, batches: list[Batch], model: torch.nn.Module) -> ForwardLoop:
    return ForwardLoop(EXECUTIONS[execution].prepare(model, batches), batches, batches[0].input_ids.device)


def test_eager_reads_the_batch_in_place():
    model = tiny_gpt2()
    other = Batch(IDS.flip(1), torch.tensor([[1] * 5 + [0] * 3]), text_tokens=5)
    loop = loop_of("eager", [BATCH, other], model)
    with torch.no_grad():
        for batch in (other, BATCH):
            expected = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
            assert torch.equal(loop.run_on(batch), expected)


@pytest.mark.parametrize(("tokens", "variant"), [(8, "full"), (7, "padded")])
def test_a_batch_is_full_where_every_token_is_text(tokens, variant):
    assert Batch(IDS, torch.ones_like(IDS), text_tokens=tokens).variant == variant


def test_without_a_mask_a_full_batch_gets_the_same_logits_and_the_attention_is_as_before():
    model = tiny_gpt2()
    left_padded = torch.tensor([[0] * 2 + [1] * 6])
    with torch.no_grad():
        expected = model(input_ids=IDS, attention_mask=BATCH.attention_mask).logits
        with mask_left_out(model):
            assert torch.equal(model(input_ids=IDS, attention_mask=left_padded).logits, expected)
        assert model.config._attn_implementation == "sdpa"
        assert not torch.equal(model(input_ids=IDS, attention_mask=left_padded).logits, expected)
        model.set_attn_implementation("eager")
        with mask_left_out(model):
            assert not torch.equal(model(input_ids=IDS, attention_mask=left_padded).logits, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("name", ["fp32", "fp16", "mixed"])
def test_a_graph_does_what_eager_does_for_each_variant(name):
    """The same bits, and the same kernels but those that look at the mask, which a capture cannot."""
    precision, device = PRECISIONS[name], torch.device("cuda", 0)
    model = tiny_gpt2().eval().to(device=device, dtype=precision.load_dtype)
    ids, length = torch.randint(0, 50257, (6, 32), device=device), torch.tensor([32, 20, 32, 9, 32, 31], device=device)
    shaped = ShapedDataset(ids, (torch.arange(32, device=device) < length[:, None]).long(), ids, 1, 32, device)
    with precision.running(device):
        eager, graph = (
            ForwardLoop(EXECUTIONS[execution].prepare(model, shaped.examples), shaped.batches, device)
            for execution in ("eager", "graph")
        )
        for batch in shaped.batches:
            assert torch.equal(graph.run_on(batch), eager.run_on(batch).clone())
        for example in shaped.examples:
            of_eager, of_graph = (
                Counter(profiled_kernels(partial(loop.run_on, example), device).names) for loop in (eager, graph)
            )
            assert not of_graph - of_eager
            rest = of_eager - of_graph
            assert sum(rest.values()) <= 8
            assert all(any(part in kernel for part in ("reduce_kernel", "copy", "elementwise")) for kernel in rest)
