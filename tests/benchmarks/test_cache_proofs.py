"""Cases whose rounds begin with a cache: what is compared, when, and what becomes of a case that computes otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import transformers

from benchmarks.cache_proofs import CacheProofs
from benchmarks.loop import CachedRound, ForwardLoop
from benchmarks.measured_case import MeasuredCase
from benchmarks.session import Session
from core.case import Case
from core.errors import InputError
from fixtures.dataset.batches import FULL
from fixtures.executions import EXECUTIONS, Forward
from fixtures.executions.cached import UncachedLogits, uncached_logits
from fixtures.executions.eager import eager_forward
from fixtures.workloads import WORKLOADS
from fixtures.workloads.cache import too_old_reason
from fixtures.workloads.kept_state import KeptState
from tests.support.registries import register
from tests.support.saved_runs import extra_info
from tests.support.timed_cases import batches
from tests.support.tiny import tiny_gpt2, tiny_tensors

GROWING = WORKLOADS["decode_growing"]
#: Weights so large that a token more or less moves the logits by more than any tolerance.
SPREAD = {"initializer_range": 0.3}
SENTENCE_END = "of their norm; expected at most 1e-02. Its latency would be that of another computation."
pytestmark = pytest.mark.usefixtures("brief")
needs_cache = pytest.mark.skipif(too_old_reason() is not None, reason=str(too_old_reason()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A GPT-2 whose logits depend on every token."""
    tiny_gpt2(n_positions=64, **SPREAD).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def prompts() -> torch.Tensor:
    """The rows of the tiny dataset that are full, in their order: what visits begin with."""
    tensors = tiny_tensors()
    return tensors["input_ids"][tensors["attention_mask"].all(dim=1)]


def distance(logits: torch.Tensor, expected: torch.Tensor) -> float:
    """||logits - expected|| / ||expected|| in float64, by hand."""
    return float((logits.double() - expected.double()).norm() / expected.double().norm())


