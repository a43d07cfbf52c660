"""Perplexity against plain code that scores one token after another in float64."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from transformers import GPT2LMHeadModel, GraniteConfig, GraniteForCausalLM

from data_prep import stand_in
from fixtures.tasks.language_modeling import scoring
from fixtures.tasks.language_modeling.perplexity import Scores, quality_figures, score
from fixtures.tasks.language_modeling.strided import strided_figures, windows
from tests.tiny import tiny_gpt2, tiny_tensors


@torch.no_grad()
def plain_nll(model: GPT2LMHeadModel, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> list[tuple[float, int]]:
    """Total NLL and targets of each sequence: no batch, no padding, everything in float64."""
    exact = model.double()
    found = []
    for ids, mask in zip(input_ids, attention_mask, strict=True):
        text = ids[: int(mask.sum())]
        logits = exact(input_ids=text[None]).logits[0]
        total = 0.0
        for position in range(1, len(text)):
            scores = logits[position - 1]
            total += float(torch.logsumexp(scores, dim=0) - scores[text[position]])
        found.append((total, max(len(text) - 1, 0)))
    return found


@torch.no_grad()
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("chunk", [7, 4096])
def test_perplexity_equals_that_of_plain_code(monkeypatch, padded, chunk):
    monkeypatch.setattr(scoring, "POSITIONS_PER_CHUNK", {"cpu": chunk})
    monkeypatch.setattr(scoring, "TOKENS_PER_BATCH", {"cpu": 40})
    model = tiny_gpt2()
    for parameter in model.parameters():  # as initialized, all tokens would be nearly as likely
        parameter.mul_(4)
    tensors = tiny_tensors()
    input_ids, attention_mask = tensors["input_ids"], tensors["attention_mask"]
    if not padded:
        full = attention_mask.sum(dim=1) == attention_mask.shape[1]
        input_ids, attention_mask = input_ids[full], attention_mask[full]
    found = score(model, input_ids, attention_mask)
    expected = plain_nll(model, input_ids, attention_mask)
    assert found.targets.tolist() == [targets for _, targets in expected]
    total, targets = (sum(column) for column in zip(*expected, strict=True))
    figures = quality_figures(found)
    assert figures["avg_loss_nats"] == pytest.approx(total / targets, abs=1e-6)
    assert abs(figures["avg_loss_nats"] - math.log(50257)) > 0.1  # the weights do matter
    assert figures["perplexity"] == pytest.approx(math.exp(total / targets), rel=2e-6)
    for mine, (theirs, count) in zip(found.nll_nats.tolist(), expected, strict=True):
        assert mine == pytest.approx(theirs, abs=2e-6 * max(count, 1))


@torch.no_grad()
def test_a_model_that_scales_its_logits_is_scored_by_the_scaled_ones():
    torch.manual_seed(2)
    config = GraniteConfig(
        vocab_size=50257,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        logits_scaling=0.25,
        pad_token_id=0,
    )
    model, tensors = GraniteForCausalLM(config).eval(), tiny_tensors()
    for parameter in model.parameters():
        parameter.mul_(4)
    found = score(model, tensors["input_ids"], tensors["attention_mask"])
    expected = plain_nll(model, tensors["input_ids"], tensors["attention_mask"])
    assert found.nll_nats.tolist() == pytest.approx([nll for nll, _ in expected], rel=1e-5)


@torch.no_grad()
def test_padding_changes_nothing():
    model, tensors = tiny_gpt2(), tiny_tensors()
    input_ids, mask = tensors["input_ids"], tensors["attention_mask"]
    wider = torch.nn.functional.pad
    padded = score(model, wider(input_ids, (0, 8), value=50256), wider(mask, (0, 8)))
    torch.testing.assert_close(padded.nll_nats, score(model, input_ids, mask).nll_nats, rtol=0, atol=1e-5)


@torch.no_grad()
def test_rows_without_a_target_add_nothing():
    model = tiny_gpt2()
    input_ids = torch.full((3, 4), 50256)
    mask = torch.tensor([[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0]])
    found = score(model, input_ids, mask)
    assert found.targets.tolist() == [0, 0, 1]
    assert found.nll_nats[:2].tolist() == [0, 0]
    assert found.nll_nats[2] > 0


def scores(nll: list[float], targets: list[int], nonfinite: int = 0) -> Scores:
    return Scores(torch.tensor(nll, dtype=torch.float64), torch.tensor(targets), nonfinite)


def test_perplexity_weighs_tokens_not_sequences():
    figures = quality_figures(scores([2.0, 9.0], [1, 9]))
    assert figures["avg_loss_nats"] == pytest.approx(1.1)
    assert figures["perplexity"] == pytest.approx(math.exp(1.1))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (scores([math.nan], [3], nonfinite=5), "5 logits are NaN or infinite"),
        (scores([0.0], [0]), "the sequences hold no text target"),
        (scores([3000.0], [1]), "beyond a float"),
    ],
)
def test_what_cannot_be_computed_is_null_with_a_reason(bad, reason):
    figures = quality_figures(bad)
    assert figures["perplexity"] is None
    assert reason in figures["reason"]


@torch.no_grad()
@pytest.mark.parametrize(
    ("tokens", "context", "stride"), [(21, 8, 4), (21, 8, 8), (24, 8, 3), (5, 8, 4), (8, 8, 4), (30, 32, 1)]
)
def test_strided_perplexity_equals_that_of_one_window_after_another(tokens, context, stride):
    model = tiny_gpt2()
    for parameter in model.parameters():
        parameter.mul_(4)
    ids = torch.randint(0, 50257, (tokens,), generator=torch.Generator().manual_seed(1))
    found = strided_figures(model, ids, words=7, context=context, stride=stride)
    exact, total, targets, scored_until = copy.deepcopy(model).double(), 0.0, 0, 1
    for begin in range(0, tokens, stride):
        end = min(begin + context, tokens)
        log_probabilities = torch.log_softmax(exact(input_ids=ids[None, begin:end]).logits[0], dim=-1)
        for position in range(max(scored_until, begin + 1), end):
            total -= float(log_probabilities[position - 1 - begin, ids[position]])
            targets += 1
        scored_until = end
        if end == tokens:
            break
    assert found["targets"] == targets
    assert found["avg_loss_nats"] == pytest.approx(total / targets, abs=1e-6)
    assert found["perplexity"] == pytest.approx(math.exp(total / targets), rel=1e-5)
    assert found["word_perplexity"] == pytest.approx(math.exp(total / 7), rel=1e-4)
    if stride < context:
        assert targets == tokens - 1  # every token but the first, each once


@torch.no_grad()
def test_lm_evaluation_harness_finds_the_same_losses(tiny_model):
    """Skipped where the harness is not installed; `pip install lm-eval` brings it."""
    huggingface = pytest.importorskip("lm_eval.models.huggingface")
    model, tensors = tiny_gpt2(), tiny_tensors()
    found = score(model, tensors["input_ids"], tensors["attention_mask"])
    harness = huggingface.HFLM(
        pretrained=model, tokenizer=stand_in.tokenizer(stand_in.text(0).rows.select(range(5)), 50_256), batch_size=2
    )
    for row, (ids, mask) in enumerate(zip(tensors["input_ids"], tensors["attention_mask"], strict=True)):
        text = ids[: int(mask.sum())].tolist()
        ((loglikelihood, _),) = harness._loglikelihood_tokens([(("", ""), text[:1], text[1:])], disable_tqdm=True)
        assert float(found.nll_nats[row]) == pytest.approx(-loglikelihood, abs=1e-5 * int(found.targets[row]))


@pytest.mark.parametrize(("context", "sizes"), [(64, [8, 8, 4]), (400, [1, 1, 1, 1]), (1000, [1, 1])])
def test_windows_are_read_as_many_at_a_time_as_a_batch_has_tokens_for(context, sizes):
    batches = list(windows(torch.arange(1280), context, context))  # 512 tokens a batch on a CPU, one window at least
    assert [len(batch.input_ids) for batch in batches] == sizes
