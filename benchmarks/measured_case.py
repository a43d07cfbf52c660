"""One case of a session, on its data: what is fixed about it, and the visits that were made to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from traceback import clear_frames
from typing import TYPE_CHECKING

import torch

from benchmarks.logits_dtype import before_casts
from benchmarks.loop import ForwardLoop
from benchmarks.policies import TimingPolicy, TuningPolicy
from benchmarks.timed_rounds import TimedRounds
from benchmarks.tuning.tuning import Subject, Tuning, tuning_of
from benchmarks.visit import FailedVisit, Visit
from core.case import Case
from core.errors import DeclarationError
from core.metrics.figures import Figure
from fixtures.dataset.batches import ShapedDataset, TokenizedDataset
from fixtures.device.memory import clear_workspaces, is_out_of_memory, peak_bytes, requested_bytes, start_peak_memory
from fixtures.executions import EXECUTIONS, Execution, Forward, reference
from fixtures.executions.cached import UncachedLogits
from fixtures.executions.candidates import inductor_options
from fixtures.executions.compilation import CompilationError
from fixtures.models.checkpoint import Checkpoint
from fixtures.models.own_errors import at_work
from fixtures.models.resident import Models, ResidentModel
from fixtures.precisions import PRECISIONS, Precision, baseline
from fixtures.settings import Settings
from fixtures.tasks import Task
from fixtures.workloads import WORKLOADS, Step, Workload

if TYPE_CHECKING:
    import transformers


@dataclass
class MeasuredCase:
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
    tuning_policy: TuningPolicy = field(default_factory=TuningPolicy)
    #: Logits without a cache, those of other cases among them.
    uncached: UncachedLogits = field(default_factory=UncachedLogits)
    #: Called with the name of each phase as it begins.
    on_phase: Callable[[str], None] = lambda _: None
    #: In the order in which they were made.
    visits: list[Visit | FailedVisit] = field(default_factory=list)
    #: Where the time went, by phase.
    seconds: dict[str, float] = field(default_factory=dict)
    #: Which of the compiler's options are used, where the execution has candidates of them.
    tuning: Tuning | None = None
    #: Why it could not be compiled.
    compilation_error: str | None = None
    #: The most bytes that PyTorch held for this case in a visit.
    peak_memory_bytes: Figure[int] = Figure(None, reason="nothing has been timed")
    _compiled: Step | None = None
    #: Bytes that other models and other shapes held when the loop was made.
    _others_bytes: int = 0

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
    def is_replayed(self) -> bool:
        """Whether the device replays what was captured, so that a round does not wait for the host: on a GPU alone."""
        return self.execution.traits.is_replayed and self.settings.device.type == "cuda"

    @property
    def tokens_per_round(self) -> float:
        """How many text tokens a round computes, on average."""
        return self.workload.unit.tokens_per_round(self.case.batch_size, self.data.text_tokens_per_batch)

    @property
    def resident(self) -> ResidentModel:
        """The model in the case's precision, loaded again where memory did not suffice to keep it."""
        return self.models.get(self.precision)

    @property
    def model(self) -> transformers.PreTrainedModel:
        """The model in the case's precision."""
        return self.resident.model

    def load(self) -> None:
        """Load the model and shape the data, so that neither is part of a phase that is timed."""
        self.models.get(self.precision)
        _ = self.data

    def baseline_model(self) -> transformers.PreTrainedModel:
        """Return the baseline's model, beside this one: this one itself where its weights are the baseline's."""
        return self.models.get(baseline(), beside=self.precision).model

    @property
    def is_stand_in(self) -> bool:
        """Whether the text is generated or the weights are seeded."""
        return self.dataset.stand_in or self.checkpoint.stand_in

    @property
    def eager(self) -> Forward:
        """The eager forward: the reference for every other execution."""
        return reference().prepare(self.model, self.data.examples, workload=self.workload)

    @property
    def done(self) -> list[Visit]:
        """The visits that were made, without those that failed."""
        return [visit for visit in self.visits if isinstance(visit, Visit)]

    def put_aside(self, number: int) -> tuple[str, ...]:
        """Take out visit `number`, which is made again; return what had become of each attempt at it."""
        replaced: list[str] = []
        for visit in self.visits:
            if visit.number == number:
                outcome = f"failed: {visit.error}" if isinstance(visit, FailedVisit) else "made"
                replaced += [*visit.replaced, outcome]
        self.visits = [visit for visit in self.visits if visit.number != number]
        return tuple(replaced)

    @property
    def timed(self) -> TimedRounds:
        """The timed rounds of all visits, in the order of the visits' numbers."""
        return TimedRounds.joined(visit.timed for visit in sorted(self.done, key=lambda visit: visit.number))

    @property
    def rounds_a_visit(self) -> int:
        """Rounds of a visit, at least: all visits together make those that were asked for."""
        return -(-self.settings.rounds // self.planned_visits)

    def first_batch(self, number: int) -> int:
        """Return with which batch visit `number` begins, in every case: visits are spread over the dataset."""
        return len(self.data.batches) * (number - 1) // self.planned_visits

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the seconds of a block to `seconds`."""
        self.on_phase(name)
        start_s = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start_s

    def tune(self) -> None:
        """Choose among the compiler's options where the execution has candidates, once in a session."""
        device = self.settings.device
        if self.execution.candidates is not None and self.tuning is None:
            with self.phase("tuning"):
                subject = Subject(self.case, self.checkpoint, self.data, device)
                candidates = self.execution.candidates(device, self.precision)
                self.tuning = tuning_of(subject, candidates, self.tuning_policy, self.on_phase)

    def compile(self) -> None:
        """Compile the forward, once in a session. Call it inside the precision's context; raises `CompilationError`."""
        self.tune()
        if self.compilation_error is not None:  # its test was run again
            raise CompilationError(self.compilation_error)
        if self.execution.compiles and self._compiled is None:
            options = {} if self.tuning is None else self.tuning.options
            try:
                with inductor_options(options):
                    self._compiled = self.execution.step(self.model, self.data.examples, self.workload)
            except CompilationError as error:
                self.compilation_error = str(error)
                raise

    @contextmanager
    def loop(self, number: int = 1) -> Iterator[ForwardLoop]:
        """Give the closed loop that is timed in visit `number`, in fresh buffers; they are dropped at the end.

        Each variant has been run once, one of them in a later visit where nothing is captured or compiled.
        Where memory runs out, the session's other models are dropped and it is tried once more. Call it inside the
        precision's context. Raises `CompilationError`, `CaptureError`, and `PrecisionError` where the model does not
        compute in what the precision says.
        """
        loop = self._loop_in_memory(number)
        try:
            yield loop
        finally:
            loop.release()

    def _loop_in_memory(self, number: int) -> ForwardLoop:
        try:
            return self.make_loop(number)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or not self.models.drop_others(self.precision):
                raise
            clear_frames(error.__traceback__)
        return self.make_loop(number)

    def make_loop(self, number: int) -> ForwardLoop:
        """Return the loop of visit `number`. Raises what `loop` raises, and where memory runs out."""
        device = self.settings.device
        clear_workspaces(device)
        own_bytes = self.resident.held_bytes + self.data.held_bytes
        self._others_bytes = requested_bytes(device) - own_bytes
        self.compile()  # unless that was done before the first visit
        start_peak_memory(device)
        workload, batches, examples = self.workload, self.data.batches, self.data.examples
        with at_work(self.model, self.case.id):
            step = self._compiled or self.execution.step(self.model, examples, workload)
            forward = self.execution.prepare(self.model, examples, step, workload)
        traits = self.execution.traits
        if number > 1 and not traits.is_replayed and not traits.is_compiled:
            examples = examples[-1:]  # nothing is captured again; one forward is enough to check the dtype
        if workload.keeps_batch:
            batches = [batches[self.first_batch(number)]]
            examples = [*(one for one in examples if one.variant != batches[0].variant), *batches]
        keeps_logits, texts = workload.has_cache and workload.keeps_batch, workload.texts_of(step)
        loop = ForwardLoop(forward, batches, device, keeps_logits=keeps_logits, texts=texts)
        for example in examples:
            with at_work(self.model, self.case.id):
                logits = loop.run_on(example)
            if not isinstance(logits, torch.Tensor):
                raise DeclarationError(f"a round of {self.case.id} returns {logits!r:.80}; expected a tensor of logits")
        loop.first_round = loop.cached_round(examples[-1], logits)
        if logits.dtype != self.precision.logits_dtype:
            first = self.data.batches[0]
            logits = before_casts(logits, self.model, partial(self.eager, first), self.case.id)
        self.precision.verify(self.model, logits)
        return loop

    def keep_peak_memory(self) -> None:
        """Read the most that PyTorch has held for this case since its loop was made; later visits need the same."""
        if self.peak_memory_bytes.value is None:
            peak, reason = peak_bytes(self.settings.device)
            self.peak_memory_bytes = Figure(None if peak is None else peak - self._others_bytes, reason=reason)
