"""The precisions in 8 bits: what is quantized, how it is proved, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.instruments.numerics import require_products
from fixtures.device import requirements
from fixtures.precisions import PRECISIONS, PrecisionError, left_out, named, unavailable_reason
from fixtures.precisions.int8_linear import Int8Linear
from fixtures.precisions.layers import matrix_layers, use_linear_layers
from fixtures.precisions.products import product_kernels
from fixtures.precisions.quantized import with_int8_layers
from fixtures.precisions.storage import bytes_by_storage, checkpoint_bytes, model_bytes
from tests.test_suite import extra_info
from tests.tiny import tiny_gpt2

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
#: A precision that is added later needs no change here.
SHIPPED = ("fp32", "tf32", "fp16", "bf16", "mixed", "mixed_bf16", "int8", "int8_weights", "fp8")
WIDTH, LAYERS = 16, 2
MATRICES = 12 * WIDTH * WIDTH * LAYERS
CHANNELS = (3 + 1 + 4 + 1) * WIDTH * LAYERS
INT8 = replace(PRECISIONS["int8"], load_dtype=torch.float32, cpu_load_dtype=None)


def int8_gpt2() -> torch.nn.Module:
    return with_int8_layers(tiny_gpt2())


def test_linear_layers_change_no_logit():
    model, ids = tiny_gpt2(), torch.arange(12)[None]
    with torch.no_grad():
        expected = model(input_ids=ids).logits
        use_linear_layers(model)
        assert torch.equal(model(input_ids=ids).logits, expected)
    assert {type(layer) for layer in matrix_layers(model).values()} == {torch.nn.Linear}
    assert len(matrix_layers(model)) == 4 * LAYERS


def test_int8_is_what_it_says_by_hand():
    layer = torch.nn.Linear(2, 2)
    layer.weight.data = torch.tensor([[1.27, -0.635], [0.0, 0.0]])
    layer.bias.data = torch.tensor([1.0, 2.0])
    quantized = Int8Linear(layer)
    assert quantized.weight.tolist() == [[127, -64], [0, 0]]  # -63.5 to the nearest even
    assert quantized.weight_scale[0].item() == pytest.approx(0.01)
    # 2.54 is 127 steps of 0.02, 1.0 is 50 of them: 127 x 127 - 50 x 64 = 12,929 steps of 0.0002, and the bias.
    assert quantized(torch.tensor([[2.54, 1.0]]))[0].tolist() == pytest.approx([12929 * 0.0002 + 1, 2.0], rel=1e-5)


@given(seed=st.integers(0, 10**6), rows=st.integers(1, 40), scale=st.floats(1e-6, 1e6))
@settings(max_examples=40, deadline=None)
def test_int8_is_near_the_layer_it_stands_for_whatever_the_scale(seed, rows, scale):
    generator = torch.Generator().manual_seed(seed)
    layer = torch.nn.Linear(32, 16)
    layer.weight.data = torch.randn(16, 32, generator=generator) * scale
    layer.bias.data = torch.randn(16, generator=generator) * scale
    x = torch.randn(rows, 32, generator=generator)
    expected = layer(x)
    assert (Int8Linear(layer)(x) - expected).norm() < 0.03 * expected.norm()


def test_int8_passes_on_what_is_not_finite_and_takes_zeros_and_any_shape():
    layer = Int8Linear(torch.nn.Linear(16, 16))
    bad = torch.zeros(3, 16)
    bad[1, 4], bad[2, 5] = math.nan, math.inf
    finite = torch.isfinite(layer(bad)).all(dim=1)
    assert finite.tolist() == [True, False, False]
    assert layer(torch.zeros(2, 3, 16, dtype=torch.bfloat16)).shape == (2, 3, 16)
    assert layer(torch.zeros(2, 3, 16, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert Int8Linear(torch.nn.Linear(16, 16, bias=False))(torch.zeros(1, 16)).tolist() == [[0.0] * 16]


def test_int8_agrees_with_torchao():
    """torchao divides by 127.5 where this divides by 127: both are within INT8's own error of each other."""
    quantization = pytest.importorskip("torchao.quantization")
    layer = torch.nn.Linear(64, 48).requires_grad_(False)
    ours, x = Int8Linear(layer), torch.randn(20, 64)
    expected = layer(x)
    theirs = torch.nn.Sequential(layer)
    quantization.quantize_(theirs, quantization.Int8DynamicActivationInt8WeightConfig(set_inductor_config=False))
    error = float((ours(x) - expected).norm() / expected.norm())
    assert float((theirs(x) - expected).norm() / expected.norm()) == pytest.approx(error, rel=0.25)


