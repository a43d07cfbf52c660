"""What a precision does to tokens: its predictions against those of FP32, position by position."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import transformers

from benchmarks.instruments.quality.clusters import mean_interval, quantile_interval, share_interval
from benchmarks.instruments.quality.perplexity import Scores, Tally, count_nonfinite
from benchmarks.instruments.quality.probabilities import none_for_nan, probability_record
from benchmarks.instruments.quality.scoring import Scorer, TargetBatch, chunks, target_batches

WORST_SEQUENCES = 5
#: Log-probabilities are FP32 numbers below 32, which are 2e-6 apart: two of them differ by rounding alone as if the
#: divergence were up to 1e-12 nats.
SMALLEST_KL_NATS = 1e-12


@dataclass(frozen=True)
class Scored:
    """A model to score, and the context in which it computes."""

    model: transformers.PreTrainedModel
    running: Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Comparison:
    """Two models' scores of the same targets, and how their predictions differ at each of them.

    `kl_nats` float32 [targets]: KL(reference || model) of the next token; `delta_probability` float64 [targets]: the
    probability of the token that follows, less the reference's; `same_top` bool [targets]: whether the reference's most
    likely token is among the model's; `tied` bool [targets]: whether the model has several of those; `sample` int64
    [targets]: the row that the target is in. All on the CPU.
    """

    scores: Scores
    reference: Scores
    kl_nats: torch.Tensor
    delta_probability: torch.Tensor
    same_top: torch.Tensor
    tied: torch.Tensor
    sample: torch.Tensor


class Predictions:
    """Compares a model's log-probabilities with the reference's, given chunk by chunk: [positions, vocabulary] each.

    What comes out is kept on the device until the end: handing over each chunk's would mean waiting for the GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._kl = [torch.zeros(0, device=device)]
        self._same_top = [torch.zeros(0, dtype=torch.bool, device=device)]
        self._tied = [torch.zeros(0, dtype=torch.bool, device=device)]

    def add(self, candidate: torch.Tensor, reference: torch.Tensor) -> None:
        """Take the log-probabilities of the same positions, FP32.

        KL(p || q) as the sum of p (expm1(d) - d) with d = log q - log p: equal to the sum of -p d, for both
        distributions sum to 1, but a sum of terms that are not negative, in which small differences do not cancel.
        """
        difference = (candidate - reference).clamp_(max=80)  # exp() of more is beyond FP32; p is 0 there
        self._kl.append((reference.exp() * (torch.expm1(difference) - difference)).sum(dim=-1))
        best = candidate.max(dim=-1, keepdim=True).values
        self._same_top.append((candidate.gather(1, reference.argmax(dim=-1, keepdim=True)) == best)[:, 0])
        self._tied.append((candidate == best).sum(dim=-1) > 1)

    @property
    def kl_nats(self) -> torch.Tensor:
        """The divergence at each position, on the CPU."""
        return torch.cat(self._kl).cpu()

    @property
    def same_top(self) -> torch.Tensor:
        """Whether the reference's most likely token is among the model's, at each position, on the CPU."""
        return torch.cat(self._same_top).cpu()

    @property
    def tied(self) -> torch.Tensor:
        """Whether the model has several most likely tokens, at each position, on the CPU."""
        return torch.cat(self._tied).cpu()


class Candidate:
    """A model in the course of a pass over the text: its parts, its losses, and its distance from the reference."""

    def __init__(self, scored: Scored, input_ids: torch.Tensor) -> None:
        self.running, self.tally, self.predictions = scored.running, Tally(), Predictions(input_ids.device)
        with self.running():
            self.scorer = Scorer.from_model(scored.model, input_ids)
        self._features = torch.zeros(0)

    def read(self, batch: TargetBatch) -> None:
        """Compute what the output layer makes a batch's logits from."""
        with self.running():
            self._features = self.scorer.features(batch)

    def log_probabilities(self, part: slice, target_ids: torch.Tensor) -> torch.Tensor:
        """Score a part of the batch's targets; return its log-probabilities [positions, vocabulary]."""
        with self.running():
            logits = self.scorer.output_layer(self._features[part])
        return self.tally.add(logits, target_ids[part])[:, : self.scorer.vocabulary]

    def scores(self, samples: list[torch.Tensor], targets: torch.Tensor, batches: Iterable[TargetBatch]) -> Scores:
        """Return the losses of each sequence; where logits are not finite they are counted in a pass of its own."""
        nonfinite = 0
        if self.tally.has_nonfinite():
            with self.running():
                nonfinite = count_nonfinite(self.scorer, batches)
        return Scores(self.tally.nll_nats(samples, len(targets)), targets, nonfinite)


