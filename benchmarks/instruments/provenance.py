"""What every figure of a benchmark belongs to: case, procedure, device, model, data and its integrity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.instruments.base import InVisit
from benchmarks.machine.environment import essentials
from benchmarks.policies import PROCEDURE
from benchmarks.run import BenchmarkRun
from core.metrics.records import Record, metric
from fixtures.precisions.storage import parameter_count


@dataclass(frozen=True, kw_only=True)
class Sources(Record):
    """The model and the data, with digests."""

    model: str
    weights_sha256: str
    dataset: str
    dataset_sha256: str
    num_samples: int
    packed: bool
    stand_in: bool = metric("", None, "true with generated text or seeded weights", place=830)
    stand_in_text: bool
    stand_in_weights: bool
    parameters: int


@dataclass(frozen=True, kw_only=True)
class ProvenanceRecord(Record):
    """What must be known to compare a benchmark's figures with others.

    Precision, execution and shape stand beside the case, which has them, for readers of the JSON file alone.
    """

    case: Mapping[str, Any]
    procedure: int
    precision: str
    execution: str
    batch_size: int
    sequence_length: int
    device: str = metric("", None, "where it ran", place=810)
    order_seed: int
    provenance: Sources
    integrity: Mapping[str, Any]
    #: pytest-benchmark's compare sees no machine_info.
    environment: Mapping[str, Any]
    execution_traits: Mapping[str, Any]


class Provenance(InVisit):
    """Writes down what is measured, and on what; it measures nothing."""

    name = "provenance"
    description = "what is measured, on what: case, model, data, device"
    record = ProvenanceRecord

    def measure(self, run: BenchmarkRun) -> Record:
        """Return the record."""
        dataset, checkpoint, case = run.dataset, run.checkpoint, run.case
        sources = Sources(
            model=checkpoint.name,
            weights_sha256=checkpoint.sha256,
            dataset=dataset.name,
            dataset_sha256=dataset.sha256,
            num_samples=dataset.num_samples,
            packed=dataset.packed,
            stand_in=run.is_stand_in,
            stand_in_text=dataset.stand_in,
            stand_in_weights=checkpoint.stand_in,
            parameters=parameter_count(run.model),
        )
        return ProvenanceRecord(
            case=case.as_json(),
            procedure=PROCEDURE,
            precision=case.precision,
            execution=case.execution,
            batch_size=case.batch_size,
            sequence_length=case.sequence_length,
            device=str(run.settings.device),
            order_seed=run.settings.order_seed,
            provenance=sources,
            integrity={"checks": dataset.checks, "dataset_sha256": dataset.sha256},
            environment=essentials(run.settings.device),
            execution_traits=asdict(run.execution.traits),
        )
