"""What a precision means, and where the hardware has it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fixtures.dataset.batches import Batch
from fixtures.device import requirements
from fixtures.device.requirements import BF16, FP16
from fixtures.executions import EXECUTIONS
from fixtures.models import loading as models
from fixtures.models.checkpoint import find_checkpoint
from fixtures.models.loading import load_model
from fixtures.precisions import PRECISIONS, PrecisionError, by_name, emulation_reason
from fixtures.precisions.storage import model_bytes, parameter_count
from fixtures.tasks.language_modeling import TASK
from tests.tiny import tiny_gpt2

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("capability", "fp16", "bf16"),
    [
        ((5, 2), False, False),
        ((5, 3), True, False),
        ((6, 0), True, False),
        ((6, 1), False, False),
        ((6, 2), True, False),
        ((7, 0), True, False),
        ((7, 5), True, False),
        ((8, 0), True, True),
        ((9, 0), True, True),
    ],
)
def test_which_cuda_capability_has_what(capability, fp16, bf16):
    assert FP16.is_on_cuda(capability) is fp16
    assert BF16.is_on_cuda(capability) is bf16


@pytest.mark.parametrize(
    ("flags", "native"), [({"avx2", "f16c"}, False), ({"avx512_fp16"}, True), ({"amx_fp16"}, True)]
)
def test_fp16_on_a_cpu_needs_arithmetic_not_conversion(monkeypatch, flags, native):
    monkeypatch.setattr(requirements, "cpu_flags", lambda: frozenset(flags))
    assert (emulation_reason(PRECISIONS["fp16"], CPU) is None) is native
    assert (emulation_reason(PRECISIONS["mixed"], CPU) is None) is native
    assert emulation_reason(PRECISIONS["fp32"], CPU) is None


@pytest.mark.parametrize(
    ("name", "weights", "logits"),
    [
        ("fp32", torch.float32, torch.float32),
        ("fp16", torch.float16, torch.float16),
        ("mixed", torch.float32, torch.float16),
    ],
)
def test_a_precision_loads_and_computes_in_its_dtypes(tiny_model, name, weights, logits):
    precision = PRECISIONS[name]
    model = load_model(find_checkpoint(TASK.model, str(tiny_model), "auto"), precision, CPU)
    assert type(model).__name__ == "GPT2LMHeadModel"
    ids = torch.zeros(1, 4, dtype=torch.int64)
    mask = torch.ones_like(ids)
    with precision.running(CPU):
        assert not torch.is_grad_enabled()
        batch = Batch(ids, mask, text_tokens=4)
        found = EXECUTIONS["eager"].prepare(model, [batch])(batch)
        precision.verify(model, found)
    assert {parameter.dtype for parameter in model.parameters()} == {weights}
    assert found.dtype == logits
    assert found.shape == (1, 4, 50257)


def test_tf32_is_off_while_running_and_as_it_was_afterwards():
    torch.set_float32_matmul_precision("high")
    try:
        with PRECISIONS["fp32"].running(CPU):
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "high"
        with pytest.raises(PrecisionError, match="TF32 off"):
            PRECISIONS["fp32"].verify(tiny_gpt2(), torch.zeros(1))
    finally:
        torch.set_float32_matmul_precision("highest")


def test_a_precision_that_is_not_what_it_says_is_refused():
    model = tiny_gpt2()
    with pytest.raises(PrecisionError, match=r"fp16 has parameters of \['torch.float32'\]; expected torch.float16"):
        PRECISIONS["fp16"].verify(model, torch.zeros(1, dtype=torch.float16))
    with pytest.raises(PrecisionError, match=r"mixed gives logits of torch.float32; expected torch.float16"):
        PRECISIONS["mixed"].verify(model, torch.zeros(1))


def test_tied_weights_count_once():
    model = tiny_gpt2()
    by_hand = 50257 * 16 + 32 * 16 + 2 * (12 * 16 * 16 + 13 * 16) + 2 * 16
    assert parameter_count(model) == by_hand
    assert model_bytes(model) == 4 * by_hand
    assert model_bytes(model.half()) == 2 * by_hand


@pytest.mark.parametrize(
    ("device", "held_bytes", "collects"), [("cuda", 0, 0), ("cuda", 500_000_000, 1), ("cpu", 0, 1)]
)
def test_garbage_is_collected_where_a_model_may_be_held(monkeypatch, device, held_bytes, collects):
    calls = []
    monkeypatch.setattr(models.gc, "collect", lambda: calls.append("collected"))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: held_bytes)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    models.give_back_memory(torch.device(device))
    assert len(calls) == collects


def test_precisions_have_names_of_their_own_and_one_baseline():
    fp32, fp16 = PRECISIONS["fp32"], PRECISIONS["fp16"]
    assert list(by_name([fp32, fp16])) == ["fp32", "fp16"]
    with pytest.raises(ValueError, match="two precisions are named fp16"):
        by_name([fp32, fp16, fp16])
    with pytest.raises(ValueError, match="0 precisions are the baseline"):
        by_name([fp16])
    with pytest.raises(ValueError, match=r"2 precisions are the baseline \(fp32, fp33\)"):
        by_name([fp32, replace(fp32, name="fp33")])
