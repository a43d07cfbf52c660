"""The board whose sensors tell a GPU's energy."""

from __future__ import annotations

import torch

from benchmarks.meters.meter import MeterError
from fixtures.device.nvml import Gpu, open_gpu


def whole_board(device: torch.device) -> Gpu:
    """Return the board of a GPU.

    Raises `NvmlError`, and `MeterError` where the board's energy is not this GPU's alone (MIG).
    """
    gpu = open_gpu(device)
    if gpu.is_partitioned():
        raise MeterError("MIG", "the GPU is partitioned (MIG); its meter shows the energy of all partitions together")
    return gpu
