"""Perplexity by the published protocol: the whole text, read through a long window that moves on by a stride."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
import transformers

from benchmarks.instruments.quality.perplexity import LARGEST_LOSS_NATS, quality_figures, score_batches
from benchmarks.instruments.quality.scoring import TOKENS_PER_BATCH, Scorer, TargetBatch


def strided_figures(
    model: transformers.PreTrainedModel, ids: torch.Tensor, words: int, context: int, stride: int
) -> dict[str, Any]:
    """Return token and word perplexity of a text, int64 [tokens] on the model's device.

    Every token but the first is predicted once, from the tokens before it in a window of `context` that moves on by
    `stride`; with stride = context those at a window's beginning are not. Token perplexity is exp(NLL / targets), word
    perplexity exp(NLL / words). Source: "Perplexity of fixed-length models", documentation of Hugging Face
    transformers, which counts a few targets fewer (one a window).
    """
    scorer = Scorer.from_model(model, ids[None, :context])
    figures = quality_figures(score_batches(scorer, lambda: windows(ids, context, stride), count=1))
    word_perplexity, word_reason = perplexity_of_words(figures, words)
    return {
        "perplexity": figures["perplexity"],
        "word_perplexity": word_perplexity,
        "word_perplexity_reason": word_reason,
        "avg_loss_nats": figures["avg_loss_nats"],
        "reason": figures["reason"],
        "targets": figures["targets"],
        "words": words,
        "context": context,
        "stride": stride,
    }


def perplexity_of_words(figures: Mapping[str, Any], words: int) -> tuple[float | None, str | None]:
    """Return exp(NLL / words) of a text's figures, or None and why there is none."""
    if figures["avg_loss_nats"] is None:
        return None, figures["reason"]
    if not words:
        return None, "the text has no word"
    loss = figures["avg_loss_nats"] * figures["targets"] / words
    if loss > LARGEST_LOSS_NATS:
        return None, f"exp({loss:.1f} nats) is beyond a float"
    return math.exp(loss), None


def windows(ids: torch.Tensor, context: int, stride: int) -> Iterator[TargetBatch]:
    """Cut a text, int64 [tokens], into batches of windows; only the last window may be shorter than `context`."""
    spans: list[tuple[int, int, int]] = []  # begin, first target, end
    scored_until = 1
    for begin in range(0, len(ids), stride):
        end = min(begin + context, len(ids))
        spans.append((begin, max(scored_until, begin + 1), end))
        scored_until = end
        if end == len(ids):
            break
    whole = [span for span in spans if span[2] - span[0] == context]
    at_once = max(TOKENS_PER_BATCH[ids.device.type] // context, 1)
    groups = [whole[start : start + at_once] for start in range(0, len(whole), at_once)]
    groups += [[span] for span in spans if span[2] - span[0] < context]
    for group in groups:
        length = group[0][2] - group[0][0]
        batch = torch.stack([ids[begin:end] for begin, _, end in group])
        positions = [
            number * length + target - 1 - begin
            for number, (begin, first, end) in enumerate(group)
            for target in range(first, end)
        ]
        predicting = torch.tensor(positions, dtype=torch.int64, device=ids.device)
        target_ids = batch.flatten()[predicting + 1] if positions else predicting
        yield TargetBatch(batch, predicting, target_ids, torch.zeros(len(positions), dtype=torch.int64))
