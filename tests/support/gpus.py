"""GPUs, builds of PyTorch, and what is said of one by the other."""

from __future__ import annotations

from fixtures.device.builds import Build
from fixtures.device.installed import InstalledGpu
from fixtures.device.unusable import CudaState, diagnosis

CU130 = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120")
CU128 = ("sm_70", "sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")
CU126 = ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")
PINNED = Build("2.13.0+cu130", "13.0", CU130)
A100, V100, P100 = ("NVIDIA A100-SXM4-80GB", (8, 0)), ("Tesla V100-SXM2-16GB", (7, 0)), ("Tesla P100-PCIE-16GB", (6, 0))
H100, B200, T4G, K80 = ("NVIDIA H100", (9, 0)), ("NVIDIA B200", (10, 0)), ("NVIDIA T4G", (7, 5)), ("Tesla K80", (3, 7))
NO_DEVICE = "No CUDA GPUs are available"
REINSTALL = (
    "python -m pip uninstall --yes torch && python -m pip install torch --index-url https://download.pytorch.org/whl/"
)


def state(available: bool = False, visible: str | None = None, error: str = "", machine: str = "x86_64") -> CudaState:
    return CudaState(available, visible, lambda: error, machine)


def diagnosed(gpu, driver, build=PINNED, obstacle=None, **cuda):
    return diagnosis(InstalledGpu(*gpu, driver, obstacle), build, state(**cuda))
