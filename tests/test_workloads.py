"""Prefill and decode: the tokens that generation gives, rounds that begin alike, and what they count."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers

from benchmarks.instruments.generation import Texts, against_fp32, texts_of
from benchmarks.loop import ForwardLoop
from core.case import Case
from data_prep.layout import write_dataset
from fixtures.dataset.batches import ShapedDataset
from fixtures.executions import EXECUTIONS
from fixtures.executions.compilation import compiler_missing_reason
from fixtures.models.checkpoint import read_checkpoint
from fixtures.tasks.language_modeling import TASK
from fixtures.workloads import WORKLOADS
from fixtures.workloads.cache import too_old_reason
from tests.test_suite import extra_info
from tests.tiny import ORIGINAL_METADATA, tiny_gpt2, tiny_tensors

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
DEVICES = [CPU, pytest.param(CUDA, marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"))]
PROMPT = 8
needs_cache = pytest.mark.skipif(too_old_reason() is not None, reason=str(too_old_reason()))


def llama() -> transformers.PreTrainedModel:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 32, "max_position_embeddings": 64}
    config = transformers.LlamaConfig(**sizes, num_attention_heads=2, num_key_value_heads=1, vocab_size=50_257)
    return transformers.LlamaForCausalLM(config).eval()


def prompts(batch_size: int, device: torch.device = CPU) -> ShapedDataset:
    tensors = tiny_tensors()
    full = tensors["attention_mask"][:, :PROMPT].all(dim=1)
    return ShapedDataset(*(tensor[full] for tensor in tensors.values()), batch_size, PROMPT, device)


@needs_cache
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("make", [lambda: tiny_gpt2(n_positions=64), llama], ids=["gpt2", "llama"])
@pytest.mark.parametrize("batch_size", [1, 3])
@torch.no_grad()
def test_the_tokens_are_those_of_transformers_own_generation(make, batch_size, device):
    model, data = make().to(device), prompts(batch_size, device)
    runs = [("eager", "decode"), ("eager", "decode_growing"), *([("graph", "decode")] if device.type == "cuda" else [])]
    for execution, workload in runs:
        forward = EXECUTIONS[execution].prepare(model, data.examples, workload=WORKLOADS[workload])
        found = texts_of(forward, data.batches[:2], 16)
        for number, batch in enumerate(data.batches[:2]):
            expected = model.generate(
                batch.input_ids, attention_mask=batch.attention_mask, max_new_tokens=17, do_sample=False, pad_token_id=0
            )[:, PROMPT + 1 :]
            rows = found.tokens[number * batch_size : (number + 1) * batch_size]
            assert torch.equal(rows[:, : expected.shape[1]], expected.cpu())


@needs_cache
@pytest.mark.parametrize("device", DEVICES)
@torch.no_grad()
def test_every_round_begins_from_the_same_state(device):
    model, data = tiny_gpt2(n_positions=64).to(device), prompts(1, device)
    for name in ("prefill", "decode", "decode_growing"):
        captures = device.type == "cuda" and name != "decode_growing"
        for execution in ("eager", "graph") if captures else ("eager",):
            forward = EXECUTIONS[execution].prepare(model, data.examples, workload=WORKLOADS[name])
            loop = ForwardLoop(forward, data.batches[:1], device)
            first = loop.run_on(data.batches[0]).clone()
            loop.run_rounds(lambda done: done < 200)  # more than the cache has room for, were it not put back
            assert torch.equal(loop.run_on(data.batches[0]), first)
            whole = model(input_ids=data.batches[0].input_ids, use_cache=False).logits[:, -1:]
            if name == "prefill":
                assert torch.allclose(first, whole, atol=1e-5)
            else:
                following = torch.cat([data.batches[0].input_ids, whole.argmax(dim=-1)], dim=1)
                assert torch.allclose(first, model(input_ids=following, use_cache=False).logits[:, -1:], atol=1e-5)


@needs_cache
def test_a_session_of_all_workloads_counts_tokens_and_compares_texts(run_suite, saved_run, tmp_path):
    tiny_gpt2(n_positions=64).save_pretrained(tmp_path / "model")
    result = run_suite(
        "--benchmark-autosave",
        f"--model={tmp_path / 'model'}",
        "--precisions=fp32,int8",
        "--workloads=forward,prefill,decode",
        "--batch-size=2",
    )
    assert result.ret == 0
    names = [item["param"] for item in saved_run()["benchmarks"]]
    assert names == [
        f"{precision}{workload}-eager-b2x16"
        for workload in ("", "-prefill", "-decode")
        for precision in ("fp32", "int8")
    ]
    for name, tokens in (("fp32-prefill", 32), ("fp32-decode", 2)):
        latency = extra_info(saved_run(), f"{name}-eager-b2x16")["latency"]
        assert latency["tokens_per_s"] == pytest.approx(1000 * tokens / latency["mean_ms"])
        assert latency["full_share"] == 1
    decode, prefill = (extra_info(saved_run(), f"int8-{name}-eager-b2x16") for name in ("decode", "prefill"))
    assert decode["generation"]["prompts"] == 2
    assert decode["generation"]["tokens"] == 32
    assert 0 <= decode["generation"]["same_text_as_fp32"] <= 1
    assert decode["generation"]["kl_vs_fp32_nats"] > 0
    fp32 = extra_info(saved_run(), "fp32-decode-eager-b2x16")
    assert fp32["generation"]["kl_vs_fp32_nats"] is fp32["generation"]["same_text_as_fp32"] is None
    assert fp32["generation"]["reason"] == "fp32 is what the others are compared with"
    assert prefill["generation"]["reason"] == "prefill generates no text"
    assert prefill["quality"]["scored_vs_timed"]["reason"].startswith("scoring is of whole sequences")
    cache = 2 * 2 * 16 * 4 * 2 * 17  # keys and values of 2 layers of 16, FP32, 2 sequences, 17 tokens
    logits = 2 * 50_257 * 4
    assert fp32["latency"]["forward_mb"] * 1e6 == pytest.approx(1e6 * fp32["size"]["model_size_mb"] + cache + logits)


@needs_cache
@pytest.mark.skipif(compiler_missing_reason(CPU) is not None, reason="needs a C++ compiler")
def test_generation_is_compiled_before_the_first_visit(run_suite, saved_run, tmp_path):
    tiny_gpt2(n_positions=64).save_pretrained(tmp_path / "model")
    result = run_suite(
        "--benchmark-autosave",
        f"--model={tmp_path / 'model'}",
        "--precisions=fp32",
        "--workloads=prefill,decode",
        "--executions=compiled",
        in_process=False,
    )
    assert result.ret == 0
    for name in ("prefill", "decode"):
        info = extra_info(saved_run(), f"fp32-{name}-compiled-b1x16")
        assert info["numerics"]["difference_from_eager"] < 1e-5
    assert info["generation"]["same_as_eager"] > 0.5


def test_texts_are_compared_by_hand():
    log_p = torch.log_softmax(torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0]]), dim=-1)
    found = Texts(torch.tensor([[1, 2, 3], [1, 2, 4], [5, 2, 3]]), log_p)
    expected = Texts(torch.tensor([[1, 2, 3], [1, 2, 3], [1, 2, 3]]), log_p[[0, 1, 1]])
    figures = against_fp32(found, expected)
    assert figures["same_text_as_fp32"] == 1 / 3
    assert figures["first_difference"] == (2 + 0) / 2
    assert figures["top1_agreement_vs_fp32"] == 2 / 3
    p = float(log_p[0, 0].exp())
    assert figures["kl_vs_fp32_nats"] == pytest.approx((2 * p - 1) * 2 / 3, rel=1e-5)


def checkpoint(folder: Path, model: transformers.PreTrainedModel):
    model.save_pretrained(folder)
    return read_checkpoint(TASK.model, "tiny", folder)


@needs_cache
@pytest.mark.parametrize(
    ("make", "length", "reason"),
    [
        (tiny_gpt2, 32, "decode needs a position behind a prompt of 32 tokens, but the model tiny reads 32"),
        (tiny_gpt2, 31, None),
        (
            lambda: transformers.MambaForCausalLM(
                transformers.MambaConfig(vocab_size=50_257, hidden_size=16, num_hidden_layers=1, state_size=4)
            ),
            16,
            "decode needs a key-value cache of a fixed size, which MambaForCausalLM does not take",
        ),
        (
            lambda: transformers.MistralForCausalLM(
                transformers.MistralConfig(
                    vocab_size=50_257,
                    hidden_size=16,
                    num_hidden_layers=1,
                    num_attention_heads=2,
                    num_key_value_heads=1,
                    intermediate_size=16,
                    sliding_window=4,
                )
            ),
            16,
            "decode does not know the sliding caches of MistralForCausalLM",
        ),
    ],
)
def test_models_that_cannot_generate_are_named(tmp_path, make, length, reason):
    case = Case("fp32", "eager", workload="decode", sequence_length=length)
    found = WORKLOADS["decode"].unavailable_reason(checkpoint(tmp_path / "model", make()), case)
    assert (found is None) if reason is None else found.startswith(reason)


def test_what_cannot_generate_is_skipped_and_the_rest_goes_on(run_suite):
    result = run_suite("--precisions=fp32", "--workloads=forward,decode", "--sequence-length=16")
    assert result.ret == 0  # 32 positions: 16 tokens behind the prompt
    other = Case("fp32", "eager", task="classification", workload="decode")
    assert WORKLOADS["decode"].unavailable_reason(None, other).startswith("decode is of language models")


def test_a_growing_cache_is_eagers_alone_and_has_no_launch_bound_share(run_suite, saved_run):
    options = ("--precisions=fp32", "--workloads=decode_growing", "--sequence-length=16")
    assert run_suite("--benchmark-autosave", *options).ret == 0
    assert extra_info(saved_run(), "fp32-decode_growing-eager-b1x16")["generation"]["same_as_eager"] is None
    graph = Case("fp32", "graph", workload="decode_growing")
    assert "eager runs it" in WORKLOADS["decode_growing"].unavailable_reason(None, graph)


@needs_cache
def test_prompts_are_full_rows_and_there_must_be_enough(run_suite, tmp_path):
    tiny_gpt2(n_positions=64).save_pretrained(tmp_path / "model")
    options = ("--precisions=fp32", "--workloads=prefill", f"--model={tmp_path / 'model'}")
    result = run_suite(*options, "--batch-size=3")
    assert result.ret == 1
    assert "has 2 rows of 16 tokens without padding, which prompts are" in str(result.stdout)
    assert run_suite("--workloads=draw").ret == pytest.ExitCode.USAGE_ERROR


@needs_cache
def test_too_few_positions_for_the_generated_tokens_leave_fewer(run_suite, saved_run, tmp_path):
    write_dataset(tmp_path / "data", tiny_tensors(), ORIGINAL_METADATA)
    tiny_gpt2(n_positions=20).save_pretrained(tmp_path / "model")
    result = run_suite(
        "--benchmark-autosave",
        f"--model={tmp_path / 'model'}",
        f"--dataset-dir={tmp_path / 'data'}",
        "--precisions=fp32",
        "--workloads=decode",
    )
    assert result.ret == 0
    assert extra_info(saved_run(), "fp32-decode-eager-b1x16")["generation"]["tokens"] == 4
