"""What a precision does to tokens: its predictions against those of FP32, position by position."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import transformers

from benchmarks.instruments.quality.perplexity import Scores, Tally, count_nonfinite
from benchmarks.instruments.quality.scoring import Scorer, chunks, target_batches

WORST_SEQUENCES = 5


@dataclass(frozen=True)
class Comparison:
    """Two models' scores of the same targets, and how their predictions differ at each of them.

    `kl_nats` float32 [targets]: KL(reference || model) of the next token; `same_top` bool [targets]: whether both give
    the same token the highest probability; `sample` int64 [targets]: the row that the target is in. All on the CPU.
    """

    scores: Scores
    reference: Scores
    kl_nats: torch.Tensor
    same_top: torch.Tensor
    sample: torch.Tensor


def compare(
    model: transformers.PreTrainedModel,
    reference: transformers.PreTrainedModel,
    in_reference: Callable[[], AbstractContextManager[None]],
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
) -> Comparison:
    """Score two models in one pass, so that no logits are ever kept.

    Called in the model's context; `in_reference` opens the reference's. `input_ids`, `attention_mask`: int64
    [samples, tokens] on both models' device, padded at the right. Log-softmax and divergence are in FP32.
    """
    scorer = Scorer.from_model(model, input_ids)
    with in_reference():
        reference_scorer = Scorer.from_model(reference, input_ids)
    candidate_tally, reference_tally, vocabulary = Tally(), Tally(), scorer.vocabulary
    samples = [torch.zeros(0, dtype=torch.int64)]
    # Kept on the device until the end: handing over each chunk's would mean waiting for the GPU.
    kl = [torch.zeros(0, device=input_ids.device)]
    same_top = [torch.zeros(0, dtype=torch.bool, device=input_ids.device)]
    # Half as many as for one model: six tensors of positions x vocabulary exist at once, two for one model.
    positions_per_chunk = -(-min(scorer.positions_per_chunk, reference_scorer.positions_per_chunk) // 2)
    tokens_per_batch = min(scorer.tokens_per_batch, reference_scorer.tokens_per_batch)
    batches = partial(target_batches, input_ids, attention_mask, tokens_per_batch)
    for batch in batches():
        samples.append(batch.sample)
        features = scorer.features(batch)
        with in_reference():
            reference_features = reference_scorer.features(batch)
        for part in chunks(len(features), positions_per_chunk):
            candidate = candidate_tally.add(scorer.output_layer(features[part]), batch.target_ids[part])
            with in_reference():
                logits = reference_scorer.output_layer(reference_features[part])
                expected = reference_tally.add(logits, batch.target_ids[part])
            candidate, expected = candidate[:, :vocabulary], expected[:, :vocabulary]
            same_top.append(candidate.argmax(dim=-1) == expected.argmax(dim=-1))
            kl.append(torch.nn.functional.kl_div(candidate, expected, log_target=True, reduction="none").sum(-1))
    targets, count = attention_mask[:, 1:].sum(dim=1).cpu(), len(input_ids)
    nonfinite = count_nonfinite(scorer, batches()) if candidate_tally.has_nonfinite() else 0
    with in_reference():
        reference_nonfinite = count_nonfinite(reference_scorer, batches()) if reference_tally.has_nonfinite() else 0
    return Comparison(
        Scores(candidate_tally.nll_nats(samples, count), targets, nonfinite),
        Scores(reference_tally.nll_nats(samples, count), targets, reference_nonfinite),
        torch.cat(kl).cpu(),
        torch.cat(same_top).cpu(),
        torch.cat(samples),
    )


def divergence_figures(comparison: Comparison) -> dict[str, Any]:
    """Return the Kullback-Leibler divergence from FP32 a token (mean, p99, largest), and the agreement on the best.

    Null with a reason where either side has logits that are not finite, or there are no targets. Below some 1e-6 nats
    the divergence is rounding in FP32, and may even be negative.
    """
    reason = None
    if comparison.scores.nonfinite_logits or comparison.reference.nonfinite_logits:
        reason = "logits are NaN or infinite"
    elif not len(comparison.kl_nats):
        reason = "the sequences hold no text target"
    if reason is not None:
        return no_divergence(reason)
    return {
        "kl_vs_fp32_nats": float(comparison.kl_nats.double().mean()),
        "kl_vs_fp32_p99_nats": float(torch.quantile(comparison.kl_nats.double(), 0.99)),
        "kl_vs_fp32_max_nats": float(comparison.kl_nats.max()),
        "top1_agreement_vs_fp32": float(comparison.same_top.double().mean()),
        "divergence_reason": None,
        "worst_sequences": worst_sequences(comparison),
    }


def no_divergence(reason: str) -> dict[str, Any]:
    """Return the record of a divergence that could not be measured."""
    keys = ("kl_vs_fp32_nats", "kl_vs_fp32_p99_nats", "kl_vs_fp32_max_nats", "top1_agreement_vs_fp32")
    return {**dict.fromkeys(keys), "divergence_reason": reason, "worst_sequences": []}


def worst_sequences(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the rows whose predictions differ most from FP32's, by mean divergence a token, the worst first."""
    count = len(comparison.scores.targets)
    total = torch.zeros(count, dtype=torch.float64)
    total.index_add_(0, comparison.sample, comparison.kl_nats.double())
    mean = total / comparison.scores.targets.clamp(min=1)
    rows = torch.argsort(mean, descending=True, stable=True)[: min(WORST_SEQUENCES, count)]
    return [{"sample": int(row), "kl_nats": float(mean[row])} for row in rows]
