"""The machine and the software that a figure belongs to."""

from __future__ import annotations

import shutil
import subprocess
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers

from fixtures.device.nvml import NvmlError, gpu_uuid, open_gpu
from fixtures.device.requirements import cpu_info
from fixtures.device.unusable import unusable_gpus


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
    where = gpu(device) if device.type == "cuda" else {"name": cpu_info().get("brand_raw"), "driver": None}
    return {"device_name": where["name"], "driver": where["driver"], **versions()}


def versions() -> dict[str, str | None]:
    """Return the versions of the libraries that compute."""
    return {"torch": torch.__version__, "transformers": transformers.__version__, "cuda": torch.version.cuda}


def gpu(device: torch.device) -> dict[str, Any]:
    """Return the GPU's name, UUID, capability and memory, and the driver's version or why it is not known."""
    properties = torch.cuda.get_device_properties(device)
    try:
        driver, driver_reason = open_gpu(device).driver_version(), None
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
    }


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
    """Return the time of the first call, such as 2026-11-24 05:12 UTC."""
    return f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M UTC}"


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
