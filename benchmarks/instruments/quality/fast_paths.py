"""The same figures sooner: parts of a model that PyTorch computes faster when told otherwise, for scoring alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import AttentionInterface, GPT2Model
from transformers.activations import NewGELUActivation
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.pytorch_utils import Conv1D

#: Tensor cores take a matrix whose rows begin at multiples of 16 bytes; for GPT-2's 50,257 columns of FP16 cuBLAS falls
#: back to a kernel that needed 3.0 ms for 4,096 positions on an H100 where 50,264 columns took 0.57 ms.
ALIGNED_COLUMNS = 64

#: PyTorch's attention, under a name for which transformers prepares no mask: to learn that none is needed it asks the
#: GPU, which at every batch is waited for, and waits itself for the next.
WITHOUT_MASK = "sdpa_without_mask"
AttentionInterface.register(WITHOUT_MASK, sdpa_attention_forward)

#: From features [positions, …] to logits [positions, columns].
Layer = Callable[[torch.Tensor], torch.Tensor]
#: A module that is to stand in a parent's place of that name.
Replacement = tuple[torch.nn.Module, str, torch.nn.Module]


class ReusedMemory:
    """Where results, float32 [rows, columns], overwrite each other.

    What a CPU allocates of such a size (512 x 50,257 are 103 MB) it gets anew from the system each time, page by page:
    a tenth of the time of scoring on 2 cores. On a GPU three of them would exist at once.
    """

    def __init__(self, columns: int, device: torch.device) -> None:
        self._memory = torch.empty(0, columns, device=device)

    def rows(self, count: int) -> torch.Tensor:
        """Return so many rows, of any value."""
        if len(self._memory) < count:
            self._memory = torch.empty(count, self._memory.shape[1], device=self._memory.device)
        return self._memory[:count]


def faster_output_layer(output_layer: torch.nn.Module, device: str, computed_in: torch.dtype) -> Layer:
    """Return an output layer that computes the same logits faster; any but a plain matrix product is left as it is.

    It takes features [positions, hidden]. In 16 bits on a GPU columns are added that make the rows aligned, and whose
    logits are so low that they have no share in the softmax, and finite like those of a sound model. In FP32 each
    result overwrites the one before.
    """
    if not isinstance(output_layer, torch.nn.Linear) or output_layer.bias is not None:
        return output_layer
    weight = output_layer.weight.detach()
    if computed_in == torch.float32:
        memory = ReusedMemory(len(weight), weight.device)
        return lambda features: torch.mm(features, weight.t(), out=memory.rows(len(features)))
    missing = -len(weight) % ALIGNED_COLUMNS
    if device == "cpu" or computed_in.itemsize != 2 or not missing:
        return output_layer
    padded = torch.nn.functional.pad(weight.to(computed_in), (0, 0, 0, missing))
    bias = torch.zeros(len(padded), dtype=computed_in, device=weight.device)
    bias[len(weight) :] = torch.finfo(computed_in).min
    return lambda features: torch.nn.functional.linear(features, padded, bias)


def faster_modules(body: torch.nn.Module, device: str, computed_in: torch.dtype) -> list[Replacement]:
    """Return what to put in the places of modules that compute the same slower: in FP32 on a GPU, else nothing.

    In 16 bits every step of an activation is rounded, which is part of what the precision costs; a CPU gains nothing.
    """
    if device == "cpu" or computed_in != torch.float32:
        return []
    return [
        (parent, name, FASTER[type(child)](child))
        for parent in body.modules()
        for name, child in parent.named_children()
        if type(child) in FASTER
    ]


def in_one_kernel(_: torch.nn.Module) -> torch.nn.Module:
    """Return PyTorch's GELU by tanh, which transformers computes in eight kernels: the same to 5e-7."""
    return torch.nn.GELU(approximate="tanh")


class ColumnsTogether(torch.nn.Module):
    """A `Conv1D` with the same weights, of which each column lies together: the same bits, 4% sooner on an H100.

    No `torch.nn.Linear`, which would draw weights first: for GPT-2's 48 that took 35 ms.
    """

    def __init__(self, layer: Any) -> None:  # noqa: ANN401
        super().__init__()
        self._weight, self._bias = layer.weight.detach().t().contiguous(), layer.bias

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features times weights plus bias."""
        return torch.nn.functional.linear(features, self._weight, self._bias)


FASTER: dict[type, Callable[[torch.nn.Module], torch.nn.Module]] = {
    NewGELUActivation: in_one_kernel,
    Conv1D: ColumnsTogether,
}


@contextmanager
def without_mask(body: torch.nn.Module) -> Iterator[None]:
    """Prepare no mask while open, where the model is known to need none but the causal one that attention applies."""
    if not isinstance(body, GPT2Model) or body.config._attn_implementation != "sdpa":
        yield
        return
    body.set_attn_implementation(WITHOUT_MASK)
    try:
        yield
    finally:
        body.set_attn_implementation("sdpa")


@contextmanager
def in_place(replacements: list[Replacement]) -> Iterator[None]:
    """Put modules in others' places while open."""
    originals = [(parent, name, getattr(parent, name)) for parent, name, _ in replacements]
    for parent, name, module in replacements:
        setattr(parent, name, module)
    try:
        yield
    finally:
        for parent, name, module in originals:
            setattr(parent, name, module)
