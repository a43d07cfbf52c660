"""Size: bytes of weights, of the checkpoint on disk, and of the most that a run held on the device."""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch

BYTES_PER_MB = 10**6


def model_bytes(model: torch.nn.Module) -> int:
    """Return the bytes of all parameters and buffers; tensors that share their memory (tied weights) count once."""
    seen: dict[tuple[int, int], int] = {}
    for tensor in chain(model.parameters(), model.buffers()):
        storage = tensor.untyped_storage()
        seen[(storage.data_ptr(), storage.nbytes())] = tensor.numel() * tensor.element_size()
    return sum(seen.values())


def parameter_count(model: torch.nn.Module) -> int:
    """Return the number of parameters, tied ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


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
