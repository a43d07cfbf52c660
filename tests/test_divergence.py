"""Differences from FP32 against plain float64 code, and what a paired bootstrap says of them."""

from __future__ import annotations

import copy
import io
import math
import random
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.stats
import torch

from benchmarks.instruments.quality.instrument import packed
from fixtures.tasks.language_modeling import TASK, paired, scoring
from fixtures.tasks.language_modeling.divergence import Comparison, compare, divergence_figures
from fixtures.tasks.language_modeling.paired import perplexity_difference, verdict
from fixtures.tasks.language_modeling.perplexity import Scores, other_vocabulary, score
from fixtures.tasks.predictions import Predictions
from fixtures.tasks.task import Scored
from tests.tiny import tiny_gpt2, tiny_tensors


def in_no_context(model) -> Scored:
    return Scored(model, nullcontext)


def compared(model, reference, *tensors) -> Comparison:
    return compare({"other": in_no_context(model)}, in_no_context(reference), *tensors)["other"]


def two_models():
    """A model whose predictions differ between tokens, and one like it."""
    reference = tiny_gpt2()
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.mul_(4)
        other = copy.deepcopy(reference)
        generator = torch.Generator().manual_seed(3)
        for parameter in other.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
    return other, reference


@torch.no_grad()
def plain(model, reference, input_ids, attention_mask):
    """KL and agreement of every target, one sequence at a time, in float64."""
    model, reference = copy.deepcopy(model).double(), copy.deepcopy(reference).double()
    kl, same, rows = [], [], []
    for row, (ids, mask) in enumerate(zip(input_ids, attention_mask, strict=True)):
        text = ids[: int(mask.sum())][None]
        q, p = (torch.log_softmax(m(input_ids=text).logits[0, :-1], dim=-1) for m in (model, reference))
        kl += (p.exp() * (p - q)).sum(-1).tolist()
        same += (p.argmax(-1) == q.argmax(-1)).tolist()  # in float64 no two are equal
        rows += [row] * (text.shape[1] - 1)
    return kl, same, rows


@torch.no_grad()
@pytest.mark.parametrize("chunk", [5, 2048])
def test_divergence_and_agreement_equal_those_of_plain_code(monkeypatch, chunk):
    monkeypatch.setattr(scoring, "POSITIONS_PER_CHUNK", {"cpu": chunk})
    model, reference = two_models()
    tensors = tiny_tensors()
    ids, mask = tensors["input_ids"], tensors["attention_mask"]
    found = divergence_figures(compared(model, reference, ids, mask))
    kl, same, rows = plain(model, reference, ids, mask)
    assert found["kl_vs_fp32_nats"] == pytest.approx(np.mean(kl), rel=1e-4)
    assert found["kl_vs_fp32_max_nats"] == pytest.approx(max(kl), rel=1e-4)
    assert found["kl_vs_fp32_p99_nats"] == pytest.approx(np.quantile(kl, 0.99), rel=1e-4)
    assert found["top1_agreement_vs_fp32"] == np.mean(same)
    assert 0 < np.mean(same) < 1
    by_row = [np.mean([value for value, at in zip(kl, rows, strict=True) if at == row]) for row in range(len(ids))]
    worst = sorted(range(len(ids)), key=lambda row: -by_row[row])[:5]
    assert [sequence["sample"] for sequence in found["worst_sequences"]] == worst
    assert found["worst_sequences"][0]["kl_nats"] == pytest.approx(by_row[worst[0]], rel=1e-4)


@torch.no_grad()
def test_both_sides_are_scored_as_they_are_alone_and_to_the_bit_again():
    model, reference = two_models()
    tensors = tiny_tensors()
    pair = (tensors["input_ids"], tensors["attention_mask"])
    first, second = (compared(model, reference, *pair) for _ in range(2))
    assert torch.equal(first.scores.nll_nats, second.scores.nll_nats)
    assert torch.equal(first.kl_nats, second.kl_nats)
    torch.testing.assert_close(first.scores.nll_nats, score(model, *pair).nll_nats, rtol=1e-6, atol=0)
    torch.testing.assert_close(first.reference.nll_nats, score(reference, *pair).nll_nats, rtol=1e-6, atol=0)


