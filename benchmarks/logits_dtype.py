"""Logits in the dtype that a precision computes in, where a model casts them to another at the end."""

from __future__ import annotations

from collections.abc import Callable

import torch

from fixtures.executions.compilation import cache_folder
from fixtures.executions.operators import output_layer_watch
from fixtures.precisions import PrecisionError


def before_casts(
    logits: torch.Tensor, model: torch.nn.Module, eager: Callable[[], torch.Tensor], name: str
) -> torch.Tensor:
    """Return logits as the output layer gives them, where the model casts them to another dtype at the end.

    `logits` are those that were timed under `name`; `eager` runs a forward as usual. Raises `PrecisionError` where that
    gives another dtype: what is timed is then not this precision.
    """
    with output_layer_watch(model) as tensors:
        expected = eager().dtype
    if logits.dtype != expected:
        raise PrecisionError(
            f"{name} gives logits of {logits.dtype} where an eager forward gives {expected}: what is timed was made "
            f"for another precision. Delete {cache_folder()} and run again."
        )
    return tensors[-1] if tensors else logits
