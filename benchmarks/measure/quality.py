"""Quality: how well the model predicts the text, and the text alone."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import transformers

#: Tokens of one batch, and positions whose logits exist at one time: 4,096 x 50,257 logits in FP32 are 0.8 GB.
TOKENS_PER_BATCH = 16_384
POSITIONS_PER_CHUNK = 4_096
#: exp() of more is beyond a double.
LARGEST_LOSS_NATS = math.log(sys.float_info.max)


@dataclass(frozen=True)
class Scores:
    """Negative log-likelihood of each sequence's text targets.

    `nll_nats` float64 [samples], `targets` int64 [samples], both on the CPU; `nonfinite_logits` counts NaN
    and infinity.
    """

    nll_nats: torch.Tensor
    targets: torch.Tensor
    nonfinite_logits: int


def score(model: transformers.PreTrainedModel, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Scores:
    """Score every text target once.

    `input_ids`, `attention_mask`: int64 [samples, tokens] on the model's device, padded at the right. Position t is a
    target where `attention_mask[t] == 1` and t > 0; padding is never scored. The longest sequences go first and each
    batch is cut to its longest, so padding is hardly computed either; only text positions reach the output layer.
    Log-softmax is in FP32, sums are in FP64.
    """
    samples = len(input_ids)
    body, output_layer, tokens_per_batch = halves(model, input_ids[:1], attention_mask[:1])
    nll = torch.zeros(samples, dtype=torch.float64, device=input_ids.device)
    nonfinite = torch.zeros((), dtype=torch.int64, device=input_ids.device)
    lengths = attention_mask.sum(dim=1)
    order = torch.argsort(lengths, descending=True, stable=True)
    start = 0
    while start < samples:
        longest = max(int(lengths[order[start]]), 1)
        rows = order[start : start + max(tokens_per_batch // longest, 1)]
        start += len(rows)
        ids, mask = input_ids[rows, :longest], attention_mask[rows, :longest]
        hidden = body(ids, mask)
        is_target = mask[:, 1:].bool()
        sequence, _ = torch.nonzero(is_target, as_tuple=True)
        predicting, wanted = hidden[:, :-1][is_target], ids[:, 1:][is_target]
        for chunk in range(0, len(wanted), POSITIONS_PER_CHUNK):
            part = slice(chunk, chunk + POSITIONS_PER_CHUNK)
            logits = output_layer(predicting[part]).float()
            nonfinite += (~torch.isfinite(logits)).sum()
            losses = torch.nn.functional.cross_entropy(logits, wanted[part], reduction="none")
            nll.index_add_(0, rows[sequence[part]], losses.double())
    targets = attention_mask[:, 1:].sum(dim=1)
    return Scores(nll.cpu(), targets.cpu(), int(nonfinite))


def halves(
    model: transformers.PreTrainedModel, input_ids: torch.Tensor, attention_mask: torch.Tensor
) -> tuple[Callable[[torch.Tensor, torch.Tensor], torch.Tensor], Callable[[torch.Tensor], torch.Tensor], int]:
    """Return the model in two parts, what it computes from ids and mask and its output layer, and tokens per batch.

    Some models do more than their two parts say (they scale or cap the logits), which one row tells: then the first
    part is the whole model, the second does nothing, and batches are smaller because all their logits exist at once.
    """

    def whole(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        return logits

    def body(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        hidden: torch.Tensor = model.base_model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        return hidden

    output_layer = model.get_output_embeddings()
    if model.base_model is not model and output_layer is not None:
        parts, expected = output_layer(body(input_ids, attention_mask)), whole(input_ids, attention_mask)
        if parts.shape == expected.shape and torch.allclose(parts, expected, rtol=1e-3, atol=1e-3, equal_nan=True):
            return body, output_layer, TOKENS_PER_BATCH
    return whole, torch.nn.Identity(), POSITIONS_PER_CHUNK


def quality_figures(scores: Scores) -> dict[str, Any]:
    """Return perplexity = exp(total NLL / total targets), weighted by token, or null and a reason."""
    targets = int(scores.targets.sum())
    reason = None
    if scores.nonfinite_logits:
        reason = f"{scores.nonfinite_logits:,} logits are NaN or infinite"
    elif targets == 0:
        reason = "the sequences hold no text target"
    loss = float(scores.nll_nats.sum()) / targets if reason is None else None
    if loss is not None and loss > LARGEST_LOSS_NATS:
        reason = f"exp({loss:.1f} nats) is beyond a float"
    return {
        "perplexity": math.exp(loss) if loss is not None and reason is None else None,
        "avg_loss_nats": loss,
        "reason": reason,
        "targets": targets,
        "samples": len(scores.targets),
        "nonfinite_logits": scores.nonfinite_logits,
    }
