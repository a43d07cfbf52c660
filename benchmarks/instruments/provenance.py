"""What every figure of a benchmark belongs to: precision, execution, shapes, device, model, data and its integrity."""

from __future__ import annotations

from benchmarks.instruments.base import Instrument, Record
from benchmarks.instruments.machine.environment import essentials
from benchmarks.run import BenchmarkRun
from fixtures.model.storage import parameter_count


class Provenance(Instrument):
    """Writes down what is measured, and on what; it measures nothing."""

    def starting(self, run: BenchmarkRun) -> Record:
        """Return what must be known to compare this benchmark's figures with others."""
        dataset, checkpoint = run.dataset, run.checkpoint
        return {
            "precision": run.precision.name,
            "execution": run.execution,
            "batch_size": dataset.batch_size,
            "sequence_length": dataset.sequence_length,
            "device": str(run.settings.device),
            "order_seed": run.settings.order_seed,
            "provenance": {
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
            "integrity": {"checks": dataset.checks, "dataset_sha256": dataset.sha256},
            # pytest-benchmark's compare sees no machine_info.
            "environment": essentials(run.settings.device),
        }
