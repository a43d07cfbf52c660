"""Size: bytes of weights, of the checkpoint on disk, and of the most that a case needed on the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.instruments.base import AfterLastVisit, AfterVisits
from benchmarks.measured_case import MeasuredCase
from core.metrics import SAME
from core.metrics.figures import Figure, Reason
from core.metrics.ranges import NOT_NEGATIVE, POSITIVE
from core.metrics.records import Record, metric
from fixtures.precisions.storage import checkpoint_bytes, model_bytes, parameter_count

BYTES_PER_MB = 10**6


@dataclass(frozen=True, kw_only=True)
class SizeRecord(Record):
    """Sizes in MB of 10^6 bytes."""

    section: ClassVar[str] = "size"
    model_size_mb: float = metric(
        "MB",
        "lower",
        "parameters and buffers, tied ones once",
        within=POSITIVE,
        heading="size MB",
        in_terminal=True,
        form=".2f",
        repeat=SAME,
        place=310,
    )
    parameters: int
    checkpoint_size_mb: Figure[float] = metric(
        "MB",
        None,
        "weight files on disk; of a quantized model, as they would be saved",
        within=NOT_NEGATIVE,
        reason=Reason("checkpoint_reason"),
        repeat=SAME,
        place=800,
    )
    peak_memory_mb: Figure[float] = metric(
        "MB",
        "lower",
        "most memory PyTorch held for this case: the model, and what ran",
        within=NOT_NEGATIVE,
        reason=Reason("peak_memory_reason"),
        repeat=SAME,
        heading="peak MB",
        form=".1f",
    )


class Size(AfterVisits):
    """Adds up what is stored; the peak of memory is that from the preparation to the last round."""

    name = "size"
    description = "bytes of weights, of the checkpoint, and of the most memory that was needed"
    record = SizeRecord

    def measure(self, case: MeasuredCase, after: AfterLastVisit) -> Record:
        """Return the sizes.

        On a CPU the peak is null: PyTorch keeps no such count there, and the process's own would be of Python and
        libraries.
        """
        stored, reason = (
            checkpoint_bytes(case.model) if case.precision.is_transformed else (case.checkpoint.size_bytes, None)
        )
        return SizeRecord(
            model_size_mb=model_bytes(case.model) / BYTES_PER_MB,
            parameters=parameter_count(case.model),
            checkpoint_size_mb=in_mb(Figure(stored, reason=reason)),
            peak_memory_mb=in_mb(case.peak_memory_bytes),
        )


def in_mb(size_bytes: Figure[int]) -> Figure[float]:
    """Return a number of bytes in MB of 10^6 bytes."""
    value = size_bytes.value
    return Figure(None if value is None else value / BYTES_PER_MB, reason=size_bytes.reason)