@torch.no_grad()
def steps(
    folder: Path, dtype: torch.dtype, prompt: torch.Tensor, number: int
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """The logits of steps behind a prompt, each of which adds its next token again, and those without a cache."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
    filled = model(input_ids=prompt, use_cache=True, logits_to_keep=1)
    token = filled.logits.argmax(dim=-1)
    behind = [
        model(input_ids=token, past_key_values=filled.past_key_values, use_cache=True).logits for _ in range(number)
    ]
    whole = torch.cat([prompt, token], dim=1)
    return behind, model(input_ids=whole, use_cache=False, logits_to_keep=1).logits


def test_both_distances_are_in_the_record(run_suite, saved_run, folder):
    options = ("--precisions=fp32,fp16", "--workloads=forward,decode_growing", f"--model={folder}")
    assert run_suite("--benchmark-autosave", *options, "--rounds=2", "--warmup-rounds=0").ret == 0
    for precision, dtype, tolerance in (("fp32", torch.float32, 1e-5), ("fp16", torch.float16, 1e-2)):
        info = extra_info(saved_run(), f"{precision}-decode_growing-eager-b1x16")
        (step,), whole = steps(folder, dtype, prompts()[:1], 1)
        assert info["cache"] == {
            "difference_from_first": 0.0,
            "difference_from_first_reason": None,
            "difference_from_uncached": pytest.approx(distance(step, whole), rel=1e-6),
            "difference_from_uncached_reason": None,
            "difference_tolerated": tolerance,
        }
        assert info["cache"]["difference_from_uncached"] > 0 or dtype != torch.float32  # sums of another order
        assert [visit["difference_from_first"] for visit in info["visits"]] == [0.0, 0.0]
        forward = extra_info(saved_run(), f"{precision}-eager-b1x16")
        assert forward["cache"]["difference_from_first"] is forward["cache"]["difference_from_uncached"] is None
        assert forward["cache"]["difference_from_uncached_reason"] == "forward has no cache"


@needs_cache
def test_rounds_that_read_one_batch_after_the_other_are_compared_without_a_cache_alone(run_suite, saved_run, folder):
    options = ("--precisions=fp32", "--workloads=prefill", f"--model={folder}")
    assert run_suite("--benchmark-autosave", *options).ret == 0
    cache = extra_info(saved_run(), "fp32-prefill-eager-b1x16")["cache"]
    assert cache["difference_from_first"] is None
    assert cache["difference_from_first_reason"] == "the rounds of prefill read one batch after the other"
    assert 0 <= cache["difference_from_uncached"] < 1e-5


def test_a_precision_that_drifts_fails_where_fp32_does_not(run_suite, saved_run, folder, monkeypatch):
    put_back = KeptState.put_back

    def in_fp32_alone(self: KeptState) -> None:
        if all(tensor.dtype == torch.float32 for tensor in self._read.values()):
            put_back(self)

    monkeypatch.setattr(KeptState, "put_back", in_fp32_alone)
    options = ("--precisions=fp32,fp16", "--workloads=decode_growing", f"--model={folder}")
    result = run_suite("--benchmark-autosave", *options)
    assert result.ret == 1
    # The first round, one of the warm-up, pytest-benchmark's own, and four that are timed.
    behind, _ = steps(folder, torch.float16, prompts()[:1], 7)
    assert (
        "The last round of a visit to fp16-decode_growing-eager-b1x16 gives other logits than the first: they differ "
        f"by {distance(behind[6], behind[0]):.2e} {SENTENCE_END}"
    ) in str(result.stdout)
    assert "Traceback" not in str(result.stdout)
    assert [item["param"] for item in saved_run()["benchmarks"]] == ["fp32-decode_growing-eager-b1x16"]


@needs_cache
def test_an_execution_that_drifts_fails_where_eager_does_not(run_suite, saved_run, folder, monkeypatch):
    def launch(step, examples) -> Forward:
        return replace(eager_forward(step, examples), place=step.fill)  # and no reset

    drifting = replace(EXECUTIONS["compiled"], launch=launch, compile=lambda step, examples: step)
    register(monkeypatch, EXECUTIONS, drifting)
    monkeypatch.setattr("fixtures.executions.execution.compiler_missing_reason", lambda device: None)
    options = ("--precisions=fp32", "--workloads=decode", "--executions=eager,compiled", f"--model={folder}")
    result = run_suite("--benchmark-autosave", *options)
    assert result.ret == 1
    assert "a visit to fp32-decode-compiled-b1x16 gives other logits than the first: they differ by" in str(
        result.stdout
    )
    assert [item["param"] for item in saved_run()["benchmarks"]] == ["fp32-decode-eager-b1x16"]


def test_a_later_visit_that_drifts_takes_the_whole_case_with_it(run_suite, saved_run, folder, monkeypatch):
    drifts = iter([0.0, 0.0, 0.0, 0.5])  # of the two cases' first visits, then their second ones
    monkeypatch.setattr(ForwardLoop, "drift", lambda self: next(drifts))
    options = ("--precisions=fp32,fp16", "--workloads=decode_growing", "--order-seed=1", f"--model={folder}")
    result = run_suite("--benchmark-autosave", *options)
    assert result.ret == 1
    (kept,) = (item["param"] for item in saved_run()["benchmarks"])
    refused = {"fp32-decode_growing-eager-b1x16", "fp16-decode_growing-eager-b1x16"} - {kept}
    result.stdout.fnmatch_lines(
        [
            f"*last round of a visit to {refused.pop()} gives other logits*differ by 5.00e-01 *",
            "*an earlier visit of this case has failed, and none of its figures stands",  # what would follow visits
        ]
    )
    assert result.parseoutcomes()["failed"] == 1


def test_a_precision_that_computes_otherwise_with_its_cache_fails_after_its_visits(
    run_suite, saved_run, folder, monkeypatch
):
    def start(model, example):
        step = GROWING.start(model, example)
        factor = 1.5 if model.dtype == torch.float16 else 1.0
        return replace(step, function=lambda **inputs: factor * step.function(**inputs))

    register(monkeypatch, WORKLOADS, replace(GROWING, start=start))
    options = ("--precisions=fp32,fp16", "--workloads=decode_growing", f"--model={folder}")
    result = run_suite("--benchmark-autosave", *options)
    assert result.ret == 1
    assert (
        "The logits of fp16-decode_growing-eager-b1x16 with its cache differ from those of a forward without one by "
        f"5.00e-01 {SENTENCE_END}"
    ) in str(result.stdout)
    assert [item["param"] for item in saved_run()["benchmarks"]] == ["fp32-decode_growing-eager-b1x16"]


def test_one_prompt_beyond_the_tolerance_is_judged_with_the_others(run_suite, saved_run, folder, monkeypatch):
    """As in a trained SmolLM2-135M in BF16, where one position differs by 0.041 of its norm, and most by under 0.01."""
    first = prompts()[:1]
    factors = {"one": 1.05, "the others": 1.0}

    def start(model, example):
        step, factor = GROWING.start(model, example), [1.0]

        def fill(batch):
            step.fill(batch)
            factor[0] = factors["one" if torch.equal(batch.input_ids, first) else "the others"]

        fill(example)
        rounded = replace(step, function=lambda **inputs: factor[0] * step.function(**inputs), fill=fill)
        return rounded if model.dtype == torch.bfloat16 else step

    register(monkeypatch, WORKLOADS, replace(GROWING, start=start))
    options = ("--precisions=fp32,bf16", "--workloads=decode_growing", f"--model={folder}", "--visits=1")
    result = run_suite("--benchmark-autosave", *options)
    assert result.ret == 0
    cache = extra_info(saved_run(), "bf16-decode_growing-eager-b1x16")["cache"]
    compared = [steps(folder, torch.bfloat16, prompt[None], 1) for prompt in prompts()[:8]]
    (one, whole), others = compared[0], compared[1:]
    behind = torch.cat([1.05 * one[0], *(step for (step,), _ in others)])
    expected = torch.cat([whole, *(without for _, without in others)])
    assert cache["difference_from_uncached"] == pytest.approx(distance(behind, expected), rel=1e-3)
    assert distance(1.05 * one[0], whole) > cache["difference_tolerated"] == 4e-2

    factors["the others"] = 1.06
    result = run_suite(*options)
    assert result.ret == 1
    assert "bf16-decode_growing-eager-b1x16 with its cache differ from those of a forward without one by " in str(
        result.stdout
    )


def test_a_model_that_does_not_pass_is_skipped_and_the_rest_is_measured(run_suite, saved_run, folder, monkeypatch):
    monkeypatch.setattr(KeptState, "put_back", lambda self: None)
    options = ("--precisions=fp32,fp16", "--workloads=forward,decode_growing", f"--model={folder}")
    result = run_suite("--benchmark-autosave", *options)
    assert result.ret == 0
    behind, _ = steps(folder, torch.float32, prompts()[:1], 3)
    assert (
        f"cannot be repeated: round 3 gives logits {distance(behind[2], behind[0]):.2e} of their norm from those of "
    ) in " ".join(str(result.stdout).split())
    assert [item["param"] for item in saved_run()["benchmarks"]] == ["fp32-eager-b1x16", "fp16-eager-b1x16"]


def test_alibi_with_a_cache_of_fixed_size_is_skipped_and_the_rest_is_measured(run_suite, saved_run, tmp_path):
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.FalconConfig(vocab_size=50_257, alibi=True, **sizes)
    transformers.FalconForCausalLM(config).save_pretrained(tmp_path / "model")
    workloads = "--workloads=decode,prefill,decode_growing"
    result = run_suite("--benchmark-autosave", "--precisions=fp32", workloads, f"--model={tmp_path / 'model'}", "-rs")
    assert result.ret == 0
    assert "Traceback" not in str(result.stdout)
    assert [item["param"] for item in saved_run()["benchmarks"]] == ["fp32-decode_growing-eager-b1x16"]


@pytest.fixture
def events(monkeypatch) -> list[str]:
    """What is proved, compiled and visited, in its order."""
    noted: list[str] = []
    prove, visit, compile_case = CacheProofs._proved, Session.visit, MeasuredCase.compile
    keep, drift = MeasuredCase.keep_peak_memory, ForwardLoop.drift
    monkeypatch.setattr(
        CacheProofs, "_proved", lambda self, case, *how: noted.append(f"prove {case.id}") or prove(self, case, *how)
    )
    monkeypatch.setattr(
        Session, "visit", lambda self, case, *how, **more: noted.append("visit") or visit(self, case, *how, **more)
    )
    monkeypatch.setattr(MeasuredCase, "compile", lambda self: noted.append("compile") or compile_case(self))
    monkeypatch.setattr(MeasuredCase, "keep_peak_memory", lambda self: noted.append("peak") or keep(self))
    monkeypatch.setattr(ForwardLoop, "drift", lambda self: noted.append("drift") or drift(self))
    return noted


def test_each_workload_is_proved_once_before_anything_else(run_suite, events, folder):
    workloads = "forward,decode_growing" if too_old_reason() else "forward,decode_growing,decode"
    options = (f"--workloads={workloads}", f"--model={folder}", "--precisions=fp32,fp16", "--rounds=2")
    assert run_suite(*options).ret == 0
    proofs = [f"prove fp32-{name}-eager-b1x16" for name in workloads.split(",")[1:]]
    assert sorted(events[: len(proofs)]) == sorted(proofs)
    assert sum(event.startswith("prove") for event in events) == len(proofs)
    measured = [event for event in events if event in ("visit", "peak", "drift")]
    assert measured == ["visit", "peak", "drift"] * (len(measured) // 3)


def test_the_comparison_of_rounds_is_of_the_last_one_and_runs_no_forward():
    calls: list[int] = []

    def run() -> torch.Tensor:
        calls.append(len(calls))
        return torch.tensor([[[3.0, 4.0 + len(calls) / 1000]]])

    loop = ForwardLoop(Forward(lambda batch: None, run), batches(FULL), torch.device("cpu"), keeps_logits=True)
    assert loop.drift() is None
    loop.first_round = CachedRound(torch.tensor([[[3.0, 4.0]]]), torch.zeros(1, 1))
    loop.run_rounds(lambda done: done < 3)
    assert loop.drift() == pytest.approx(0.003 / 5, rel=1e-3)
    loop.run_rounds(lambda done: done < 2)
    assert loop.drift() == pytest.approx(0.005 / 5, rel=1e-3)
    assert len(calls) == 5


def test_what_is_wrong_with_one_case_is_left_to_that_case():
    def fail(*_, **__):
        raise InputError("The dataset has no rows for it.")

    dataset = SimpleNamespace(shaped=fail)
    proofs = CacheProofs(torch.device("cpu"), {"language_modeling": dataset}, {"language_modeling": None}, {})
    case, other = Case("fp16", "eager", workload="decode_growing"), Case("fp32", "eager")
    with pytest.MonkeyPatch.context() as patch:
        register(patch, WORKLOADS, replace(GROWING, unavailable_reason=lambda *_: None))
        proofs.tell([case, other])
        assert proofs.reason(other) is None
        with pytest.raises(InputError, match="has no rows for it"):
            proofs.reason(case)


def test_the_same_texts_are_run_without_a_cache_once_for_one_model():
    models = [tiny_gpt2(), tiny_gpt2()]
    ran: list[int] = []
    for number, model in enumerate(models):
        model.register_forward_pre_hook(lambda *_, number=number: ran.append(number))
    uncached, ids = UncachedLogits(), torch.arange(8)[None]
    with torch.no_grad():
        first = uncached("fp32", models[0], ids)
        uncached("fp32", models[0], ids.flip(1))
        assert uncached("fp32", models[0], ids.clone()) is first
        assert torch.equal(first, models[0](input_ids=ids, use_cache=False, logits_to_keep=1).logits)
        uncached("fp16", models[1], ids)
    assert ran == [0, 0, 0, 1]  # the third is this test's own


def test_a_session_runs_one_forward_without_a_cache_for_each_precision(run_suite, folder, monkeypatch):
    ran: list[torch.dtype] = []

    def noted(model, texts):
        ran.append(model.dtype)
        return uncached_logits(model, texts)

    monkeypatch.setattr("fixtures.executions.cached.uncached_logits", noted)
    workloads = "decode_growing" if too_old_reason() else "decode_growing,decode"
    options = (f"--workloads={workloads}", f"--model={folder}", "--precisions=fp32,fp16", "--rounds=2")
    assert run_suite(*options).ret == 0
    assert ran == [torch.float32, torch.float16]
