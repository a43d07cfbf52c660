"""One pass over the text: what a model gives every next token, padding neither computed nor scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
import transformers
from torch.nn.attention import SDPBackend, sdpa_kernel

#: Tensor cores take a matrix whose rows begin at multiples of 16 bytes; for GPT-2's 50,257 columns of FP16 cuBLAS falls
#: back to a kernel that needed 3.0 ms for 4,096 positions on an H100 where 50,264 columns took 0.57 ms.
ALIGNED_COLUMNS = 64
#: Not cuDNN's attention, which plans anew for every shape of batch: 3.2 s for the first pass in FP16 on an H100.
ATTENTIONS = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
#: Tokens of one batch, and positions whose logits exist at one time (4,096 x 50,257 in FP32 are 0.8 GB). A GPU needs
#: many to be busy; a CPU is busy with few, and fewer sequences a batch are cut closer to their lengths.
TOKENS_PER_BATCH = {"cuda": 16_384, "cpu": 512}
POSITIONS_PER_CHUNK = {"cuda": 4_096, "cpu": 512}


def chunks(positions: int, at_once: int) -> Iterator[slice]:
    """Cut a number of positions into slices of so many at once."""
    return (slice(start, start + at_once) for start in range(0, positions, at_once))


class TargetBatch(NamedTuple):
    """Some sequences, cut to the longest of them, and their targets.

    `input_ids`, `attention_mask`: int64 [batch, tokens]. For each target, int64 [targets]: `predicting`, the position
    that predicts it in the flattened batch; `wanted`, its id; `sample`, the row of the dataset that it is in (on the
    CPU).
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    predicting: torch.Tensor
    wanted: torch.Tensor
    sample: torch.Tensor


def target_batches(
    input_ids: torch.Tensor, attention_mask: torch.Tensor, tokens_per_batch: int
) -> Iterator[TargetBatch]:
    """Cut a dataset, int64 [samples, tokens], into batches of like length, the longest first.

    Position t is a target where `attention_mask[t] == 1` and t > 0. Everything is worked out on the CPU beforehand: a
    GPU that had to be asked would be waited for at every batch.
    """
    mask, device = attention_mask.cpu(), input_ids.device
    lengths = mask.sum(dim=1)
    order = torch.argsort(lengths, descending=True, stable=True)
    start = 0
    while start < len(order):
        longest = max(int(lengths[order[start]]), 1)
        rows = order[start : start + max(tokens_per_batch // longest, 1)]
        start += len(rows)
        sequence, position = torch.nonzero(mask[rows, 1:longest], as_tuple=True)
        on_device, predicting = (part.to(device, non_blocking=True) for part in (rows, sequence * longest + position))
        ids = input_ids[on_device, :longest]
        # The token after the one that predicts it.
        wanted = ids.flatten()[predicting + 1] if len(predicting) else predicting
        yield TargetBatch(ids, attention_mask[on_device, :longest], predicting, wanted, rows[sequence])


def aligned(output_layer: torch.nn.Module, computed_in: torch.dtype) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return an output layer's logits computed with columns of zeros behind them, which are cut off again.

    Where it computes in 16 bits on a GPU and would be slow without; any other layer is returned as it is.
    """
    if not isinstance(output_layer, torch.nn.Linear) or output_layer.bias is not None:
        return output_layer
    vocabulary, weight = output_layer.out_features, output_layer.weight
    missing = -vocabulary % ALIGNED_COLUMNS
    if weight.device.type != "cuda" or computed_in.itemsize != 2 or not missing:
        return output_layer
    padded = torch.nn.functional.pad(weight.detach().to(computed_in), (0, 0, 0, missing))
    return lambda features: torch.nn.functional.linear(features, padded)[..., :vocabulary]


@dataclass(frozen=True)
class Scorer:
    """A model in two parts: `body` gives features [batch, tokens, …] from ids and mask, `output_layer` logits.

    The sizes are those that suit its device.
    """

    body: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    output_layer: Callable[[torch.Tensor], torch.Tensor]
    tokens_per_batch: int
    positions_per_chunk: int

    @classmethod
    def of(cls, model: transformers.PreTrainedModel, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Scorer:
        """Take a model apart, so that only text positions reach its output layer.

        Some models do more than their two parts say (they scale or cap the logits), which one row, int64 [1, tokens],
        tells: then the first part is the whole model, the second does nothing, and batches are smaller because all
        their logits exist at once.
        """

        def whole(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            with sdpa_kernel(ATTENTIONS):
                logits: torch.Tensor = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
            return logits

        def body(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            with sdpa_kernel(ATTENTIONS):
                found = model.base_model(input_ids=ids, attention_mask=mask, use_cache=False)
            features: torch.Tensor = found.last_hidden_state
            return features

        device, output_layer = input_ids.device.type, model.get_output_embeddings()
        positions = POSITIONS_PER_CHUNK[device]
        if model.base_model is not model and output_layer is not None:
            expected = whole(input_ids, attention_mask)
            faster = aligned(output_layer, expected.dtype)
            parts = faster(body(input_ids, attention_mask))
            if parts.shape == expected.shape and torch.allclose(parts, expected, rtol=1e-3, atol=1e-3, equal_nan=True):
                return cls(body, faster, TOKENS_PER_BATCH[device], positions)
        return cls(whole, torch.nn.Identity(), positions, positions)

    def features(self, batch: TargetBatch) -> torch.Tensor:
        """Return what the output layer makes the logits of a batch's targets from, [targets, …]."""
        return self.body(batch.input_ids, batch.attention_mask).flatten(0, 1)[batch.predicting]
