"""The process in which candidates are compiled and timed: it says what it begins, so that one that hangs is known."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import torch

from benchmarks.loop import ForwardLoop
from benchmarks.policies import TuningPolicy
from benchmarks.steady_state import at_least
from core.case import Case
from core.errors import first_line
from fixtures.dataset.batches import Batch
from fixtures.device.memory import is_out_of_memory
from fixtures.executions import EXECUTIONS, CaptureError, logits_distance, reference
from fixtures.executions.candidates import DEFAULT, Candidate, Option, inductor_options, plain_options
from fixtures.executions.compilation import CompilationError
from fixtures.models.checkpoint import Checkpoint
from fixtures.models.resident import Models
from fixtures.precisions import PRECISIONS
from fixtures.tasks import TASKS
from fixtures.workloads import WORKLOADS


@dataclass(frozen=True)
class Request:
    """What is compiled and timed. Batches are on the CPU, one of each variant, with its share of the dataset's."""

    case: Case
    #: The fields of its checkpoint, but for the kind of its models, which its task has.
    checkpoint: Mapping[str, Any]
    device: torch.device
    threads: int
    examples: tuple[Batch, ...]
    shares: tuple[float, ...]
    candidates: tuple[Candidate, ...]
    policy: TuningPolicy


@dataclass(frozen=True)
class Began:
    """The process is there; these are Inductor's options in it, where the environment sets none."""

    options: dict[str, Option]


@dataclass(frozen=True)
class Working:
    """A candidate is worked on."""

    name: str


@dataclass(frozen=True)
class Compiled:
    """A candidate was compiled, and its logits are so far from eager ones."""

    name: str
    seconds: float
    difference_from_eager: float


@dataclass(frozen=True)
class Failed:
    """A candidate cannot be compiled, does not run, or computes something else."""

    name: str
    reason: str
    out_of_memory: bool = False


@dataclass(frozen=True)
class Timed:
    """A candidate's milliseconds of a round, in one repeat."""

    name: str
    time_ms: float


def serve(connection: Connection, request: Request) -> None:
    """Compile the candidates of a request, time them in turn, and send what becomes of each; None at the end."""
    silence()
    torch.set_num_threads(request.threads)
    connection.send(Began(plain_options()))
    device = request.device
    batches = [
        Batch(one.input_ids.to(device), one.attention_mask.to(device), one.text_tokens) for one in request.examples
    ]
    precision = PRECISIONS[request.case.precision].on(device)
    checkpoint = Checkpoint(**request.checkpoint, kind=TASKS[request.case.task].model)
    model = Models(checkpoint, device).get(precision).model
    with precision.running(device):
        tuner = Tuner(connection, request, model, batches, precision.tolerance)
        tuner.compile_all()
        tuner.time_all()
    connection.send(None)


class Tuner:
    """Compiles and times the candidates of a request."""

    def __init__(
        self,
        connection: Connection,
        request: Request,
        model: torch.nn.Module,
        batches: Sequence[Batch],
        tolerance: float,
    ) -> None:
        self._connection, self._request, self._model, self._batches = connection, request, model, batches
        self._workload, self._execution = WORKLOADS[request.case.workload], EXECUTIONS[request.case.execution]
        eager = reference().prepare(model, batches, workload=self._workload)
        self._expected = [eager(batch).clone() for batch in batches]
        self._tolerance = tolerance
        self._loops: dict[str, ForwardLoop] = {}

    def compile_all(self) -> None:
        """Compile one candidate after the other. The defaults come first: how far they are from eager is tolerated."""
        for candidate in self._request.candidates:
            self._connection.send(Working(candidate.name))
            try:
                loop, compiled = self._compile(candidate)
            except (RuntimeError, CompilationError, CaptureError) as error:
                self._connection.send(Failed(candidate.name, first_line(error), is_out_of_memory(error)))
                continue
            if candidate.name == DEFAULT.name:
                self._tolerance = max(self._tolerance, compiled.difference_from_eager)
            self._connection.send(compiled)
            if compiled.difference_from_eager <= self._tolerance:
                self._loops[candidate.name] = loop
            else:
                expected = f"its logits are no longer those of eager execution; expected at most {self._tolerance:.0e}"
                self._connection.send(Failed(candidate.name, expected))

    def _compile(self, candidate: Candidate) -> tuple[ForwardLoop, Compiled]:
        begun_s = time.perf_counter()
        with inductor_options(candidate.options):
            step = self._execution.step(self._model, self._batches, self._workload)
            forward = self._execution.prepare(self._model, self._batches, step, self._workload)
        seconds = time.perf_counter() - begun_s
        loop = ForwardLoop(forward, self._batches, self._request.device)
        distances = [
            logits_distance(loop.run_on(batch), expected, batch.attention_mask)
            for batch, expected in zip(self._batches, self._expected, strict=True)
        ]
        return loop, Compiled(candidate.name, seconds, max(distances))

    def time_all(self) -> None:
        """Time what was compiled, each once a repeat, in an order that begins with another one each time."""
        names = list(self._loops)
        for number in range(self._request.policy.repeats):
            for place in range(len(names)):
                name = names[(number + place) % len(names)]
                self._connection.send(Working(name))
                self._connection.send(Timed(name, self._time_ms(self._loops[name])))

    def _time_ms(self, loop: ForwardLoop) -> float:
        """Return the median of rounds by variant, weighed by their shares; a block before them is not timed."""
        policy, medians = self._request.policy, []
        for batch in self._batches:
            alone = ForwardLoop(loop.forward, [batch], self._request.device)
            alone.run_rounds(at_least(policy.block_s / 4, 1))
            rounds = alone.run_rounds(at_least(policy.block_s, policy.fewest_rounds))
            medians.append(1000 * statistics.median(rounds.durations_s))
        return sum(share * median for share, median in zip(self._request.shares, medians, strict=True))


def silence() -> None:
    """Have nothing printed: what a compiler says while it tries kernels would stand among the session's lines."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)
