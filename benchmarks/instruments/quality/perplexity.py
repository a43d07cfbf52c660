"""Quality: how well the model predicts the text, and the text alone."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import transformers

from benchmarks.instruments.quality.scoring import Scorer, TargetBatch, target_batches
from data_prep.layout import VOCABULARY_SIZE

#: exp() of more is beyond a double.
LARGEST_LOSS_NATS = math.log(sys.float_info.max)
#: GPT-2's vocabulary is often padded to a multiple of 64 or 128, with unused tokens.
LARGEST_VOCABULARY = -(-VOCABULARY_SIZE // 128) * 128


@dataclass(frozen=True)
class Scores:
    """Negative log-likelihood of each sequence's text targets.

    `nll_nats` float64 [samples], `targets` int64 [samples], both on the CPU; `nonfinite_logits` counts NaN
    and infinity.
    """

    nll_nats: torch.Tensor
    targets: torch.Tensor
    nonfinite_logits: int


class Tally:
    """Sums up the losses of one model's logits, given chunk by chunk."""

    def __init__(self) -> None:
        self._losses: list[torch.Tensor] = []
        self._extremes: list[torch.Tensor] = []

    def add(self, logits: torch.Tensor, target_ids: torch.Tensor) -> torch.Tensor:
        """Take logits [positions, columns] and the ids that follow; return log-probabilities.

        Log-softmax is in FP32, whatever the logits are in.
        """
        log_probabilities = torch.log_softmax(logits, dim=-1, dtype=torch.float32)
        self._losses.append(-log_probabilities.gather(1, target_ids[:, None])[:, 0])
        self._extremes += torch.aminmax(logits)
        return log_probabilities

    @property
    def probabilities(self) -> torch.Tensor:
        """The probability of the token that follows at each target, float64 on the CPU, in the order of adding."""
        return torch.cat([torch.zeros(0), *(part.cpu() for part in self._losses)]).double().neg().exp()

    def has_nonfinite(self) -> bool:
        """Tell whether any logit was NaN or infinite."""
        return bool(self._extremes) and not bool(torch.isfinite(torch.stack(self._extremes)).all())

    def nll_nats(self, samples: list[torch.Tensor], count: int) -> torch.Tensor:
        """Return each sample's summed loss, float64 [count] on the CPU, added up in one order.

        `samples`: the row of each target, in the order in which they were added.
        """
        total = torch.zeros(count, dtype=torch.float64)
        if not self._losses:
            return total
        return total.index_add_(0, torch.cat(samples), torch.cat(self._losses).cpu().double())


def score(model: transformers.PreTrainedModel, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Scores:
    """Score every text target once; padding is never scored.

    `input_ids`, `attention_mask`: int64 [samples, tokens] on the model's device, padded at the right. Log-softmax is in
    FP32, sums are in FP64 and in one order, so that the same pass gives the same bits.
    """
    scorer = Scorer.from_model(model, input_ids)
    return score_batches(
        scorer, partial(target_batches, input_ids, attention_mask, scorer.tokens_per_batch), count=len(input_ids)
    )


def score_batches(scorer: Scorer, batches: Callable[[], Iterable[TargetBatch]], count: int) -> Scores:
    """Score the targets of batches, which `batches` gives again at each call, of `count` samples in all."""
    tally, samples = Tally(), [torch.zeros(0, dtype=torch.int64)]
    for batch in batches():
        samples.append(batch.sample)
        for logits, target_ids in scorer.logits(batch):
            tally.add(logits, target_ids)
    nonfinite = count_nonfinite(scorer, batches()) if tally.has_nonfinite() else 0
    return Scores(tally.nll_nats(samples, count), torch.bincount(torch.cat(samples), minlength=count), nonfinite)


def count_nonfinite(scorer: Scorer, batches: Iterable[TargetBatch]) -> int:
    """Return how many logits are NaN or infinite, in a pass of its own, which sound models do not need."""
    count = 0
    for batch in batches:
        for logits, _ in scorer.logits(batch):
            count += int((~torch.isfinite(logits[:, : scorer.vocabulary])).sum())
    return count


def perplexity_validity(stand_in: bool, vocabulary: int) -> dict[str, Any]:
    """Return whether a perplexity says anything about a model, and why not."""
    reason = None
    if stand_in:
        reason = "generated text or seeded weights: the perplexity says nothing"
    elif vocabulary < VOCABULARY_SIZE or vocabulary > LARGEST_VOCABULARY:
        reason = (
            f"the text is in GPT-2's {VOCABULARY_SIZE:,} tokens and the model's vocabulary has {vocabulary:,}: the ids "
            "mean other words to it"
        )
    return {"meaningful": reason is None, "meaningful_reason": reason}


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