def test_bytes_by_hand_and_the_output_layer_stays_tied():
    model = int8_gpt2()
    others = sum(parameter.numel() for parameter in tiny_gpt2().parameters()) - MATRICES
    assert model_bytes(model) == MATRICES + 4 * CHANNELS + 4 * others
    assert model.lm_head.weight is model.transformer.wte.weight
    assert bytes_by_storage(model) == {"torch.int8": MATRICES, "torch.float32": 4 * (CHANNELS + others)}
    saved, reason = checkpoint_bytes(model)
    assert reason is None
    assert model_bytes(model) < saved < model_bytes(model) + 10_000  # a header beside the tensors


def test_a_checkpoint_of_torchaos_weights_is_taken_apart():
    pytest.importorskip("torchao")
    model = PRECISIONS["int8_weights"].transform(tiny_gpt2())
    replace(PRECISIONS["int8_weights"], load_dtype=torch.float32).verify(model, torch.zeros(1))
    saved, reason = checkpoint_bytes(model)
    assert reason is None
    assert model_bytes(model) < saved < model_bytes(model) + 20_000


@pytest.mark.parametrize(
    ("config", "layers"),
    [
        (
            transformers.LlamaConfig(
                vocab_size=64,
                hidden_size=32,
                intermediate_size=48,
                num_hidden_layers=2,
                num_attention_heads=2,
                num_key_value_heads=1,
            ),
            14,
        ),
        (transformers.DistilBertConfig(vocab_size=64, dim=32, hidden_dim=48, n_layers=2, n_heads=2), 13),
    ],
    ids=["llama", "distilbert"],
)
def test_other_families_are_quantized_but_for_their_last_layer(config, layers):
    classifies = config.model_type == "distilbert"
    kind = transformers.AutoModelForSequenceClassification if classifies else transformers.AutoModelForCausalLM
    model = kind.from_config(config).eval()
    ids = torch.arange(20)[None]
    with torch.no_grad():
        expected = model(input_ids=ids).logits
        quantized = with_int8_layers(model)
        logits = quantized(input_ids=ids).logits
    assert sum(isinstance(module, Int8Linear) for module in quantized.modules()) == layers
    INT8.verify(quantized, logits)
    assert (logits - expected).norm() < 0.1 * expected.norm()
    last = quantized.classifier if classifies else quantized.lm_head
    assert type(last) is torch.nn.Linear


def test_a_model_that_was_not_quantized_or_whose_base_is_another_fails():
    with pytest.raises(PrecisionError, match=r"int8 stores .*c_attn.weight as torch.float32; expected its values in"):
        INT8.verify(tiny_gpt2(), torch.zeros(1))
    with pytest.raises(PrecisionError, match=r"int8 has parameters of \['torch.float32'\]; expected torch.float16"):
        PRECISIONS["int8"].verify(int8_gpt2(), torch.zeros(1, dtype=torch.float16))


def test_nothing_to_quantize_fails():
    with pytest.raises(PrecisionError, match="ModuleList has nothing to quantize"):
        with_int8_layers(torch.nn.ModuleList([torch.nn.Embedding(4, 16)]))
    with pytest.raises(PrecisionError, match="int8 quantized nothing"):
        INT8.verify(torch.nn.ModuleList([torch.nn.Embedding(4, 16)]), torch.zeros(1))