def compare(
    models: Mapping[str, Scored], reference: Scored, input_ids: torch.Tensor, attention_mask: torch.Tensor
) -> dict[str, Comparison]:
    """Score several models and a reference in one pass, chunk by chunk, so that no logits are ever kept.

    The reference is computed once. `input_ids`, `attention_mask`: int64 [samples, tokens] on the models' device, padded
    at the right. Log-softmax and divergence are in FP32.
    """
    expected = Candidate(reference, input_ids)
    candidates = {name: Candidate(scored, input_ids) for name, scored in models.items()}
    everyone = [expected, *candidates.values()]
    samples = [torch.zeros(0, dtype=torch.int64)]
    # Half as many as for one model: more tensors of positions x vocabulary exist at once.
    positions_per_chunk = -(-min(one.scorer.positions_per_chunk for one in everyone) // 2)
    tokens_per_batch = min(one.scorer.tokens_per_batch for one in everyone)
    batches = partial(target_batches, input_ids, attention_mask, tokens_per_batch)
    for batch in batches():
        samples.append(batch.sample)
        for one in everyone:
            one.read(batch)
        for part in chunks(len(batch.target_ids), positions_per_chunk):
            reference_log_p = expected.log_probabilities(part, batch.target_ids)
            for candidate in candidates.values():
                candidate.predictions.add(candidate.log_probabilities(part, batch.target_ids), reference_log_p)
    targets = attention_mask[:, 1:].sum(dim=1).cpu()
    reference_scores = expected.scores(samples, targets, batches())
    return {
        name: Comparison(
            candidate.scores(samples, targets, batches()),
            reference_scores,
            candidate.predictions.kl_nats,
            candidate.tally.probabilities - expected.tally.probabilities,
            candidate.predictions.same_top,
            candidate.predictions.tied,
            torch.cat(samples),
        )
        for name, candidate in candidates.items()
    }


def divergence_figures(comparison: Comparison) -> dict[str, Any]:
    """Return the divergence from FP32 a token, the agreement on the best token, and the change of probability.

    Mean, median, 99th percentile and agreement have 95% intervals over sequences; the largest of a sample says nothing
    of the largest elsewhere.

    Null with a reason where either side has logits that are not finite, there are no targets, or the divergence is
    below what FP32 can tell from none.
    """
    reason = None
    if comparison.scores.nonfinite_logits or comparison.reference.nonfinite_logits:
        reason = "logits are NaN or infinite"
    elif not len(comparison.kl_nats):
        reason = "the sequences hold no text target"
    elif float(comparison.kl_nats.double().mean()) < SMALLEST_KL_NATS:
        reason = f"the divergence is below {SMALLEST_KL_NATS:g} nats, the rounding of FP32"
    if reason is not None:
        return no_divergence(reason)
    kl, sample = comparison.kl_nats.double(), comparison.sample
    figures = {
        **with_interval("kl_vs_fp32", "_nats", mean_interval(kl, sample)),
        **with_interval("kl_vs_fp32_median", "_nats", quantile_interval(kl, sample, 0.5)),
        **with_interval("kl_vs_fp32_p99", "_nats", quantile_interval(kl, sample, 0.99)),
        **with_interval("top1_agreement_vs_fp32", "", share_interval(comparison.same_top, sample)),
    }
    return {
        **figures,
        "kl_vs_fp32_max_nats": float(comparison.kl_nats.max()),
        "top1_tied_share": float(comparison.tied.double().mean()),
        "delta_probability": probability_record(comparison.delta_probability, sample),
        "divergence_reason": None,
        "worst_sequences": worst_sequences(comparison),
    }


def with_interval(name: str, unit: str, figures: tuple[float, float, float]) -> dict[str, float | None]:
    """Return a figure and the ends of its interval by their names; None for ends that one sequence cannot tell."""
    value, low, high = figures
    return {
        f"{name}{unit}": value,
        f"{name}_ci95_low{unit}": none_for_nan(low),
        f"{name}_ci95_high{unit}": none_for_nan(high),
    }


def no_divergence(reason: str) -> dict[str, Any]:
    """Return the record of a divergence that could not be measured."""
    unknown = (math.nan,) * 3
    keys = [
        *with_interval("kl_vs_fp32", "_nats", unknown),
        *with_interval("kl_vs_fp32_median", "_nats", unknown),
        *with_interval("kl_vs_fp32_p99", "_nats", unknown),
        *with_interval("top1_agreement_vs_fp32", "", unknown),
        "kl_vs_fp32_max_nats",
        "top1_tied_share",
        "delta_probability",
    ]
    return {**dict.fromkeys(keys), "divergence_reason": reason, "worst_sequences": []}


def worst_sequences(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the rows whose predictions differ most from FP32's, by mean divergence a token, the worst first."""
    count = len(comparison.scores.targets)
    total = torch.zeros(count, dtype=torch.float64)
    total.index_add_(0, comparison.sample, comparison.kl_nats.double())
    mean = total / comparison.scores.targets.clamp(min=1)
    rows = torch.argsort(mean, descending=True, stable=True)[: min(WORST_SEQUENCES, count)]
    return [{"sample": int(row), "kl_nats": float(mean[row])} for row in rows]
