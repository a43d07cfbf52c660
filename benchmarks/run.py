"""One case in progress: what the instruments are handed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from traceback import clear_frames
from typing import TYPE_CHECKING

import torch

from analysis.case import EAGER, Case
from benchmarks.loop import ForwardLoop
from benchmarks.policies import TimingPolicy
from benchmarks.steady_state import WarmUp, warm_up
from fixtures.dataset.batches import ShapedDataset, TokenizedDataset
from fixtures.dataset.whole_text import WholeText
from fixtures.device.memory import clear_workspaces, peak_bytes, requested_bytes, start_peak_memory
from fixtures.device.nvml import sm_clock_mhz
from fixtures.executions import EXECUTIONS, Forward, require_same_logits
from fixtures.model.checkpoint import Checkpoint
from fixtures.model.loading import is_out_of_memory
from fixtures.model.resident import Models, ResidentModel
from fixtures.operators import output_layer_watch
from fixtures.precisions import PRECISIONS, Precision, baseline
from fixtures.settings import Settings

if TYPE_CHECKING:
    import transformers

#: Batches on which another execution's logits are compared with eager ones.
COMPARED_BATCHES = 4


@dataclass
class BenchmarkRun:
    """A case on its data. Instruments read all of it and return records."""

    settings: Settings
    timing: TimingPolicy
    case: Case
    checkpoint: Checkpoint
    dataset: TokenizedDataset
    models: Models
    whole_text: WholeText | None
    #: Set by `prepare`.
    loop: ForwardLoop = field(init=False)
    #: Set by `settle`.
    warm_up: WarmUp = field(init=False)
    #: Seconds of each timed round, in their order; empty until they have run.
    durations_s: list[float] = field(default_factory=list)
    #: Where the time went, by phase.
    seconds: dict[str, float] = field(default_factory=dict)
    _others_bytes: int = 0

    @property
    def precision(self) -> Precision:
        """The precision under test."""
        return PRECISIONS[self.case.precision]

    @cached_property
    def data(self) -> ShapedDataset:
        """The dataset in the case's shape."""
        return self.dataset.shaped(self.case.batch_size, self.case.sequence_length)

    @cached_property
    def resident(self) -> ResidentModel:
        """The model in the case's precision."""
        return self.models.get(self.precision)

    @property
    def model(self) -> transformers.PreTrainedModel:
        """The model in the case's precision."""
        return self.resident.model

    @property
    def is_stand_in(self) -> bool:
        """Whether the text is generated or the weights are seeded."""
        return self.dataset.stand_in or self.checkpoint.stand_in

    @cached_property
    def eager(self) -> Forward:
        """The eager forward: the reference for every other execution."""
        batch = self.data.batches[0]
        return EXECUTIONS[EAGER].prepare(self.model, batch.input_ids, batch.attention_mask)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the seconds of a block to `seconds`."""
        start_s = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start_s

    def baseline_model(self) -> transformers.PreTrainedModel:
        """Return the baseline's model, beside this one: this one itself where its weights are the baseline's."""
        return self.models.get(baseline(), beside=self.precision).model

    def prepare(self) -> None:
        """Make the closed loop that is timed, capturing or compiling where the execution does, and run it once.

        Where memory runs out, the session's other models are dropped and it is tried once more. Call it inside the
        precision's context. Raises `CaptureError`, and `PrecisionError` where the model does not compute in what the
        precision says.
        """
        try:
            self._prepare()
            return
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or not self.models.drop_others(self.precision):
                raise
            clear_frames(error.__traceback__)
        self._prepare()

    def _prepare(self) -> None:
        device, batch = self.settings.device, self.data.batches[0]
        clear_workspaces(device)
        own_bytes = self.resident.held_bytes + self.data.held_bytes
        self._others_bytes = requested_bytes(device) - own_bytes  # other models, other shapes
        start_peak_memory(device)
        forward = EXECUTIONS[self.case.execution].prepare(self.model, batch.input_ids, batch.attention_mask)
        self.loop = ForwardLoop(forward, self.data.batches, device)
        logits = self.loop.run_one()
        self.precision.verify(self.model, self._before_casts(logits))

    def peak_memory_bytes(self) -> tuple[int | None, str | None]:
        """Return the most that PyTorch held for this case since its preparation began, or None and why not."""
        peak, reason = peak_bytes(self.settings.device)
        return (None, reason) if peak is None else (peak - self._others_bytes, None)

    def _before_casts(self, logits: torch.Tensor) -> torch.Tensor:
        """Return logits as the output layer gives them, where the model casts them to another dtype at the end."""
        if logits.dtype == self.precision.compute:
            return logits
        batch = self.data.batches[0]
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
        if self.case.execution == EAGER:
            return 0.0
        self.loop.next_index = 0
        differences = []
        for batch in self.data.batches[:COMPARED_BATCHES]:
            expected: torch.Tensor = self.eager(batch.input_ids, batch.attention_mask).clone()
            logits = self.loop.run_one()
            differences.append(
                require_same_logits(logits, expected, batch.attention_mask, self.precision.tolerance, self.case.id)
            )
        return max(differences)
