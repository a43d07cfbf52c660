"""In what a benchmark really computes: observed dtypes, casts and switches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import transformers

from benchmarks.instruments.base import AfterVisits, Record, metric
from benchmarks.run import BenchmarkRun
from fixtures.dataset.batches import Batch
from fixtures.executions import Forward
from fixtures.model.storage import storage_of
from fixtures.operators import OperatorWatch

#: Tensor.to is one operator in inference mode and another outside it.
CONVERSIONS = (torch.ops.aten.to, torch.ops.aten._to_copy)


@dataclass(frozen=True, kw_only=True)
class NumericsRecord(Record):
    """Dtypes and switches as they were found, and the casts of one forward."""

    section: ClassVar[str] = "numerics"
    parameter_dtypes: Mapping[str, int]
    logits_dtype: str
    float32_matmul_precision: str
    cudnn_allow_tf32: bool
    attention_implementation: str
    casts: int = metric("", None, "conversions between floating-point dtypes in one forward")
    casts_by_dtype: Mapping[str, int]
    difference_from_eager: float
    same_bits_as_eager: bool


class Numerics(AfterVisits):
    """Observes one eager forward, and compares the timed execution's logits with eager ones."""

    record = NumericsRecord

    def measure(self, run: BenchmarkRun) -> Record:
        """Return the observations; raise `CaptureError` where the timed execution computes something else."""
        observed = numerics(run.model, run.eager, run.data.batches[0])
        difference = run.difference_from_eager()
        return NumericsRecord(**observed, difference_from_eager=difference, same_bits_as_eager=difference == 0)


def numerics(model: transformers.PreTrainedModel, eager: Forward, batch: Batch) -> dict[str, Any]:
    """Return the dtypes, switches and casts of one eager forward, run here for the purpose.

    Call it inside `Precision.running`, after a first forward, so that autocast holds its casts of the weights: what is
    counted then are the casts that every further forward makes. A quantized parameter counts under its class and the
    dtypes that it is stored in.
    """
    logits, casts = count_casts(eager, batch)
    parameters = Counter(storage_of(parameter) for parameter in model.parameters())
    return {
        "parameter_dtypes": dict(parameters),
        "logits_dtype": str(logits.dtype),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "cudnn_allow_tf32": torch.backends.cudnn.allow_tf32,
        "attention_implementation": model.config._attn_implementation,
        "casts": sum(casts.values()),
        "casts_by_dtype": dict(casts),
    }


def count_casts(eager: Forward, batch: Batch) -> tuple[torch.Tensor, Counter[str]]:
    """Run one forward; return its logits, and how often it converted a tensor between two floating-point dtypes."""
    casts: Counter[str] = Counter()

    def watch(operator: Any, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> None:  # noqa: ANN401
        if operator.overloadpacket not in CONVERSIONS:
            return
        source, target = arguments[0].dtype, options.get("dtype", arguments[1] if len(arguments) > 1 else None)
        is_float = source.is_floating_point and isinstance(target, torch.dtype) and target.is_floating_point
        if is_float and source != target:
            casts[f"{source} to {target}"] += 1

    with OperatorWatch(watch):
        return eager(batch), casts
