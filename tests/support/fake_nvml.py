"""NVML as its Python binding shows it, with a clock that the test moves."""

from __future__ import annotations

from types import SimpleNamespace

from fixtures.device.nvml import THROTTLE_REASONS

VIOLATION_POLICIES = {"POWER": 0, "THERMAL": 1, "BOARD_LIMIT": 3, "RELIABILITY": 5}


class FakeNVMLError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(f"NVML error {value}")
        self.value = value


def fake_nvml(**functions):
    """Return a stand-in for the module pynvml; `functions` replace its defaults, an int is an error."""

    def failing(number: int):
        def fail(*_):
            raise FakeNVMLError(number)

        return fail

    library = {
        "NVMLError": FakeNVMLError,
        "NVML_ERROR_UNINITIALIZED": 1,
        "NVML_ERROR_NOT_SUPPORTED": 3,
        "NVML_ERROR_NO_PERMISSION": 4,
        "NVML_ERROR_NOT_FOUND": 6,
        "NVML_ERROR_DRIVER_NOT_LOADED": 9,
        "NVML_ERROR_LIBRARY_NOT_FOUND": 12,
        "NVML_ERROR_GPU_IS_LOST": 15,
        "NVML_ERROR_LIB_RM_VERSION_MISMATCH": 18,
        "NVML_CLOCK_SM": 1,
        "NVML_TEMPERATURE_GPU": 0,
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlSystemGetDriverVersion": lambda: "580.1",
        "nvmlDeviceGetCount": lambda: 0,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetHandleByUUID": lambda uuid: uuid,
        "nvmlDeviceGetTotalEnergyConsumption": lambda handle: 0,
        "nvmlDeviceGetFieldValues": power_fields(f186_s0=0),
        "nvmlDeviceGetPowerUsage": lambda handle: 0,
        "nvmlDeviceGetMigMode": 3,
        "nvmlDeviceGetClockInfo": lambda handle, clock: 1980,
        "nvmlDeviceGetTemperature": lambda handle, sensor: 51,
        "nvmlDeviceGetEnforcedPowerLimit": lambda handle: 700_000,
        "nvmlDeviceGetViolationStatus": lambda handle, policy: SimpleNamespace(violationTime=0),
        "nvmlDeviceGetCurrentClocksThrottleReasons": lambda handle: 0,
        "nvmlDeviceGetComputeRunningProcesses": lambda handle: [],
        **{f"NVML_PERF_POLICY_{name}": number for name, number in VIOLATION_POLICIES.items()},
        **{f"nvmlClocksThrottleReason{name}": 4 << bit for bit, name in enumerate(THROTTLE_REASONS)},
    }
    for name, function in {**library, **functions}.items():
        is_function = name.startswith(("nvmlDevice", "nvmlInit", "nvmlSystem", "nvmlGpm"))
        library[name] = failing(function) if is_function and isinstance(function, int) else function
    return SimpleNamespace(**library)


def fake_nvml_of(*gpus: tuple[str, tuple[int, int]], driver: str, **functions):
    """NVML on a machine with GPUs of these names and compute capabilities."""
    return fake_nvml(
        nvmlSystemGetDriverVersion=lambda: driver,
        nvmlDeviceGetCount=lambda: len(gpus),
        nvmlDeviceGetName=lambda handle: gpus[handle][0],
        nvmlDeviceGetCudaComputeCapability=lambda handle: gpus[handle][1],
        **functions,
    )


def power_fields(**scopes_mw: float):
    """Return nvmlDeviceGetFieldValues of a board that knows the power of some scopes, in mW, and of no other.

    The names are the field's and the scope's numbers, such as `f186_s0`.
    """

    def answer(handle: object, fields: list[tuple[int, int]]) -> list[SimpleNamespace]:
        powers = [scopes_mw.get(f"f{field}_s{scope}") for field, scope in fields]
        return [field_value(3, 0) if power is None else field_value(0, round(power)) for power in powers]

    return answer


def field_value(returned: int, value: int, value_type: int = 1) -> SimpleNamespace:
    """One answer of nvmlDeviceGetFieldValues."""
    return SimpleNamespace(nvmlReturn=returned, valueType=value_type, value=SimpleNamespace(uiVal=value))
