"""Loads of known size, which show what the counters read at the device's own limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from benchmarks.ceilings import product_of, seconds_of
from benchmarks.loop import ForwardLoop
from fixtures.dataset.batches import Batch
from fixtures.executions import Forward

#: A round of a load lasts so long: the wait between two rounds, some 40 microseconds, then does not matter.
ROUND_S = 0.01


@dataclass(frozen=True)
class Load:
    """Rounds that do nothing but one thing `repeats` times, each of which takes `once_s` seconds."""

    loop: ForwardLoop
    repeats: int
    once_s: float

    @property
    def round_s(self) -> float:
        """About how long a round takes."""
        return self.repeats * self.once_s


def load_of(run: Callable[[], torch.Tensor], device: torch.device) -> Load:
    """Return the load that calls something over and over, in a stream: see `peak_bytes_per_s`."""
    once_s = seconds_of(run, timed_s=0.0)
    repeats = max(1, math.ceil(ROUND_S / once_s))

    def rounds() -> torch.Tensor:
        for _ in range(repeats - 1):
            run()
        return run()

    nothing = torch.ones(1, 1, dtype=torch.int64)
    loop = ForwardLoop(Forward(lambda _: None, rounds), [Batch(nothing, nothing, text_tokens=1)], device)
    return Load(loop, repeats, once_s)


def reading(device: torch.device, read_bytes: int) -> Load:
    """Return the load that reads so many bytes, as a forward reads its weights: a sum of FP32 numbers."""
    return load_of(torch.randn(read_bytes // 4, device=device).sum, device)


def products(dtype: torch.dtype, device: torch.device, side: int) -> Load:
    """Return the load of one large matrix product in a dtype."""
    return load_of(product_of(dtype, device, side), device)
