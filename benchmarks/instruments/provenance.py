"""What every figure of a benchmark belongs to: case, procedure, device, model, data and its integrity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from analysis.runs.estimator import ESTIMATOR
from benchmarks.instruments.base import InVisit
from benchmarks.machine.environment import essentials
from benchmarks.measured_case import MeasuredCase
from benchmarks.policies import PROCEDURE
from core.metrics.figures import Figure, Reason
from core.metrics.records import Record, figure, metric
from fixtures.precisions.storage import parameter_count


@dataclass(frozen=True, kw_only=True)
class Sources(Record):
    """The model and the data, with digests."""

    model: str
    #: What FP32 is made of where the weights were not stored as floating-point numbers, else None.
    baseline: str | None
    weights_sha256: str
    dataset: str
    dataset_sha256: str
    num_samples: int
    #: Tokens of text in the rows, and those of the text that are in none, null where the dataset does not say it.
    text_tokens: int
    tokens_truncated: Figure[int] = figure(reason=Reason("tokens_truncated_reason"))
    packed: bool
    #: The tokenizer that made the tokens, and its digest; the digest of the rows' text, whatever their tokens; None
    #: where the dataset does not say them. What a reader must know of the tokens.
    tokenizer: str
    tokenizer_sha256: str | None
    rows_sha256: str | None
    token_notes: Sequence[str]
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
    estimator: int
    precision: str
    execution: str
    batch_size: int
    sequence_length: int
    device: str = metric("", None, "where it ran", place=810)
    order_seed: int
    quick: bool = metric("", None, "whether the session was a quick one (--quick)", place=835)
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

    def measure(self, case: MeasuredCase) -> Record:
        """Return model, data and device, with their digests."""
        dataset, checkpoint, named = case.dataset, case.checkpoint, case.case
        sources = Sources(
            model=checkpoint.name,
            baseline=checkpoint.baseline,
            weights_sha256=checkpoint.sha256,
            dataset=dataset.name,
            dataset_sha256=dataset.sha256,
            num_samples=dataset.num_samples,
            text_tokens=dataset.text_tokens,
            tokens_truncated=dataset.tokens_truncated,
            packed=dataset.packed,
            tokenizer=dataset.tokenizer_name,
            tokenizer_sha256=dataset.tokenizer_sha256,
            rows_sha256=dataset.rows_sha256,
            token_notes=dataset.notes,
            stand_in=case.is_stand_in,
            stand_in_text=dataset.stand_in,
            stand_in_weights=checkpoint.stand_in,
            parameters=parameter_count(case.model),
        )
        return ProvenanceRecord(
            case=named.as_json(),
            procedure=PROCEDURE,
            estimator=ESTIMATOR,
            precision=named.precision,
            execution=named.execution,
            batch_size=named.batch_size,
            sequence_length=named.sequence_length,
            device=str(case.settings.device),
            order_seed=case.settings.order_seed,
            quick=case.settings.quick,
            provenance=sources,
            integrity={"checks": dataset.checks, "dataset_sha256": dataset.sha256},
            environment=essentials(case.settings.device),
            execution_traits=asdict(case.execution.traits),
        )
