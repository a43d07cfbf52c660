"""One pass over the text: what a model gives every next token, padding neither computed nor scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
import transformers
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.instruments.quality.fast_paths import Layer, faster_modules, faster_output_layer, in_place, without_mask
from fixtures.operators import output_layer_watch

#: Not cuDNN's attention, which plans anew for every shape of batch: 3.2 s for the first pass in FP16 on an H100.
ATTENTIONS = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
#: Tokens of one batch, and positions whose logits exist at one time (2,048 x 50,257 in FP32 are 0.4 GB). A GPU needs
#: many to be busy; a CPU is busy with few, and fewer sequences a batch are cut closer to their lengths. 16,896 tokens
#: are 128 rows for each of an H100's 132 multiprocessors (1.16 s in FP32; 1.18 s with 16,384, 1.22 s with 15,488).
TOKENS_PER_BATCH = {"cuda": 16_896, "cpu": 512}
POSITIONS_PER_CHUNK = {"cuda": 2_048, "cpu": 512}

#: Tokens on which a model's parts are compared with the whole.
CHECKED_TOKENS = 16


def chunks(positions: int, at_once: int) -> Iterator[slice]:
    """Cut a number of positions into slices of so many at once."""
    return (slice(start, start + at_once) for start in range(0, positions, at_once))


class TargetBatch(NamedTuple):
    """Some sequences, cut to the longest of them, and their targets.

    `input_ids`: int64 [batch, tokens]. For each target, int64 [targets]: `predicting`, the position that predicts it in
    the flattened batch; `wanted`, its id; `sample`, the row of the dataset that it is in (on the CPU).
    """

    input_ids: torch.Tensor
    predicting: torch.Tensor
    wanted: torch.Tensor
    sample: torch.Tensor


def target_batches(
    input_ids: torch.Tensor, attention_mask: torch.Tensor, tokens_per_batch: int
) -> Iterator[TargetBatch]:
    """Cut a dataset, int64 [samples, tokens], into batches of like length, the longest first, without last tokens.

    Position t is a target where `attention_mask[t] == 1` and t > 0. Everything is worked out on the CPU beforehand: a
    GPU that had to be asked would be waited for at every batch.
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
        on_device, predicting = (part.to(device, non_blocking=True) for part in (rows, sequence * width + position))
        following = input_ids[on_device, 1 : width + 1]
        yield TargetBatch(input_ids[on_device, :width], predicting, following.flatten()[predicting], rows[sequence])


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
    def of(cls, model: transformers.PreTrainedModel, input_ids: torch.Tensor) -> Scorer:
        """Take a model apart, so that only text positions reach its output layer.

        Some models do more than their two parts say (they cast, scale or cap the logits), which the beginning of the
        first row of `input_ids`, int64 [rows, tokens], tells: then the first part is the whole model, the second does
        nothing, and batches are smaller because all their logits exist at once.
        """

        def whole(ids: torch.Tensor) -> torch.Tensor:
            with sdpa_kernel(ATTENTIONS):
                logits: torch.Tensor = model(input_ids=ids, use_cache=False).logits
            return logits

        def body(ids: torch.Tensor) -> torch.Tensor:
            with sdpa_kernel(ATTENTIONS), without_mask(model.base_model), in_place(replacements):
                found = model.base_model(input_ids=ids, use_cache=False)
            features: torch.Tensor = found.last_hidden_state
            return features

        device, layer = input_ids.device.type, model.get_output_embeddings()
        with sdpa_kernel(ATTENTIONS), output_layer_watch(model) as tensors:
            found = model(input_ids=input_ids[:1, :CHECKED_TOKENS], use_cache=False, output_hidden_states=True)
        expected, vocabulary = found.logits.flatten(0, 1), found.logits.shape[-1]
        positions, dtype = POSITIONS_PER_CHUNK[device], found.logits.dtype
        is_in_parts = model.base_model is not model and layer is not None and found.hidden_states
        if is_in_parts and [tensor.dtype for tensor in tensors] == [found.hidden_states[-1].dtype, dtype]:
            replacements = faster_modules(model.base_model, device, dtype)
            output_layer = faster_output_layer(layer, device, dtype)
            parts = output_layer(found.hidden_states[-1].flatten(0, 1))[:, :vocabulary]
            if parts.shape == expected.shape and torch.allclose(parts, expected, rtol=1e-3, atol=1e-3, equal_nan=True):
                return cls(body, output_layer, vocabulary, TOKENS_PER_BATCH[device], positions)
        return cls(whole, torch.nn.Identity(), vocabulary, positions, positions)

    def features(self, batch: TargetBatch) -> torch.Tensor:
        """Return what the output layer makes the logits of a batch's targets from, [targets, …]."""
        return self.body(batch.input_ids).flatten(0, 1)[batch.predicting]

    def logits(self, batch: TargetBatch) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Give the logits of a batch's targets, [positions, columns] each time, with the ids wanted there."""
        features = self.features(batch)
        for part in chunks(len(features), self.positions_per_chunk):
            yield self.output_layer(features[part]), batch.wanted[part]
