"""One benchmark in progress: what the instruments are handed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch
import transformers

from analysis.records import benchmark_name
from benchmarks.loop import ForwardLoop
from benchmarks.policies import TimingPolicy
from benchmarks.steady_state import WarmUp, warm_up
from fixtures.dataset.batches import TokenizedDataset
from fixtures.dataset.whole_text import WholeText
from fixtures.device.nvml import sm_clock_mhz
from fixtures.executions import EXECUTIONS, Forward, require_same_logits
from fixtures.model.checkpoint import Checkpoint
from fixtures.model.loading import load_model
from fixtures.operators import output_layer_watch
from fixtures.precisions import Precision, baseline
from fixtures.settings import Settings

#: Batches on which another execution's logits are compared with eager ones.
COMPARED_BATCHES = 4


@dataclass(frozen=True)
class FinishedRun:
    """A benchmark that has been measured, with its records."""

    precision: str
    execution: str
    extra_info: dict[str, Any]

    def invalidate(self, reason: str) -> None:
        """Add a reason not to trust the measurement."""
        invalidate(self.extra_info["validity"], reason)


@dataclass
class BenchmarkRun:
    """A precision run in one execution over the dataset. Instruments read all of it and return records."""

    settings: Settings
    timing: TimingPolicy
    precision: Precision
    execution: str
    model: transformers.PreTrainedModel
    checkpoint: Checkpoint
    dataset: TokenizedDataset
    whole_text: WholeText | None
    #: What the session has measured before, by name.
    finished: Mapping[str, FinishedRun]
    #: pytest-benchmark's, which is saved with the run.
    extra_info: dict[str, Any]
    #: Set by `prepare`.
    loop: ForwardLoop = field(init=False)
    #: Set by `settle`.
    warm_up: WarmUp = field(init=False)
    #: Seconds of each timed round, in their order; empty until they have run.
    durations_s: list[float] = field(default_factory=list)

    def invalidate(self, reason: str) -> None:
        """Add a reason not to trust this measurement."""
        invalidate(self.extra_info["validity"], reason)

    @property
    def name(self) -> str:
        """The benchmark's short name, such as fp16-eager."""
        return benchmark_name(self.precision.name, self.execution)

    @cached_property
    def eager(self) -> Forward:
        """The eager forward: the reference for every other execution."""
        batch = self.dataset.batches[0]
        return EXECUTIONS["eager"].prepare(self.model, batch.input_ids, batch.attention_mask)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the seconds of a block to `extra_info["seconds"]`: where a session's time goes."""
        start_s = time.perf_counter()
        yield
        seconds = self.extra_info.setdefault("seconds", {})
        seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - start_s

    def baseline_model(self) -> transformers.PreTrainedModel:
        """Return the baseline's model, beside this one: this one itself where its weights are the baseline's."""
        if self.precision.has_weights_of(baseline()):
            return self.model
        return load_model(self.checkpoint, baseline(), self.settings.device)

    def prepare(self) -> None:
        """Make the closed loop that is timed, capturing or compiling where the execution does, and run it once.

        Call it inside the precision's context. Raises `CaptureError`, and `PrecisionError` where the model does not
        compute in what the precision says.
        """
        batch = self.dataset.batches[0]
        forward = EXECUTIONS[self.execution].prepare(self.model, batch.input_ids, batch.attention_mask)
        self.loop = ForwardLoop(forward, self.dataset.batches, self.settings.device)
        self.precision.verify(self.model, self._before_casts(self.loop.run_one()))

    def _before_casts(self, logits: torch.Tensor) -> torch.Tensor:
        """Return logits as the output layer gives them, where the model casts them to another dtype at the end."""
        if logits.dtype == self.precision.compute:
            return logits
        batch = self.dataset.batches[0]
        with output_layer_watch(self.model) as tensors:
            self.eager(batch.input_ids, batch.attention_mask)
        return tensors[-1] if tensors else logits

    def settle(self) -> None:
        """Warm up until the rounds are steady."""
        clock = partial(sm_clock_mhz, self.settings.device)
        self.warm_up = warm_up(self.loop.timed_round, self.settings.warmup_rounds, clock, self.timing)

    def difference_from_eager(self) -> float:
        """Return the largest relative difference of the loop's logits from eager ones over a few batches.

        Raises `CaptureError` where it is beyond the precision's tolerance.
        """
        if self.execution == "eager":
            return 0.0
        self.loop.next_index = 0
        differences = []
        for batch in self.dataset.batches[:COMPARED_BATCHES]:
            expected: torch.Tensor = self.eager(batch.input_ids, batch.attention_mask).clone()
            logits = self.loop.run_one()
            differences.append(
                require_same_logits(logits, expected, batch.attention_mask, self.precision.tolerance, self.name)
            )
        return max(differences)


def invalidate(validity: dict[str, Any], reason: str) -> None:
    """Add a reason not to trust a measurement to its record of validity."""
    validity["reasons"].append(reason)
    validity.update(valid=False, status="invalid")
