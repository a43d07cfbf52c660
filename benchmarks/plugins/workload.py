"""Writes what was run: precision, execution, shapes, device, model, data and the data's integrity."""

from __future__ import annotations

from benchmarks.instruments.size import parameter_count
from benchmarks.run import ForwardRun


def pytest_forward_starting(run: ForwardRun) -> None:
    """Write what every figure of this benchmark belongs to."""
    dataset, checkpoint = run.dataset, run.checkpoint
    run.extra_info.update(
        precision=run.precision.name,
        execution=run.execution,
        batch_size=dataset.batch_size,
        sequence_length=dataset.sequence_length,
        device=str(run.settings.device),
        order_seed=run.settings.order_seed,
        provenance={
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
    )
