"""Which workloads with a cache a model can be measured in: told before anything is measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from traceback import clear_frames

import torch

from core.case import BASELINE, Case
from core.errors import InputError
from fixtures.dataset.batches import TokenizedDataset
from fixtures.executions import reference
from fixtures.executions.cached import UncachedLogits, unusable_cache_reason
from fixtures.models.checkpoint import Checkpoint
from fixtures.models.own_errors import RAISED_BY_MODELS
from fixtures.models.resident import Models
from fixtures.precisions import PrecisionError, baseline
from fixtures.workloads import WORKLOADS


@dataclass
class CacheProofs:
    """Tells of each task's model, once a shape in FP32 and eager execution, what cannot be measured with a cache."""

    device: torch.device
    datasets: Mapping[str, TokenizedDataset]
    checkpoints: Mapping[str, Checkpoint]
    models: Mapping[str, Models]
    #: Those of a precision are computed once for all of a session's cases.
    uncached: UncachedLogits = field(default_factory=UncachedLogits)
    #: By the case of the baseline in eager execution, which stands for all of its shape: a reason, or None.
    _reasons: dict[Case, str | None] = field(default_factory=dict)

    def tell(self, cases: Iterable[Case]) -> None:
        """Find the reasons of some cases. An error is left to the test of its case, which raises it again."""
        for case in cases:
            try:
                self.reason(case)
            except (InputError, PrecisionError, MemoryError, *RAISED_BY_MODELS) as error:
                clear_frames(error.__traceback__)

    def reason(self, case: Case) -> str | None:
        """Return why a case cannot be measured with the cache that its workload has, or None.

        Raises `InputError` where there is no model or no batch, and what a workload raises.
        """
        workload = WORKLOADS[case.workload]
        if not workload.has_cache:
            return None
        key = case.partner(precision=BASELINE, execution=reference().name)
        if key not in self._reasons:
            reason = workload.unavailable_reason(self.checkpoints[case.task], key)
            self._reasons[key] = self._proved(key) if reason is None else reason
        return self._reasons[key]

    def _proved(self, case: Case) -> str | None:
        workload = WORKLOADS[case.workload]
        shape = case.batch_size, case.sequence_length
        batch = self.datasets[case.task].shaped(*shape, full_rows=workload.full_rows).batches[0]
        model = self.models[case.task].get(baseline()).model
        uncached = partial(self.uncached, (case.task, case.precision))
        with baseline().running(self.device):
            return unusable_cache_reason(workload, model, batch, uncached)
