"""Quality: how well the model predicts the text, and the text alone."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any

import torch
import transformers

from benchmarks.measure.scoring import POSITIONS_PER_CHUNK, Scorer, target_batches

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
    """Score every text target once; padding is never scored.

    `input_ids`, `attention_mask`: int64 [samples, tokens] on the model's device, padded at the right. Log-softmax is in
    FP32, sums are in FP64 and in one order, so that the same pass gives the same bits.
    """
    scorer = Scorer.of(model, input_ids[:1], attention_mask[:1])
    losses: list[torch.Tensor] = []
    samples: list[torch.Tensor] = []
    extremes: list[torch.Tensor] = []
    for batch in target_batches(input_ids, attention_mask, scorer.tokens_per_batch):
        samples.append(batch.sample)
        wanted = iter(torch.split(batch.wanted, POSITIONS_PER_CHUNK))
        for logits in scorer.logits(batch, POSITIONS_PER_CHUNK):
            losses.append(losses_nats(torch.log_softmax(logits, dim=-1, dtype=torch.float32), next(wanted)))
            extremes += torch.aminmax(logits)
    nll = sums_by_sample(losses, samples, len(input_ids))
    finite = not extremes or bool(torch.isfinite(torch.stack(extremes)).all())
    nonfinite = 0 if finite else count_nonfinite(scorer, input_ids, attention_mask)
    return Scores(nll, attention_mask[:, 1:].sum(dim=1).cpu(), nonfinite)


def losses_nats(log_probabilities: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return what each position, [positions, vocabulary], loses on the id that it should have predicted."""
    return -log_probabilities.gather(1, wanted[:, None])[:, 0]


def sums_by_sample(values: list[torch.Tensor], samples: list[torch.Tensor], count: int) -> torch.Tensor:
    """Return the sum of each sample's values, float64 [count] on the CPU, added up in the order given."""
    total = torch.zeros(count, dtype=torch.float64)
    return total.index_add_(0, torch.cat(samples), torch.cat(values).cpu().double()) if values else total


def count_nonfinite(scorer: Scorer, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> int:
    """Return how many logits are NaN or infinite, in a pass of its own: where there are none, nobody pays for it."""
    found = torch.zeros((), dtype=torch.int64, device=input_ids.device)
    for batch in target_batches(input_ids, attention_mask, scorer.tokens_per_batch):
        for logits in scorer.logits(batch, POSITIONS_PER_CHUNK):
            found += (~torch.isfinite(logits)).sum()
    return int(found)


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
