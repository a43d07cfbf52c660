"""Turns what a user can fix into one sentence instead of a traceback."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from traceback import clear_frames

import psutil
import pytest
import torch

from benchmarks.instruments.size import BYTES_PER_MB
from benchmarks.loop import ClockError
from benchmarks.refusals import PROOF_ERRORS, RefusedError
from core.errors import InputError, first_line
from core.safe_text import one_line
from fixtures.device.memory import is_out_of_memory

#: How the messages of PyTorch begin that pass on an error of CUDA, such as a GPU that is lost.
CUDA_ERROR = "CUDA error"


@contextmanager
def fail_without_traceback(item: pytest.Item) -> Iterator[None]:
    """Fail with the amounts of memory where it runs out, and with the message alone where that says it all."""
    try:
        yield
        return
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            is_gpu = isinstance(error, torch.OutOfMemoryError)
            message = out_of_gpu_memory(item.name, error) if is_gpu else out_of_cpu_memory(item.name, error)
            release(error)
            if is_gpu:
                torch.cuda.empty_cache()
        elif CUDA_ERROR in str(error):
            message = gpu_failed(item.name, error)
            release(error)
            item.session.shouldstop = "the GPU failed"  # nothing works after an error of the CUDA context
        else:
            raise
    except (InputError, ClockError, RefusedError, *PROOF_ERRORS) as error:
        message = one_line(str(error))
        release(error)
    # Without what it stands for, which says the same.
    raise pytest.fail.Exception(message, pytrace=False) from None


def release(error: BaseException) -> None:
    """Drop what the functions that an error came from had allocated: pytest keeps the error to the end."""
    clear_frames(error.__traceback__)


def gpu_failed(name: str, error: BaseException) -> str:
    """Return what the GPU answered instead of a result."""
    return (
        f"The GPU failed in {name}: {first_line(error)}; expected a GPU that answers. Nothing more is measured, and "
        "what was measured before is saved; `nvidia-smi` and the kernel's log (`dmesg`) tell more."
    )


def out_of_gpu_memory(name: str, error: BaseException) -> str:
    """Return what was asked for, what is held and what there is."""
    device = torch.cuda.current_device()
    total = torch.cuda.get_device_properties(device).total_memory / BYTES_PER_MB
    held = torch.cuda.memory_allocated(device) / BYTES_PER_MB
    asked = next((part for part in str(error).split(". ") if part.startswith("Tried to allocate")), str(error))
    return (
        f"Out of GPU memory in {name}: {asked}; PyTorch holds {held:,.0f} MB of {total:,.0f} MB. "
        "Lower --batch-size or --sequence-length, or free the GPU (nvidia-smi lists who uses it)."
    )


def out_of_cpu_memory(name: str, error: BaseException) -> str:
    """Return what was asked for, what is free and what there is."""
    memory = psutil.virtual_memory()
    free, total = memory.available / BYTES_PER_MB, memory.total / BYTES_PER_MB
    asked = str(error).rpartition("DefaultCPUAllocator: ")[2] or "an allocation failed"
    return (
        f"Out of memory in {name}: {asked}; {free:,.0f} MB of {total:,.0f} MB are free. "
        "Lower --batch-size, --sequence-length or --quality-samples, or close other programs."
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Loading a model may run out of memory."""
    with fail_without_traceback(item):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """So may running it; the other benchmarks go on."""
    with fail_without_traceback(item):
        yield
