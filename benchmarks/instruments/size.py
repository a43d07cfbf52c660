"""Size: bytes of weights, of the checkpoint on disk, and of the most that a case needed on the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.instruments.base import AfterVisits
from benchmarks.run import BenchmarkRun
from core.metrics import SAME
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
        heading="size MB",
        in_terminal=True,
        form=".2f",
        repeat=SAME,
        place=310,
    )
    parameters: int
    checkpoint_size_mb: float | None = metric(
        "MB", None, "weight files on disk; of a quantized model, as they would be saved", repeat=SAME, place=800
    )
    checkpoint_reason: str | None
    peak_memory_mb: float | None = metric(
        "MB",
        "lower",
        "most memory PyTorch held for this case: the model, and what ran",
        repeat=SAME,
        heading="peak MB",
        form=".1f",
    )
    peak_memory_reason: str | None


class Size(AfterVisits):
    """Adds up what is stored; the peak of memory is that from the preparation to the last round."""

    name = "size"
    description = "bytes of weights, of the checkpoint, and of the most memory that was needed"
    record = SizeRecord

    def measure(self, run: BenchmarkRun) -> Record:
        """Return the sizes.

        On a CPU the peak is null: PyTorch keeps no such count there, and the process's own would be of Python and
        libraries.
        """
        peak, reason = run.peak_memory_bytes()
        checkpoint, checkpoint_reason = (
            checkpoint_bytes(run.model) if run.precision.is_transformed else (run.checkpoint.size_bytes, None)
        )
        return SizeRecord(
            model_size_mb=model_bytes(run.model) / BYTES_PER_MB,
            parameters=parameter_count(run.model),
            checkpoint_size_mb=None if checkpoint is None else checkpoint / BYTES_PER_MB,
            checkpoint_reason=checkpoint_reason,
            peak_memory_mb=None if peak is None else peak / BYTES_PER_MB,
            peak_memory_reason=reason,
        )