@torch.no_grad()
def test_logits_that_are_not_finite_leave_no_divergence():
    model, reference = two_models()
    model.transformer.ln_f.weight.fill_(math.inf)
    tensors = tiny_tensors()
    found = compared(model, reference, tensors["input_ids"], tensors["attention_mask"])
    assert found.scores.nonfinite_logits > 0
    assert found.reference.nonfinite_logits == 0
    assert divergence_figures(found)["kl_vs_fp32_nats"] is None
    assert perplexity_difference(found.scores, found.reference)["delta_reason"] == "logits are NaN or infinite"


@torch.no_grad()
def test_several_models_go_through_one_pass_and_the_reference_is_computed_once():
    model, reference = two_models()
    third = copy.deepcopy(reference)
    third.transformer.wte.weight.mul_(1.01)
    tensors = tiny_tensors()
    pair = (tensors["input_ids"], tensors["attention_mask"])
    alone = {name: compared(one, reference, *pair) for name, one in (("b", model), ("c", third))}
    forwards = []
    hook = reference.transformer.register_forward_hook(lambda *_: forwards.append(1))
    compared(model, reference, *pair)
    of_one = len(forwards)
    with hook:
        together = compare({"b": in_no_context(model), "c": in_no_context(third)}, in_no_context(reference), *pair)
    assert len(forwards) == 2 * of_one  # as many as for one model, once more
    for name, found in together.items():
        assert torch.equal(found.kl_nats, alone[name].kl_nats)
        assert torch.equal(found.scores.nll_nats, alone[name].scores.nll_nats)
    assert not torch.equal(together["b"].kl_nats, together["c"].kl_nats)


def predictions(candidate: torch.Tensor, reference: torch.Tensor) -> Predictions:
    found = Predictions(torch.device("cpu"))
    found.add(*(torch.log_softmax(logits.float(), dim=-1) for logits in (candidate, reference)))
    return found


@pytest.mark.parametrize("size", [1e-5, 1e-4, 1e-2, 1.0])
def test_small_divergences_are_right_and_never_negative(size):
    generator = torch.Generator().manual_seed(0)
    reference = torch.randn(64, 5000, generator=generator)
    candidate = reference + size * torch.randn(64, 5000, generator=generator)
    p, q = (torch.log_softmax(logits.double(), dim=-1) for logits in (reference, candidate))
    expected = (p.exp() * (p - q)).sum(-1)
    found = predictions(candidate, reference).kl_nats.double()
    assert float(found.min()) >= 0
    assert float(found.mean()) == pytest.approx(float(expected.mean()), rel=1e-2 if size == 1e-5 else 1e-3)


def test_the_plain_sum_in_fp32_would_be_wrong_where_this_one_is_right():
    generator = torch.Generator().manual_seed(0)
    reference = torch.randn(64, 5000, generator=generator)
    candidate = reference + 1e-4 * torch.randn(64, 5000, generator=generator)
    p, q = (torch.log_softmax(logits, dim=-1) for logits in (reference, candidate))
    plain_sum = float((p.exp() * (p - q)).sum(-1).double().mean())
    assert plain_sum != pytest.approx(0.5e-8, rel=0.1)
    assert float(predictions(candidate, reference).kl_nats.double().mean()) == pytest.approx(0.5e-8, rel=0.1)


def test_a_tie_with_fp32s_best_agrees_and_is_counted():
    reference = torch.tensor([[1.0, 3.0, 2.0], [1.0, 3.0, 2.0], [1.0, 3.0, 2.0]])
    candidate = torch.tensor([[3.0, 3.0, 1.0], [3.0, 1.0, 3.0], [0.0, 5.0, 1.0]])
    found = predictions(candidate, reference)
    assert found.same_top.tolist() == [True, False, True]
    assert found.tied.tolist() == [True, True, False]


@pytest.mark.parametrize(("kl", "is_null"), [(0.9e-12, True), (1.1e-12, False), (0.0, True)])
def test_below_what_fp32_can_tell_the_divergence_is_null_with_the_reason(kl, is_null):
    one = scores([10.0], [5])
    flags = torch.tensor([True] * 5)
    found = divergence_figures(
        Comparison(one, one, torch.full((5,), kl), torch.zeros(5).double(), flags, ~flags, torch.zeros(5).long())
    )
    assert (found["kl_vs_fp32_nats"] is None) is is_null
    assert (found["divergence_reason"] or "").startswith("the divergence is below 1e-12 nats") is is_null


