"""The machine and the software that a figure belongs to."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import transformers

from analysis.runs.time_order import FORM
from benchmarks.machine.identity import machine_key
from fixtures import CACHE_VARIABLE
from fixtures.device.nvml import NvmlError, gpu_uuid, open_gpu
from fixtures.device.requirements import cpu_info
from fixtures.device.unusable import unusable_gpus

#: What of a board's state decides its figures, and the method of `Gpu` that reads it.
STATE = {"power_limit_w": "power_limit_w", "persistence_mode": "is_persistent", "ecc": "has_ecc"}
#: What is recorded where no variable sets an option of the compiler.
NO_OPTIONS = "defaults"


def environment(device: torch.device) -> dict[str, Any]:
    """Return the versions, the GPU and the flags that decide what a number means."""
    return {
        **versions(),
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        "device": str(device),
        "gpu": gpu(device) if device.type == "cuda" else None,
        **unusable_gpus().as_facts(),
        "torch_threads": torch.get_num_threads(),
        "flags": flags(),
        "git_commit": git_commit(Path(__file__).parent),
        "measured_utc": session_start_utc(),
    }


def essentials(device: torch.device) -> dict[str, Any]:
    """Return what two figures must have in common to be compared: the device, its driver, the libraries."""
    cpu = cpu_info().get("brand_raw")
    where = gpu(device) if device.type == "cuda" else {"name": cpu}
    return {
        "device_name": where["name"],
        "device_uuid": where.get("uuid"),
        "driver": where.get("driver"),
        "power_limit_w": where.get("power_limit_w"),
        "persistence_mode": where.get("persistence_mode"),
        "ecc": where.get("ecc"),
        "cpu_model": cpu,
        "machine_key": machine_key(cpu),
        "torch_threads": torch.get_num_threads(),
        **versions(),
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        "compiler_options": compiler_options(os.environ),
        "suite_commit": git_commit(Path(__file__).parent),
    }


def compiler_options(variables: Mapping[str, str]) -> str:
    """Return the variables that are set and change what the compiler makes, such as TORCHINDUCTOR_MULTI_KERNEL=1."""
    options = sorted(name for name in variables if name.startswith("TORCHINDUCTOR_") and name != CACHE_VARIABLE)
    return " ".join(f"{name}={variables[name]}" for name in options) or NO_OPTIONS


def versions() -> dict[str, str | None]:
    """Return the versions of Python and of the libraries that compute; None where one is not installed."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "torchao": installed("torchao"),
        "triton": installed("triton"),
        "cuda": torch.version.cuda,
    }


def installed(package: str) -> str | None:
    """Return the version of a package, None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@cache  # one board, in one state, for the session
def gpu(device: torch.device) -> dict[str, Any]:
    """Return the GPU's name, UUID, capability and memory, the driver's version or why it is not known, and its state.

    A state that NVML does not tell is None.
    """
    properties = torch.cuda.get_device_properties(device)
    state: dict[str, Any] = dict.fromkeys(STATE)
    try:
        board = open_gpu(device)
        driver, driver_reason = board.driver_version(), None
        state = {name: value_or_none(getattr(board, method)) for name, method in STATE.items()}
    except NvmlError as error:
        driver, driver_reason = None, str(error)
    return {
        "name": properties.name,
        "uuid": gpu_uuid(device),
        "capability": f"{properties.major}.{properties.minor}",
        "multiprocessors": properties.multi_processor_count,
        "memory_mb": properties.total_memory / 10**6,
        "driver": driver,
        "driver_reason": driver_reason,
        **state,
    }


def value_or_none(reader: Callable[[], Any]) -> Any:  # noqa: ANN401
    """Return what NVML tells, or None."""
    try:
        return reader()
    except NvmlError:
        return None


def flags() -> dict[str, Any]:
    """Return PyTorch's switches that change arithmetic."""
    return {
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "cudnn_allow_tf32": torch.backends.cudnn.allow_tf32,
        "fp16_reduced_precision_reduction": torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction,
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


@cache  # called when the session begins
def session_start_utc() -> str:
    """Return the time of the first call, such as 2026-11-24 05:12:09 UTC."""
    return f"{datetime.now(timezone.utc):{FORM}}"


@cache  # the code that was imported stays what it was
def git_commit(folder: Path) -> str | None:
    """Return the commit that `folder` is at, with "+" after it where files differ from it; None outside a checkout."""
    git = shutil.which("git")
    if git is None:
        return None
    answers = [
        subprocess.run([git, "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
        for arguments in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
    ]
    if answers[0].returncode != 0:
        return None
    return answers[0].stdout.strip() + ("+" if answers[1].stdout.strip() else "")
