"""One pass over the text: the logits of every next token, padding neither computed nor scored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, cast

import torch
import transformers
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.instruments.quality.fast_paths import Layer, faster_output_layer, without_mask
from fixtures.operators import output_layer_watch

#: Not cuDNN's attention, which plans again for every shape of batch: 3.2 s for the first pass in FP16 on an H100.
ATTENTIONS = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
#: Tokens of one batch, and positions whose logits exist at one time (2,048 x 50,257 in FP32 are 0.4 GB). A GPU needs
#: many to be busy; a CPU is busy with few, and fewer sequences a batch are cut closer to their lengths. 16,896 tokens
#: are 128 rows for each of an H100's 132 multiprocessors (1.16 s in FP32; 1.18 s with 16,384, 1.22 s with 15,488).
TOKENS_PER_BATCH = {"cuda": 16_896, "cpu": 512}
POSITIONS_PER_CHUNK = {"cuda": 2_048, "cpu": 512}

#: Tokens on which a model's parts are compared with the whole, and how far they may differ.
CHECKED_TOKENS, PARTS_TOLERANCE = 16, 1e-3


def chunks(positions: int, at_once: int) -> Iterator[slice]:
    """Cut a number of positions into slices of `at_once` each."""
    return (slice(start, start + at_once) for start in range(0, positions, at_once))


class TargetBatch(NamedTuple):
    """Some sequences, cut to the longest of them, and their targets.

    `input_ids`: int64 [batch, tokens]. For each target, int64 [targets]: `positions`, the position that predicts it in
    the flattened batch; `target_ids`, its id; `sample`, the row of the dataset that it is in (on the CPU).
    """

    input_ids: torch.Tensor
    positions: torch.Tensor
    target_ids: torch.Tensor
    sample: torch.Tensor


def target_batches(
    input_ids: torch.Tensor, attention_mask: torch.Tensor, tokens_per_batch: int
) -> Iterator[TargetBatch]:
    """Cut a dataset, int64 [samples, tokens], into batches of similar length, the longest first, without last tokens.

    Position t is a target where `attention_mask[t] == 1` and t > 0. Everything is computed on the CPU: reading
    it from a GPU would mean waiting for the GPU at every batch.
    """
    mask, device = attention_mask.cpu(), input_ids.device
    lengths = mask.sum(dim=1)
    order = torch.argsort(lengths, descending=True, stable=True)
    start = 0
    while start < len(order):
        width = max(int(lengths[order[start]]) - 1, 1)  # the last token of a sequence predicts nothing
        rows = order[start : start + max(tokens_per_batch // width, 1)]
        start += len(rows)
        sequence, position = torch.nonzero(mask[rows, 1 : width + 1], as_tuple=True)
        on_device, positions = (part.to(device, non_blocking=True) for part in (rows, sequence * width + position))
        following = input_ids[on_device, 1 : width + 1]
        yield TargetBatch(input_ids[on_device, :width], positions, following.flatten()[positions], rows[sequence])


@dataclass(frozen=True)
class Scorer:
    """A model in two parts: `body` gives features [batch, tokens, …] from ids, `output_layer` logits from features.

    No mask is needed: padding stands behind the text, where a causal model does not see it.

    The output layer may give more columns than the `vocabulary` has. The sizes are those that suit its device.
    """

    body: Callable[[torch.Tensor], torch.Tensor]
    output_layer: Layer
    vocabulary: int
    tokens_per_batch: int
    positions_per_chunk: int

    @classmethod
    def from_model(cls, model: transformers.PreTrainedModel, input_ids: torch.Tensor) -> Scorer:
        """Take a model apart, so that only text positions reach its output layer.

        Some models do more than their two parts say (they cast, scale or cap the logits). A forward of the beginning of
        the first row of `input_ids`, int64 [rows, tokens], tells; such a model is the first part as a whole, the second
        does nothing, and batches are smaller because all their logits exist at once.
        """
        device, beginning = input_ids.device.type, input_ids[:1, :CHECKED_TOKENS]
        # Not by `output_hidden_states`: transformers leaves its hooks on the model, and every later forward calls them.
        with output_layer_watch(model) as tensors:
            expected = whole_logits(model, beginning)
        positions = POSITIONS_PER_CHUNK[device]
        layer, features = model.get_output_embeddings(), last_hidden_state(model, beginning)
        if layer is not None and features is not None and dtypes(tensors) == dtypes([features, expected]):
            output_layer = faster_output_layer(layer, device, expected.dtype)
            vocabulary = expected.shape[-1]
            logits = output_layer(features.flatten(0, 1))[:, :vocabulary].reshape(expected.shape)
            if torch.allclose(logits, expected, rtol=PARTS_TOLERANCE, atol=PARTS_TOLERANCE, equal_nan=True):
                return cls(partial(body_features, model), output_layer, vocabulary, TOKENS_PER_BATCH[device], positions)
        return cls(partial(whole_logits, model), torch.nn.Identity(), expected.shape[-1], positions, positions)

    def features(self, batch: TargetBatch) -> torch.Tensor:
        """Return what the output layer makes the logits of a batch's targets from, [targets, …]."""
        return self.body(batch.input_ids).flatten(0, 1)[batch.positions]

    def logits(self, batch: TargetBatch) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Give the logits of a batch's targets, [positions, columns] each time, with the target ids there."""
        features = self.features(batch)
        for part in chunks(len(features), self.positions_per_chunk):
            yield self.output_layer(features[part]), batch.target_ids[part]


def last_hidden_state(model: transformers.PreTrainedModel, ids: torch.Tensor) -> torch.Tensor | None:
    """Return a model's last hidden states [batch, tokens, hidden], or None where its body cannot be called apart."""
    if model.base_model is model:
        return None
    with sdpa_kernel(ATTENTIONS), without_mask(model.base_model):
        output = model.base_model(input_ids=ids, use_cache=False)
    return getattr(output, "last_hidden_state", None)


def body_features(model: transformers.PreTrainedModel, ids: torch.Tensor) -> torch.Tensor:
    """Return the last hidden states of a model whose body is known to give them; ids are int64 [batch, tokens]."""
    return cast("torch.Tensor", last_hidden_state(model, ids))


def whole_logits(model: transformers.PreTrainedModel, ids: torch.Tensor) -> torch.Tensor:
    """Return a model's logits [batch, tokens, vocabulary] for ids, int64 [batch, tokens]."""
    with sdpa_kernel(ATTENTIONS):
        logits: torch.Tensor = model(input_ids=ids, use_cache=False).logits
    return logits


def dtypes(tensors: Iterable[torch.Tensor]) -> list[torch.dtype]:
    """Return the dtype of each tensor."""
    return [tensor.dtype for tensor in tensors]
