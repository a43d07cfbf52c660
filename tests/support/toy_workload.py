"""A workload in one file: the forward of the first half of a sequence."""

from __future__ import annotations

from functools import partial

import torch
import transformers

from fixtures.dataset.batches import Batch
from fixtures.workloads.workload import SAMPLE, Inputs, Step, Workload


def start(model: transformers.PreTrainedModel, example: Batch) -> Step:
    """Return the step, which reads no padding and has no state."""
    half = example.input_ids.shape[1] // 2

    def logits(input_ids: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = model(input_ids=input_ids, use_cache=False).logits
        return output

    return Step(logits, partial(inputs, half), changing=lambda _: ("input_ids",))


def inputs(half: int, batch: Batch) -> Inputs:
    """Return the first half of the ids."""
    return {"input_ids": batch.input_ids[:, :half]}


WORKLOAD = Workload("half", "the forward of the first half of a sequence", SAMPLE, start, full_rows=True)
