"""A quantized precision over FP32 weights: proved, sized and compared with the real FP32, not with itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks.instruments.roofline.instrument import weight_bytes
from fixtures.device import requirements
from fixtures.precisions import PRECISIONS, Precision, PrecisionError, emulation_reason, unavailable_reason
from fixtures.precisions.storage import model_bytes, parameter_count, storage_of
from tests.test_suite import extra_info
from tests.tiny import tiny_gpt2
from tests.toy_int8 import INT8, quantize

LAYERS, WIDTH = 2, 16
QUANTIZED = LAYERS * 12 * WIDTH * WIDTH  # values in the blocks' four matrices
MATRICES = LAYERS * 4
OTHERS = 50257 * WIDTH + 32 * WIDTH + LAYERS * 13 * WIDTH + 2 * WIDTH
LOGITS = torch.zeros(1)


def test_a_run_compares_it_with_fp32_and_shows_what_it_stores(run_suite, saved_run, monkeypatch):
    monkeypatch.setitem(PRECISIONS, "int8_toy", INT8)
    assert run_suite("--benchmark-autosave", "--precisions=fp32,int8_toy").ret == 0
    info = extra_info(saved_run(), "int8_toy-eager-b1x16")
    assert info["quality"]["kl_vs_fp32_nats"] > 1e-9  # against itself it would be 0
    assert info["quality"]["delta_perplexity_vs_fp32"] != 0
    assert info["size"]["model_size_mb"] == pytest.approx((QUANTIZED + 4 * (OTHERS + MATRICES)) / 1e6)
    assert info["size"]["parameters"] == QUANTIZED + OTHERS
    stored = info["numerics"]["parameter_dtypes"]
    assert stored["ToyInt8(torch.int8, torch.float32)"] == MATRICES
    logits_mb = 4 * 16 * 50257 / 1e6
    assert info["latency"]["forward_mb"] == pytest.approx(info["size"]["model_size_mb"] + logits_mb)


def test_bytes_are_those_stored_and_tied_weights_count_once():
    model = quantize(tiny_gpt2())
    assert model.transformer.h[0].attn.c_attn.weight.dtype == torch.float32  # what a subclass claims
    assert model_bytes(model) == QUANTIZED + 4 * (OTHERS + MATRICES)
    assert parameter_count(model) == QUANTIZED + OTHERS
    assert weight_bytes(model, autocast=None) == QUANTIZED + 4 * (OTHERS + MATRICES)
    # Autocast casts what is whole and floating; a quantized weight is read as it is stored.
    assert weight_bytes(model, autocast=torch.float16) == QUANTIZED + 4 * MATRICES + 2 * OTHERS


def test_buffers_are_held_but_not_read_as_weights():
    model = torch.nn.Linear(3, 5)
    model.register_buffer("table", torch.zeros(7))
    assert model_bytes(model) == 4 * (3 * 5 + 5 + 7)
    assert weight_bytes(model, autocast=None) == 4 * (3 * 5 + 5)


def test_two_views_of_one_storage_both_count():
    model = torch.nn.Module()
    both = torch.zeros(10)
    model.left, model.right = torch.nn.Parameter(both[:4]), torch.nn.Parameter(both[4:])
    assert model_bytes(model) == 40


def test_the_precision_holds_for_a_quantized_model_and_for_no_other():
    INT8.verify(quantize(tiny_gpt2()), LOGITS)
    with pytest.raises(PrecisionError, match=r"int8_toy stores .*c_attn.weight as torch.float32; expected .*int8"):
        INT8.verify(tiny_gpt2(), LOGITS)
    with pytest.raises(PrecisionError, match=r"fp32 has parameters of \['ToyInt8.*expected torch.float32 alone"):
        PRECISIONS["fp32"].verify(quantize(tiny_gpt2()), LOGITS)


def test_a_precision_that_quantized_nothing_fails():
    with pytest.raises(PrecisionError, match="int8_toy quantized nothing: the model has no matrix layer"):
        INT8.verify(torch.nn.Embedding(2, 2), LOGITS)


def test_weights_are_shared_with_the_baseline_only_where_both_are_loaded_alike():
    fp32 = PRECISIONS["fp32"]
    assert PRECISIONS["mixed"].has_weights_of(fp32)
    assert not INT8.has_weights_of(fp32)
    assert not PRECISIONS["fp16"].has_weights_of(fp32)


def test_exactly_one_precision_is_the_baseline():
    assert [name for name, precision in PRECISIONS.items() if precision.is_baseline] == ["fp32"]


def test_a_precision_of_another_dtype_has_to_say_what_it_requires():
    with pytest.raises(ValueError, match=r"bf16 computes in torch\.bfloat16 and requires nothing"):
        Precision("bf16", "no requirement given", torch.bfloat16)


def test_arithmetic_that_a_cpu_lacks_is_a_sentence(monkeypatch):
    fp8 = requirements.Arithmetic("FP8", cuda_from=(8, 9))
    precision = Precision("fp8", "eight bits", torch.float8_e4m3fn, requires=(fp8,))
    assert "FP8 is arithmetic of GPUs, and the device under test is a CPU" in emulation_reason(
        precision, torch.device("cpu")
    )
    assert not fp8.is_on_cuda((8, 0))
    assert fp8.is_on_cuda((8, 9))
    monkeypatch.setattr(requirements.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(requirements, "cpu_flags", lambda: frozenset({"asimdhp"}))
    assert requirements.FP16.missing_reason(torch.device("cpu")) is None
    assert "none of bf16" in requirements.BF16.missing_reason(torch.device("cpu"))


def test_what_is_stored_is_named():
    assert storage_of(torch.zeros(1, dtype=torch.float16)) == "torch.float16"
    assert storage_of(quantize(tiny_gpt2()).transformer.h[0].mlp.c_fc.weight) == "ToyInt8(torch.int8, torch.float32)"


@pytest.mark.parametrize(
    ("package", "missing"),
    [
        (requirements.Package("torch", "1.0"), None),
        (requirements.Package("torch", "99.1"), "it needs torch 99.1 or newer, and "),
        (
            requirements.Package("no-such-package", "1.2"),
            "it needs no-such-package 1.2 or newer, which is not installed",
        ),
    ],
)
def test_a_package_that_is_missing_is_a_sentence_with_the_command_that_installs_it(package, missing):
    reason = package.missing_reason(torch.device("cpu"))
    assert reason is None if missing is None else reason.startswith(missing)
    assert missing is None or reason.endswith(f"`python -m pip install '{package.name}>={package.from_version}'`")


def test_what_cannot_be_emulated_does_not_run_where_emulation_is_allowed():
    def reason(*requires: object, allow_emulated: bool = True) -> str | None:
        precision = Precision("fp99", "ninety-nine bits", torch.float16, requires=requires)
        return unavailable_reason(precision, torch.device("cpu"), allow_emulated)

    emulated = requirements.Arithmetic("FP99", (99, 0), x86_flags=("fp99",), arm_flags=("fp99",))
    package = requirements.Package("no-such-package", "1.2")
    impossible = replace(emulated, emulated_on=frozenset({"cuda"}))
    assert reason(emulated) is None
    assert "so FP99 would be emulated; --allow-emulated runs it anyway" in reason(emulated, allow_emulated=False)
    assert reason(impossible).endswith("so FP99 cannot run")
    assert "no-such-package" in reason(package)
    assert "no-such-package" in reason(emulated, package)  # what is allowed hides no other reason


@pytest.mark.parametrize("one", [{"transform": lambda model: model}, {"weights": torch.int8}])
def test_a_transform_names_what_it_stores_and_the_other_way_round(one):
    with pytest.raises(ValueError, match=r"odd has \w+ and no \w+; expected both"):
        Precision("odd", "half of a quantized precision", torch.float32, **one)
