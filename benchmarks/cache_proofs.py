"""Which workloads with a cache a model can be measured in: told before anything is measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from traceback import clear_frames

import torch
import transformers

from core.case import BASELINE, Case
from fixtures.dataset.batches import TokenizedDataset
from fixtures.executions import reference
from fixtures.executions.cached import Uncached, uncached_logits, unusable_cache_reason
from fixtures.models.checkpoint import Checkpoint
from fixtures.models.resident import Models
from fixtures.precisions import baseline
from fixtures.workloads import WORKLOADS


@dataclass
class CacheProofs:
    """Tells of each task's model, once a shape in FP32 and eager execution, what cannot be measured with a cache."""

    device: torch.device
    datasets: Mapping[str, TokenizedDataset]
    checkpoints: Mapping[str, Checkpoint]
    models: Mapping[str, Models]
    #: By the case of the baseline in eager execution, which stands for all of its shape: a reason, or None.
    _reasons: dict[Case, str | None] = field(default_factory=dict)

    def tell(self, cases: Iterable[Case]) -> None:
        """Find the reasons of some cases. An error is left to the test of its case, which raises it again."""
        uncached = Remembered()
        for case in cases:
            try:
                self._find(case, uncached)
            except Exception as error:
                clear_frames(error.__traceback__)

    def reason(self, case: Case) -> str | None:
        """Return why a case cannot be measured with the cache that its workload has, or None.

        Raises `InputError` where there is no model or no batch, and what a workload raises.
        """
        return self._find(case, uncached_logits)

    def _find(self, case: Case, uncached: Uncached) -> str | None:
        workload = WORKLOADS[case.workload]
        if not workload.has_cache:
            return None
        key = case.partner(precision=BASELINE, execution=reference().name)
        if key not in self._reasons:
            reason = workload.unavailable_reason(self.checkpoints[case.task], key)
            self._reasons[key] = self._proved(key, uncached) if reason is None else reason
        return self._reasons[key]

    def _proved(self, case: Case, uncached: Uncached) -> str | None:
        workload = WORKLOADS[case.workload]
        shape = case.batch_size, case.sequence_length
        batch = self.datasets[case.task].shaped(*shape, full_rows=workload.full_rows).batches[0]
        model = self.models[case.task].get(baseline()).model
        with baseline().running(self.device):
            return unusable_cache_reason(workload, model, batch, uncached)


class Remembered:
    """The last logits that were computed without a cache: several workloads are compared with the same ones."""

    def __init__(self) -> None:
        self._last: tuple[transformers.PreTrainedModel, torch.Tensor, torch.Tensor] | None = None

    def __call__(self, model: transformers.PreTrainedModel, texts: torch.Tensor) -> torch.Tensor:
        """Return the logits behind texts, int64 [batch, tokens]."""
        if self._last is None or self._last[0] is not model or not torch.equal(self._last[1], texts):
            self._last = model, texts, uncached_logits(model, texts)
        return self._last[2]
