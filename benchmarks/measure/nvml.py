"""NVIDIA's management library, for the one GPU under test: the only place that touches pynvml."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch


class NvmlError(Exception):
    """NVML cannot give what was asked. `code` is its own name for the reason, such as NVML_ERROR_NOT_SUPPORTED."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(f"{what}: {code}")
        self.code = code


def error_name(library: ModuleType, error: Exception) -> str:
    """Return the name of an NVML error's number, as nvml.h spells it."""
    number = getattr(error, "value", None)
    for name, value in vars(library).items():
        if name.startswith("NVML_ERROR_") and value == number:
            return name
    return f"NVML error {number}"


class Gpu:
    """One GPU as NVML sees it. Every reading raises `NvmlError` where the driver does not give it."""

    def __init__(self, library: ModuleType, handle: object) -> None:
        self._library = library
        self._handle = handle

    def read(self, function: str, *arguments: object) -> Any:  # noqa: ANN401
        """Call one of NVML's nvmlDevice functions for this GPU."""
        try:
            return getattr(self._library, function)(self._handle, *arguments)
        except self._library.NVMLError as error:
            raise NvmlError(error_name(self._library, error), function) from error

    def total_energy_mj(self) -> int:
        """Return the energy since the driver was loaded, in millijoules (Volta and newer)."""
        return int(self.read("nvmlDeviceGetTotalEnergyConsumption"))

    def sm_clock_mhz(self) -> int:
        """Return the clock of the streaming multiprocessors."""
        return int(self.read("nvmlDeviceGetClockInfo", self._library.NVML_CLOCK_SM))

    def temperature_c(self) -> int:
        """Return the GPU's temperature."""
        return int(self.read("nvmlDeviceGetTemperature", self._library.NVML_TEMPERATURE_GPU))

    def driver_version(self) -> str:
        """Return the driver's version."""
        try:
            return str(self._library.nvmlSystemGetDriverVersion())
        except self._library.NVMLError as error:
            raise NvmlError(error_name(self._library, error), "nvmlSystemGetDriverVersion") from error


@contextmanager
def open_gpu(device: torch.device) -> Iterator[Gpu]:
    """Give the NVML handle of a CUDA device, found by UUID, so that CUDA_VISIBLE_DEVICES plays no part.

    Raises `NvmlError` where there is no NVML, no permission, or no such GPU.
    """
    library = load_library()
    try:
        library.nvmlInit()
    except library.NVMLError as error:
        raise NvmlError(error_name(library, error), "nvmlInit") from error
    try:
        if device.type != "cuda":
            raise NvmlError("NOT_A_GPU", f"NVML knows nothing of the device under test, {device}")
        yield Gpu(library, find_handle(library, device))
    finally:
        library.nvmlShutdown()


def load_library() -> ModuleType:
    """Import pynvml, when it is needed."""
    return importlib.import_module("pynvml")


def find_handle(library: ModuleType, device: torch.device) -> object:
    """Return NVML's handle of a CUDA device by its UUID."""
    uuid = gpu_uuid(device)
    try:
        return library.nvmlDeviceGetHandleByUUID(uuid)
    except library.NVMLError as error:
        raise NvmlError(error_name(library, error), f"nvmlDeviceGetHandleByUUID({uuid})") from error


def gpu_uuid(device: torch.device) -> str:
    """Return the UUID of a CUDA device as NVML writes it, GPU-xxxxxxxx-…; PyTorch leaves the prefix out."""
    uuid = str(torch.cuda.get_device_properties(device).uuid)
    return uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"