def test_sides_that_no_kernel_takes_are_one_sentence():
    with pytest.raises(PrecisionError, match=r"c_attn has a matrix of 60 x 20; expected multiples of 16"):
        with_int8_layers(tiny_gpt2(n_embd=20))


def test_a_session_with_int8_compares_it_with_fp32(run_suite, saved_run):
    assert run_suite("--benchmark-autosave", "--precisions=fp32,int8").ret == 0
    info = extra_info(saved_run(), "int8-eager-b1x16")
    assert info["quality"]["kl_vs_fp32_nats"] > 1e-9
    assert info["numerics"]["products"]["_int_mm"] == 4 * LAYERS
    assert info["numerics"]["parameter_bytes"]["torch.int8"] == MATRICES
    assert info["size"]["checkpoint_size_mb"] > info["size"]["model_size_mb"]
    assert info["latency"]["forward_gflop"] > 0


def test_a_session_with_a_model_that_cannot_be_quantized_fails_for_that_precision_alone(run_suite, tmp_path):
    tiny_gpt2(n_embd=20).save_pretrained(tmp_path / "odd")
    result = run_suite(f"--model={tmp_path / 'odd'}", "--precisions=fp32,int8")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["The layer *c_attn has a matrix of 60 x 20; expected multiples of 16*", "fp32-eager*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_two_autocasts_on_one_model_do_not_share_their_casts(run_suite, saved_run):
    assert run_suite("--benchmark-autosave", "--precisions=fp32,mixed,mixed_bf16").ret == 0
    fp16, bf16 = (extra_info(saved_run(), f"{name}-eager-b1x16")["quality"] for name in ("mixed", "mixed_bf16"))
    # BF16 rounds to 8 bits, FP16 to 11: the divergence, of second order, is about 64 times as large.
    assert 10 < bf16["kl_vs_fp32_nats"] / fp16["kl_vs_fp32_nats"] < 300


KERNELS = {
    "void cutlass::Kernel2<cutlass_80_tensorop_i16832gemm_s8_64x64_128x6_tn_align16>(…)": 48.0,
    "void cutlass::Kernel2<cutlass_75_tensorop_f16_s1688gemm_f16_128x128_tn_align1>(…)": 1.0,
    "fmha_cutlassF_f32_aligned_64x64_rf_sm80(PyTorchMemEffAttention::AttentionKernel<…>)": 12.0,
    "triton_red_fused__int_mm__to_copy_abs_add_amax_clamp_div_mul_pow_round_tanh_view_5": 12.0,
    "cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16_knob_7_64x128x64_4x1x1": 12.0,
    "void cublasLt::splitKreduce_kernel<32, 16, int, float, float>": 24.0,
}
FP8_KERNEL = "nvjet_sm90_qqtst_128x128_128x6_4x1_v_bz_ovscale_bias_TNT"
FP16_KERNEL = "nvjet_sm90_hsh_160x256_64x4_2x1_v_bz_coopA_TNN"


def test_products_are_told_from_attention_and_from_what_prepares_them():
    assert list(product_kernels(KERNELS).values()) == [48, 1]


@pytest.mark.parametrize(
    ("name", "kernel"),
    [
        ("int8", next(iter(KERNELS))),
        ("int8", "triton_tem_fused__int_mm__to_copy_clamp_div_round_t_1"),
        ("int8", "_int_mm"),
        ("fp8", FP8_KERNEL),
        ("fp8", "sm89_xmma_gemm_e4m3bf16_e4m3f32_f32_tn_n_tilesize64x64x64"),
        ("fp8", "_scaled_mm"),
        ("tf32", "void cutlass::Kernel2<cutlass_80_tensorop_s1688gemm_64x64_32x6_nn_align4>(…)"),
        ("tf32", "sm90_xmma_gemm_f32f32_tf32f32_f32_nn_n_tilesize128x128x32"),
    ],
)
def test_a_format_is_recognized_by_its_kernels_and_no_other_is(name, kernel):
    require_products(PRECISIONS[name], {kernel: 48, FP16_KERNEL: 1}, layers=48)
    with pytest.raises(
        PrecisionError, match=rf"{name} multiplies .* in 47 products .* expected 48.* 2 are {FP16_KERNEL}"
    ):
        require_products(PRECISIONS[name], {kernel: 47, FP16_KERNEL: 2}, layers=48)
    with pytest.raises(PrecisionError, match="none multiplies matrices at all"):
        require_products(PRECISIONS[name], {}, layers=48)


def on_gpu(monkeypatch, capability: tuple[int, int]) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "GPU")
    monkeypatch.setattr(requirements.metadata, "version", lambda _: "0.18.0")


