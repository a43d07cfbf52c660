"""Turns what a user can mend into one sentence instead of a traceback."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest
import torch

from benchmarks.measure.size import BYTES_PER_MB
from data_prep.errors import InputError
from fixtures.precisions import PrecisionError


@contextmanager
def one_sentence(item: pytest.Item) -> Iterator[None]:
    """Fail with the amounts where GPU memory runs out, and with the message where a user made a mistake."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        device = torch.cuda.current_device()
        total = torch.cuda.get_device_properties(device).total_memory / BYTES_PER_MB
        held = torch.cuda.memory_allocated(device) / BYTES_PER_MB
        asked = next((part for part in str(error).split(". ") if part.startswith("Tried to allocate")), str(error))
        pytest.fail(
            f"Out of GPU memory in {item.name}: {asked}; PyTorch holds {held:,.0f} MB of {total:,.0f} MB. "
            "Lower --batch-size, or free the GPU (nvidia-smi lists who uses it).",
            pytrace=False,
        )
    except (InputError, PrecisionError) as error:
        pytest.fail(str(error), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Loading a model may run out of memory."""
    with one_sentence(item):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """So may running it; the other benchmarks go on."""
    with one_sentence(item):
        yield
