"""NVIDIA's management library, for the one GPU under test: the only place that touches pynvml."""

from __future__ import annotations

import atexit
import importlib
from functools import cache
from types import ModuleType
from typing import Any

import torch

#: NVML_FI_DEV_POWER_INSTANT in nvml.h, and the type that its value has to have (NVML_VALUE_TYPE_UNSIGNED_INT).
INSTANT_POWER_FIELD, UNSIGNED_INT = 186, 1
#: Reasons for which the clocks are lower than they could be, as NVML names them.
THROTTLE_REASONS = (
    "SwPowerCap",
    "HwSlowdown",
    "SyncBoost",
    "SwThermalSlowdown",
    "HwThermalSlowdown",
    "HwPowerBrakeSlowdown",
)


class NvmlError(Exception):
    """NVML cannot give what was asked. `code` is its own name for the reason, such as NVML_ERROR_NOT_SUPPORTED."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(f"{what}: {code}")
        self.code = code


def error_name(library: ModuleType, error: Exception) -> str:
    """Return the name of an NVML error's number, as nvml.h spells it."""
    return number_name(library, getattr(error, "value", None))


def number_name(library: ModuleType, number: int | None) -> str:
    """Return the name of an NVML return value."""
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

    def instant_power_w(self) -> float:
        """Return the power at this moment (field 186). A field that fails on its own is an error, not a power of 0."""
        (field,) = self.read("nvmlDeviceGetFieldValues", [INSTANT_POWER_FIELD])
        if field.nvmlReturn != 0:
            raise NvmlError(number_name(self._library, field.nvmlReturn), f"field {INSTANT_POWER_FIELD}")
        if field.valueType != UNSIGNED_INT:
            raise NvmlError("UNKNOWN_VALUE_TYPE", f"field {INSTANT_POWER_FIELD} is of type {field.valueType}")
        return float(field.value.uiVal) / 1000

    def average_power_w(self) -> float:
        """Return the power averaged over the last second."""
        return float(self.read("nvmlDeviceGetPowerUsage")) / 1000

    def is_partitioned(self) -> bool:
        """Tell whether the GPU is split into MIG instances; a GPU that knows no MIG is not."""
        try:
            current, _ = self.read("nvmlDeviceGetMigMode")
        except NvmlError as error:
            if error.code == "NVML_ERROR_NOT_SUPPORTED":
                return False
            raise
        return bool(current)

    def sm_clock_mhz(self) -> int:
        """Return the clock of the streaming multiprocessors."""
        return int(self.read("nvmlDeviceGetClockInfo", self._library.NVML_CLOCK_SM))

    def temperature_c(self) -> int:
        """Return the GPU's temperature."""
        return int(self.read("nvmlDeviceGetTemperature", self._library.NVML_TEMPERATURE_GPU))

    def power_limit_w(self) -> float:
        """Return the power above which the GPU slows itself down."""
        return float(self.read("nvmlDeviceGetEnforcedPowerLimit")) / 1000

    def violation_ns(self, policy: str) -> int:
        """Return how long the clocks have been held down by a policy, such as THERMAL, since the driver was loaded."""
        return int(
            self.read("nvmlDeviceGetViolationStatus", self._constant(f"NVML_PERF_POLICY_{policy}")).violationTime
        )

    def throttle_reasons(self) -> list[str]:
        """Return the names of what holds the clocks down at this moment, idling left out."""
        bits = int(self.read("nvmlDeviceGetCurrentClocksThrottleReasons"))
        return [name for name in THROTTLE_REASONS if bits & self._constant(f"nvmlClocksThrottleReason{name}")]

    def compute_pids(self) -> list[int]:
        """Return the processes that compute on this GPU, as far as this process may see them."""
        return [int(process.pid) for process in self.read("nvmlDeviceGetComputeRunningProcesses")]

    def _constant(self, name: str) -> int:
        return int(getattr(self._library, name))

    def driver_version(self) -> str:
        """Return the driver's version."""
        try:
            return str(self._library.nvmlSystemGetDriverVersion())
        except self._library.NVMLError as error:
            raise NvmlError(error_name(self._library, error), "nvmlSystemGetDriverVersion") from error


@cache
def open_gpu(device: torch.device) -> Gpu:
    """Return the NVML handle of a CUDA device, found by UUID, so that CUDA_VISIBLE_DEVICES plays no part.

    NVML stays open until the process ends. Raises `NvmlError` where there is no NVML, no permission, or no such GPU.
    """
    library = load_library()
    try:
        library.nvmlInit()
    except library.NVMLError as error:
        raise NvmlError(error_name(library, error), "nvmlInit") from error
    atexit.register(library.nvmlShutdown)
    if device.type != "cuda":
        raise NvmlError("NOT_A_GPU", f"NVML knows nothing of the device under test, {device}")
    return Gpu(library, find_handle(library, device))


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