def scores(nll, targets) -> Scores:
    return Scores(torch.tensor(nll, dtype=torch.float64), torch.tensor(targets), 0)


def test_equal_losses_are_equal_for_certain():
    found = perplexity_difference(scores([10.0, 20.0, 31.0], [5, 9, 12]), scores([10.0, 20.0, 31.0], [5, 9, 12]))
    assert [found[key] for key in paired.FIGURES] == [0] * 6
    assert found["verdict"] == "equal"


def test_the_difference_by_hand():
    # 2.0 against 1.9 nats a target: exp(2) - exp(1.9), and exp(0.1) - 1.
    found = perplexity_difference(scores([20.0, 40.0], [10, 20]), scores([19.0, 38.0], [10, 20]))
    assert found["delta_perplexity_vs_fp32"] == pytest.approx(math.exp(2) - math.exp(1.9))
    assert found["delta_perplexity_rel"] == pytest.approx(math.expm1(0.1))
    # Every sequence differs by the same amount, so every resample does.
    assert found["delta_perplexity_rel_ci95_low"] == pytest.approx(math.expm1(0.1))
    assert found["verdict"] == "worse"


def test_the_interval_holds_the_true_difference_95_times_in_100():
    generator, true, hits = random.Random(4), 0.002, 0
    for _ in range(120):
        lengths = [generator.randint(5, 120) for _ in range(200)]
        reference = [length * generator.gauss(3, 0.5) for length in lengths]
        changes = [length * true + math.sqrt(length) * generator.gauss(0, 0.02) for length in lengths]
        both = [nll + change for nll, change in zip(reference, changes, strict=True)]
        found = perplexity_difference(scores(both, lengths), scores(reference, lengths))
        hits += found["delta_perplexity_rel_ci95_low"] <= math.expm1(true) <= found["delta_perplexity_rel_ci95_high"]
    assert 105 <= hits <= 120


def test_the_interval_is_that_of_scipys_bootstrap():
    generator = np.random.default_rng(7)
    lengths = generator.integers(1, 120, 150)
    losses = lengths * generator.normal(3, 0.5, (2, 150))

    def difference(nll, reference, targets, axis):
        return np.expm1((nll.sum(axis=axis) - reference.sum(axis=axis)) / targets.sum(axis=axis))

    expected = scipy.stats.bootstrap(
        [*losses, lengths],
        difference,
        paired=True,
        n_resamples=paired.RESAMPLES,
        method="percentile",
        random_state=np.random.default_rng(paired.SEED),
    ).confidence_interval
    found = perplexity_difference(scores(losses[0], lengths), scores(losses[1], lengths))
    assert found["delta_perplexity_rel_ci95_low"] == pytest.approx(expected.low)
    assert found["delta_perplexity_rel_ci95_high"] == pytest.approx(expected.high)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-0.0005, 0.0005, "equal"),
        (0.0002, 0.0009, "equal"),
        (0.002, 0.004, "worse"),
        (-0.004, -0.002, "better"),
        (-0.002, 0.004, "undecided"),
    ],
)
def test_verdicts(low, high, expected):
    assert verdict(low, high) == expected


def test_one_sequence_has_no_interval():
    assert "too few" in perplexity_difference(scores([5.0], [3]), scores([5.0], [3]))["delta_reason"]


@pytest.mark.parametrize(
    ("vocabulary", "meaningful"), [(50_257, True), (50_304, True), (128_256, False), (32_000, False)]
)
def test_a_perplexity_over_other_tokens_means_nothing(vocabulary, meaningful):
    checkpoint = SimpleNamespace(config={"vocab_size": vocabulary})
    assert (other_vocabulary(vocabulary) is None) is meaningful
    assert (TASK.scoring.validity(checkpoint, stand_in=False) is None) is meaningful
    assert "seeded weights" in TASK.scoring.validity(checkpoint, stand_in=True)


def test_packed_scores_are_read_back_without_pickle():
    with np.load(
        io.BytesIO(packed({"nll_nats": np.array([1.5, 2.25]), "targets": np.array([2, 3])})), allow_pickle=False
    ) as found:
        assert (found["nll_nats"].tolist(), found["targets"].tolist()) == ([1.5, 2.25], [2, 3])
        assert (found["nll_nats"].dtype, found["targets"].dtype) == (np.float64, np.int64)
