"""One case in progress: what the instruments are handed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from traceback import clear_frames
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from benchmarks.loop import ForwardLoop, Rounds, run_beside
from benchmarks.policies import TimingPolicy
from benchmarks.steady_state import WarmUp, at_least, warm_up
from core.case import Case
from fixtures.dataset.batches import ShapedDataset, TokenizedDataset
from fixtures.device.memory import clear_workspaces, peak_bytes, requested_bytes, start_peak_memory
from fixtures.executions import EXECUTIONS, Execution, Forward, reference, require_same_logits
from fixtures.executions.compilation import CompilationError
from fixtures.executions.operators import output_layer_watch
from fixtures.models.checkpoint import Checkpoint
from fixtures.models.loading import is_out_of_memory
from fixtures.models.resident import Models, ResidentModel
from fixtures.precisions import PRECISIONS, Precision, baseline
from fixtures.settings import Settings
from fixtures.tasks import Task
from fixtures.workloads import WORKLOADS, Step, Workload

if TYPE_CHECKING:
    import transformers

    from benchmarks.machine.readings import Snapshot

#: Batches of each variant on which another execution's logits are compared with eager ones.
COMPARED_BATCHES = 4
Result = TypeVar("Result")


@dataclass(frozen=True)
class TimedRounds:
    """The rounds of one visit that count: their seconds, and the variant of each; and how many ran and do not."""

    durations_s: list[float]
    variants: list[str]
    disturbed: int = 0


@dataclass
class BenchmarkRun:
    """A case on its data, from its first visit to the end of the session. Instruments read it and return records."""

    settings: Settings
    timing: TimingPolicy
    case: Case
    planned_visits: int
    task: Task
    checkpoint: Checkpoint
    dataset: TokenizedDataset
    models: Models
    #: When the session began to measure, by `time.perf_counter`.
    session_start_s: float
    #: Called with the name of each phase as it begins.
    on_phase: Callable[[str], None] = lambda _: None
    #: The visits' records, in their order; one that failed has its `error`.
    visits: list[dict[str, Any]] = field(default_factory=list)
    #: After the last visit: the session's cases that have been measured, this one among them.
    cases: tuple[Case, ...] = ()
    #: The rounds of each visit that was made, by its number.
    timed: dict[int, TimedRounds] = field(default_factory=dict)
    #: Where the time went, by phase.
    seconds: dict[str, float] = field(default_factory=dict)
    # What follows belongs to the visit in progress. Set by `prepare`:
    loop: ForwardLoop = field(init=False)
    #: Set by `settle`.
    warm_up: WarmUp = field(init=False)
    #: Set by `measure_rounds`: all rounds of the visit.
    rounds: Rounds = field(init=False)
    #: The machine's state directly before the warm-up and directly after the rounds.
    before: Snapshot = field(init=False)
    after: Snapshot = field(init=False)
    #: Beginning and end of everything that was read from the device beside the rounds.
    reads_s: list[tuple[float, float]] = field(default_factory=list)
    #: Why it could not be compiled.
    compilation_error: str | None = None
    _compiled: Step | None = None
    #: The number of the visit in progress.
    _number: int = 1
    _others_bytes: int = 0
    _peak: tuple[int | None, str | None] = (None, "nothing has been timed")

    @property
    def precision(self) -> Precision:
        """The precision under test."""
        return PRECISIONS[self.case.precision].on(self.settings.device)

    @cached_property
    def data(self) -> ShapedDataset:
        """The dataset in the case's shape, as the workload takes it."""
        shape = self.case.batch_size, self.case.sequence_length
        return self.dataset.shaped(*shape, full_rows=self.workload.full_rows)

    @property
    def workload(self) -> Workload:
        """What one round does."""
        return WORKLOADS[self.case.workload]

    @property
    def execution(self) -> Execution:
        """How it is launched."""
        return EXECUTIONS[self.case.execution]

    @property
    def tokens_per_round(self) -> float:
        """How many text tokens a round computes, on average."""
        return self.workload.tokens_per_round(self.case.batch_size, self.data.text_tokens_per_batch)

    @property
    def resident(self) -> ResidentModel:
        """The model in the case's precision, loaded again where memory did not suffice to keep it."""
        return self.models.get(self.precision)

    @property
    def model(self) -> transformers.PreTrainedModel:
        """The model in the case's precision."""
        return self.resident.model

    @property
    def is_stand_in(self) -> bool:
        """Whether the text is generated or the weights are seeded."""
        return self.dataset.stand_in or self.checkpoint.stand_in

    @property
    def eager(self) -> Forward:
        """The eager forward: the reference for every other execution."""
        return reference().prepare(self.model, self.data.examples, workload=self.workload)

    @property
    def done(self) -> list[dict[str, Any]]:
        """The records of the visits that were made."""
        return [visit for visit in self.visits if visit.get("error") is None]

    @property
    def durations_s(self) -> list[float]:
        """Seconds of each timed round of all visits, in their order."""
        return [duration for _, timed in sorted(self.timed.items()) for duration in timed.durations_s]

    @property
    def variants(self) -> list[str]:
        """The variant of each of them."""
        return [variant for _, timed in sorted(self.timed.items()) for variant in timed.variants]

    @property
    def rounds_a_visit(self) -> int:
        """Rounds of a visit, at least: all visits together make those that were asked for."""
        return -(-self.settings.rounds // self.planned_visits)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the seconds of a block to `seconds`."""
        self.on_phase(name)
        start_s = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start_s

    def baseline_model(self) -> transformers.PreTrainedModel:
        """Return the baseline's model, beside this one: this one itself where its weights are the baseline's."""
        return self.models.get(baseline(), beside=self.precision).model

    def prepare(self, number: int = 1) -> None:
        """Make the closed loop that is timed in visit `number`, in fresh buffers, and run each variant once.

        Where memory runs out, the session's other models are dropped and it is tried once more. Call it inside the
        precision's context. Raises `CompilationError`, `CaptureError`, and `PrecisionError` where the model does not
        compute in what the precision says.
        """
        self._number = number
        try:
            self._prepare()
            return
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or not self.models.drop_others(self.precision):
                raise
            clear_frames(error.__traceback__)
        self._prepare()

    def _prepare(self) -> None:
        device = self.settings.device
        clear_workspaces(device)
        own_bytes = self.resident.held_bytes + self.data.held_bytes
        self._others_bytes = requested_bytes(device) - own_bytes  # other models, other shapes
        self.compile()  # unless that was done before the first visit
        start_peak_memory(device)
        forward = self.execution.prepare(self.model, self.data.examples, self._compiled, self.workload)
        batches = self.data.batches
        if self.workload.keeps_batch:
            batches = [batches[self.first_batch(self._number)]]
        self.loop = ForwardLoop(forward, batches, device)
        logits = [self.loop.run_on(example) for example in self.data.examples][-1]
        self.precision.verify(self.model, self._before_casts(logits))

    def compile(self) -> None:
        """Compile the forward, once in a session. Call it inside the precision's context; raises `CompilationError`."""
        if self.execution.compiles and self._compiled is None:
            try:
                self._compiled = self.execution.step(self.model, self.data.examples, self.workload)
            except CompilationError as error:
                self.compilation_error = str(error)
                raise

    def release(self) -> None:
        """Drop the loop, and with it the buffers and graphs of the visit."""
        if hasattr(self, "loop"):
            del self.loop

    def keep_peak_memory(self) -> None:
        """Read the most that PyTorch has held for this case since its preparation began; later visits need the same."""
        if self._peak[0] is None:
            peak, reason = peak_bytes(self.settings.device)
            self._peak = (None, reason) if peak is None else (peak - self._others_bytes, None)

    def peak_memory_bytes(self) -> tuple[int | None, str | None]:
        """Return the most that PyTorch held for this case in a visit, or None and why not."""
        return self._peak

    def _before_casts(self, logits: torch.Tensor) -> torch.Tensor:
        """Return logits as the output layer gives them, where the model casts them to another dtype at the end."""
        if logits.dtype == self.precision.logits_dtype:
            return logits
        with output_layer_watch(self.model) as tensors:
            self.eager(self.data.batches[0])
        return tensors[-1] if tensors else logits

    def settle(self, number: int) -> None:
        """Warm up until the rounds are steady, on the batches that visit `number` begins with."""
        self.loop.next_index = self.first_batch(number)
        self.warm_up = warm_up(self.loop, self.settings.warmup_rounds, self.timing)

    def first_batch(self, number: int) -> int:
        """Return with which batch visit `number` begins, in every case: visits are spread over the dataset."""
        return len(self.data.batches) * (number - 1) // self.planned_visits

    def measure_rounds(self, number: int, beside: Callable[[], None]) -> None:
        """Run the rounds of a visit while `beside` runs in a thread; those that it disturbed are not timed."""
        self.reads_s = []
        self.loop.next_index = self.first_batch(number)
        self.rounds, _ = run_beside(self.loop, beside, at_least(self.timing.shortest_s, self.rounds_a_visit))
        everything = zip(
            self.rounds.durations_s, self.rounds.variants, self.rounds.are_undisturbed(self.reads_s), strict=True
        )
        kept = [(duration, variant) for duration, variant, undisturbed in everything if undisturbed]
        disturbed = len(self.rounds) - len(kept)
        if not kept:  # the rounds are longer than what is read beside them
            alone = self.loop.run_rounds(at_least(0.0, self.rounds_a_visit))
            kept = list(zip(alone.durations_s, alone.variants, strict=True))
        self.timed[number] = TimedRounds(
            [duration for duration, _ in kept], [variant for _, variant in kept], disturbed
        )

    def read(self, reader: Callable[[], Result]) -> Result:
        """Read something beside the rounds, and note when: rounds that it disturbs are not timed."""
        begun_s = time.perf_counter()
        result = reader()
        self.reads_s.append((begun_s, time.perf_counter()))
        return result

    def difference_from_eager(self) -> float:
        """Return the largest relative difference of the loop's logits from eager ones over batches of each variant.

        0 where they are the same bit for bit. Raises `CaptureError` where it is beyond the precision's tolerance.
        """
        if self.execution.traits.is_reference:
            return 0.0
        eager, differences = self.eager, [0.0]
        for variant in self.data.variant_shares:
            for batch in self.data.of_variant(variant, COMPARED_BATCHES):
                expected: torch.Tensor = eager(batch).clone()
                logits = self.loop.run_on(batch)
                if torch.equal(logits, expected):
                    continue
                differences.append(
                    require_same_logits(logits, expected, batch.attention_mask, self.precision.tolerance, self.case.id)
                )
        return max(differences)
