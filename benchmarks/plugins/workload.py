"""Writes what was run: precision, execution, shapes, device, model, data and the data's integrity."""

from __future__ import annotations

import pytest

from benchmarks.forward_run import ForwardRun
from benchmarks.measure.size import parameter_count
from fixtures.precisions import emulation_reason


@pytest.hookimpl
def pytest_forward_prepared(run: ForwardRun) -> None:
    """Write what every figure of this benchmark belongs to."""
    dataset, checkpoint = run.dataset, run.checkpoint
    run.extra_info.update(
        precision=run.precision.name,
        execution=run.execution,
        batch_size=dataset.batch_size,
        sequence_length=dataset.sequence_length,
        device=str(run.settings.device),
        workload={
            "model": checkpoint.name,
            "weights_sha256": checkpoint.sha256,
            "dataset": dataset.name,
            "dataset_sha256": dataset.sha256,
            "num_samples": dataset.num_samples,
            "stand_in": dataset.stand_in or checkpoint.stand_in,
            "stand_in_text": dataset.stand_in,
            "stand_in_weights": checkpoint.stand_in,
            "parameters": parameter_count(run.model),
        },
        integrity={"checks": dataset.checks, "dataset_sha256": dataset.sha256},
        validity={"native": emulation_reason(run.precision, run.settings.device) is None},
    )