@pytest.mark.parametrize(
    ("capability", "native"),
    [
        ((9, 0), list(SHIPPED)),
        ((8, 9), list(SHIPPED)),
        ((8, 0), ["fp32", "tf32", "fp16", "bf16", "mixed", "mixed_bf16", "int8", "int8_weights"]),
        ((7, 5), ["fp32", "fp16", "mixed", "int8", "int8_weights"]),
        ((7, 0), ["fp32", "fp16", "mixed", "int8_weights"]),
        ((6, 1), ["fp32"]),
    ],
)
def test_all_is_what_a_gpu_has(monkeypatch, capability, native):
    on_gpu(monkeypatch, capability)
    assert [name for name in named("all", CUDA) if name in SHIPPED] == native
    assert named("auto", CUDA) == ("fp32", "fp16", "mixed")
    assert {name for name in left_out(CUDA) if name in SHIPPED} == set(SHIPPED) - set(native)


@pytest.mark.parametrize(
    ("flags", "chosen"),
    [
        ((), ["fp32"]),
        (("avx512_vnni",), ["fp32", "int8"]),
        (("avx512_vnni", "avx512_bf16"), ["fp32", "bf16", "int8"]),
        (("amx_int8", "amx_bf16", "amx_fp16"), ["fp32", "fp16", "mixed", "bf16", "int8"]),
    ],
)
def test_auto_is_what_a_cpu_has(monkeypatch, flags, chosen):
    monkeypatch.setattr(requirements, "cpu_flags", lambda: frozenset(flags))
    assert list(named("auto", CPU)) == chosen


@pytest.mark.parametrize(("flags", "base"), [((), torch.float32), (("avx512_bf16",), torch.bfloat16)])
def test_the_base_of_int8_on_a_cpu_is_bf16_where_that_is_native(monkeypatch, flags, base):
    monkeypatch.setattr(requirements, "cpu_flags", lambda: frozenset(flags))
    assert PRECISIONS["int8"].on(CPU).load_dtype == base
    assert PRECISIONS["int8"].on(CUDA).load_dtype == torch.float16


def test_what_cannot_run_says_why_and_where_it_could(monkeypatch):
    on_gpu(monkeypatch, (8, 0))
    fp8, int8 = PRECISIONS["fp8"], PRECISIONS["int8"]
    assert unavailable_reason(fp8, CUDA, allow_emulated=True) == (
        "fp8 cannot run here: GPU (CUDA capability 8.0) has no full-rate FP8 arithmetic, which begins at 8.9"
    )
    on_gpu(monkeypatch, (7, 0))
    assert "int8 cannot run here" in unavailable_reason(int8, CUDA, allow_emulated=True)
    assert "FP8 is arithmetic of GPUs" in unavailable_reason(fp8, CPU, allow_emulated=True)
    monkeypatch.setattr(requirements, "cpu_flags", lambda: frozenset())
    assert unavailable_reason(int8, CPU, allow_emulated=True) is None
    assert "INT8 would be emulated; --allow-emulated" in unavailable_reason(int8, CPU, allow_emulated=False)


def test_without_torchao_what_needs_it_is_skipped_with_the_command_that_installs_it(run_suite, monkeypatch):
    real = requirements.metadata.version

    def version(name: str) -> str:
        if name == "torchao":
            raise requirements.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(requirements.metadata, "version", version)
    result = run_suite("--precisions=fp32,int8_weights")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["*int8_weights cannot run here: it needs torchao 0.18 or newer, which is not installed*"]
    )
