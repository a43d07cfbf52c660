"""Speed-ups of the untimed scoring pass that change none of its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from transformers import GPT2Model

from fixtures.model.attention import mask_left_out

#: Tensor cores take a matrix whose rows begin at multiples of 16 bytes; for GPT-2's 50,257 columns of FP16 cuBLAS falls
#: back to a kernel that needed 3.0 ms for 4,096 positions on an H100 where 50,264 columns took 0.57 ms.
ALIGNED_COLUMNS = 64

#: From features [positions, …] to logits [positions, columns].
Layer = Callable[[torch.Tensor], torch.Tensor]


def faster_output_layer(output_layer: torch.nn.Module, device: str, computed_in: torch.dtype) -> Layer:
    """Return an output layer that computes the same logits faster; any but a plain matrix product is left as it is.

    It takes features [positions, hidden]. In 16 bits on a GPU columns are added that make the rows aligned, and whose
    logits are so low that they have no share in the softmax, and finite like those of a sound model.
    """
    if not isinstance(output_layer, torch.nn.Linear) or output_layer.bias is not None:
        return output_layer
    weight = output_layer.weight.detach()
    missing = -len(weight) % ALIGNED_COLUMNS
    if device == "cpu" or computed_in.itemsize != 2 or not missing:
        return output_layer
    padded = torch.nn.functional.pad(weight.to(computed_in), (0, 0, 0, missing))
    bias = torch.zeros(len(padded), dtype=computed_in, device=weight.device)
    bias[len(weight) :] = torch.finfo(computed_in).min
    return lambda features: torch.nn.functional.linear(features, padded, bias)


@contextmanager
def without_mask(body: torch.nn.Module) -> Iterator[None]:
    """Prepare no mask while open, where the model is known to need none but the causal one that attention applies."""
    if not isinstance(body, GPT2Model):
        yield
        return
    with mask_left_out(body):
        yield
