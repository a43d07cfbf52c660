"""One benchmark in progress: what the plugins are handed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from benchmarks.measure.timing import ForwardLoop
from fixtures.checkpoint import Checkpoint
from fixtures.dataset import TokenizedDataset
from fixtures.precisions import Precision
from fixtures.settings import Settings


@dataclass
class ForwardRun:
    """A precision run in one execution over the dataset. Plugins read all of it and write `extra_info`."""

    settings: Settings
    precision: Precision
    execution: str
    model: torch.nn.Module
    checkpoint: Checkpoint
    dataset: TokenizedDataset
    loop: ForwardLoop
    extra_info: dict[str, Any]
    #: Seconds of each timed round, in their order; empty until they have run.
    durations_s: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The benchmark's short name, such as fp16-eager."""
        return f"{self.precision.name}-{self.execution}"
