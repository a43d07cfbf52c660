"""Speed-ups of scoring give the same figures, and leave the model as it was."""

from __future__ import annotations

import pytest
import torch
from transformers import masking_utils

from fixtures.tasks.language_modeling.fast_paths import faster_output_layer, without_mask
from fixtures.tasks.language_modeling.perplexity import score, score_batches
from fixtures.tasks.language_modeling.scoring import Scorer, target_batches
from tests.tiny import tiny_gpt2, tiny_tensors


def test_gpt2_is_scored_without_asking_whether_a_mask_is_needed_and_is_then_as_it_was(monkeypatch):
    body, ids = tiny_gpt2().base_model, tiny_tensors()["input_ids"]
    with torch.no_grad():
        expected = body(ids, use_cache=False).last_hidden_state
        monkeypatch.setattr(masking_utils, "find_packed_sequence_indices", lambda _: pytest.fail("the GPU was asked"))
        with without_mask(body):
            found = body(ids, use_cache=False).last_hidden_state
    assert torch.equal(found, expected)
    with pytest.raises(ZeroDivisionError), without_mask(body):
        raise ZeroDivisionError
    assert body.config._attn_implementation == "sdpa"


def test_a_model_that_computes_its_attention_otherwise_keeps_its_masks():
    body = tiny_gpt2().base_model
    body.set_attn_implementation("eager")
    with without_mask(body):
        assert body.config._attn_implementation == "eager"
    with without_mask(torch.nn.Identity()):
        pass


def test_added_columns_have_no_share_in_the_softmax():
    torch.manual_seed(0)
    layer = torch.nn.Linear(16, 50_257, bias=False)
    features = torch.randn(5, 16)
    logits = faster_output_layer(layer.half(), "cuda", torch.float16)(features.half())
    assert logits.shape == (5, 50_304)
    assert torch.isfinite(logits).all()
    found = torch.log_softmax(logits, dim=-1, dtype=torch.float32)[:, :50_257]
    expected = torch.log_softmax(layer(features.half()), dim=-1, dtype=torch.float32)
    assert torch.allclose(found, expected, rtol=0, atol=2e-3)  # FP16 has three digits
    assert float(found.exp().sum(dim=-1).min()) == pytest.approx(1, abs=1e-5)


def test_added_columns_are_not_counted_where_logits_are_not_finite():
    layer = faster_output_layer(torch.nn.Linear(4, 10, bias=False).half(), "cuda", torch.float16)
    broken = torch.full((1, 3, 4), torch.nan, dtype=torch.float16)
    scorer = Scorer(lambda _: broken, layer, vocabulary=10, tokens_per_batch=8, positions_per_chunk=2)
    ids = torch.ones(1, 4, dtype=torch.int64)
    scores = score_batches(scorer, lambda: target_batches(ids, torch.ones_like(ids), 8), count=1)
    assert scores.nonfinite_logits == 3 * 10


def test_a_model_that_tells_no_hidden_states_is_scored_as_a_whole():
    class Silent(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.base_model = tiny_gpt2()

        def get_output_embeddings(self):
            return self.base_model.lm_head

        def forward(self, **given):
            found = self.base_model(**given)
            found.hidden_states = None
            return found

    tensors = tiny_tensors()
    pair = tensors["input_ids"], tensors["attention_mask"]
    with torch.no_grad():
        assert torch.allclose(score(Silent(), *pair).nll_nats, score(tiny_gpt2(), *pair).nll_nats, rtol=1e-6)


def test_scoring_leaves_the_model_without_hooks():
    model, ids = tiny_gpt2(), tiny_tensors()["input_ids"]
    with torch.no_grad():
        Scorer.from_model(model, ids)
    assert not any(module._forward_hooks for module in model.modules())


def test_the_last_token_of_a_sequence_is_not_computed():
    ids, mask = torch.tensor([[5, 6, 7, 0], [8, 9, 0, 0]]), torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]])
    (batch,) = target_batches(ids, mask, tokens_per_batch=100)
    assert batch.input_ids.tolist() == [[5, 6], [8, 9]]
    assert batch.positions.tolist() == [0, 1, 2]
    assert batch.target_ids.tolist() == [6, 7, 9]
    assert batch.sample.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("columns", "device", "dtype", "bias"),
    [
        (10, "cuda", torch.float32, False),  # FP32 has no use for aligned rows
        (128, "cuda", torch.float16, False),  # aligned already
        (128, "cuda", torch.float32, False),
        (10, "cpu", torch.float16, False),
        (10, "cuda", torch.float16, True),
    ],
)
def test_an_output_layer_is_left_as_it_is_where_columns_would_gain_nothing(columns, device, dtype, bias):
    layer = torch.nn.Linear(4, columns, bias=bias)
    assert faster_output_layer(layer, device, dtype) is layer


def test_another_module_than_a_plain_product_is_left_as_it_is():
    layer = torch.nn.Sequential(torch.nn.Linear(4, 10, bias=False))
    assert faster_output_layer(layer, "cuda", torch.float16) is layer
