"""Size: bytes of weights, of the checkpoint on disk, and of the most that a run held on the device."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.instruments.base import Instrument, Record
from benchmarks.run import BenchmarkRun
from fixtures.model.storage import model_bytes, parameter_count

BYTES_PER_MB = 10**6


class Size(Instrument):
    """Takes the sizes; the peak of memory is that from the preparation to the last round."""

    def starting(self, run: BenchmarkRun) -> Record:
        """Begin a new maximum before anything runs."""
        start_peak_memory(run.settings.device)
        return {}

    def measure(self, run: BenchmarkRun) -> Record:
        """Return the sizes."""
        return {
            "size": {
                "model_size_mb": model_bytes(run.model) / BYTES_PER_MB,
                "parameters": parameter_count(run.model),
                "checkpoint_size_mb": run.checkpoint.size_bytes / BYTES_PER_MB,
                **peak_memory(run.settings.device),
            }
        }


def start_peak_memory(device: torch.device) -> None:
    """Begin a new maximum, so that the next reading is of what follows, whatever ran before.

    cuBLAS keeps a workspace for each stream that it was used on, 34 MB on an H100; earlier benchmarks' are given back.
    """
    if device.type == "cuda":
        torch._C._cuda_clearCublasWorkspaces()  # PyTorch calls it between captures; it has no public name
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> dict[str, Any]:
    """Return `peak_memory_mb`, the most that PyTorch held allocated on the device since `start_peak_memory`.

    On a CPU it is null: PyTorch keeps no such count there, and the process's own peak would be of Python and libraries.
    """
    if device.type == "cuda":
        return {"peak_memory_mb": torch.cuda.max_memory_allocated(device) / BYTES_PER_MB, "peak_memory_reason": None}
    return {"peak_memory_mb": None, "peak_memory_reason": "PyTorch counts no allocations on a CPU"}
