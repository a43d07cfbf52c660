"""The closed loop of forwards that is timed and metered at once."""

from __future__ import annotations

import gc
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import torch

from benchmarks.device_waits import synchronizer, waiter
from benchmarks.tracing import tracing_off
from fixtures.dataset.batches import Batch
from fixtures.executions import Forward
from fixtures.executions.cached import rows_distance

Result = TypeVar("Result")


@dataclass
class Rounds:
    """Rounds in their order: moments of `time.perf_counter`, and the batch that each read.

    Round i ran from `start_s[i]` to `end_s[i]`; the next batch was put in place after that.
    """

    batches: Sequence[Batch]
    first_index: int
    start_s: list[float] = field(default_factory=list)
    end_s: list[float] = field(default_factory=list)
    #: Whether no round follows: what waits beside them for the next need not wait.
    are_over: bool = False

    def __len__(self) -> int:
        return len(self.end_s)

    @property
    def durations_s(self) -> list[float]:
        """Seconds of each round. Raises `ClockError` where the clock went backwards or stood still."""
        return [require_positive(end - start) for start, end in zip(self.start_s, self.end_s, strict=True)]

    @property
    def variants(self) -> list[str]:
        """The variant of each round."""
        count = len(self.batches)
        return [self.batches[(self.first_index + number) % count].variant for number in range(len(self))]

    def are_undisturbed(self, reads_s: Iterable[tuple[float, float]]) -> list[bool]:
        """Tell of each round whether nothing was read from the device meanwhile; `reads_s` are beginnings and ends."""
        undisturbed = [True] * len(self)
        for begin, end in reads_s:
            number = bisect_left(self.end_s, begin)
            while number < len(self) and self.start_s[number] < end:
                undisturbed[number] = False
                number += 1
        return undisturbed

    def until(self, moment_s: float) -> float:
        """Return the rounds completed until a moment, linear between two ends, 0 before the first began."""
        completions_s = [self.start_s[0], *self.end_s]
        after = min(max(bisect_left(completions_s, moment_s), 1), len(self))
        before_s, after_s = completions_s[after - 1], completions_s[after]
        return max(0.0, after - 1 + (moment_s - before_s) / (after_s - before_s))

    def between(self, start_s: float, end_s: float) -> float:
        """Return how many rounds ran between two moments, those cut by an end by the share of their time."""
        return self.until(end_s) - self.until(start_s)

    def gap_share(self, start_s: float, end_s: float) -> float:
        """Return the share of the time between two moments in which no round ran."""
        ran_s = sum(
            max(0.0, min(end, end_s) - max(start, start_s)) for start, end in zip(self.start_s, self.end_s, strict=True)
        )
        return max(0.0, 1 - ran_s / (end_s - start_s))


def timed(run: Callable[[], torch.Tensor], wait: Callable[[], None]) -> tuple[float, float, None]:
    """Run one round; return the moments at which it began and ended. Its logits are dropped, as a part of it."""
    clock = time.perf_counter
    start_s = clock()
    run()
    wait()
    return start_s, clock(), None


def timed_and_kept(run: Callable[[], torch.Tensor], wait: Callable[[], None]) -> tuple[float, float, torch.Tensor]:
    """Run one round as `timed` does, and return its logits as well."""
    clock = time.perf_counter
    start_s = clock()
    logits = run()
    wait()
    return start_s, clock(), logits


@dataclass(frozen=True)
class CachedRound:
    """One round that began with a cache, run untimed.

    Both are on the CPU: nothing more is held on a GPU while rounds are timed.
    """

    logits: torch.Tensor
    #: Whose next token it predicts, int64 [batch, tokens].
    texts: torch.Tensor


class ForwardLoop:
    """One forward after another over a dataset's batches, each waited for.

    `next_index` is the number of the next round, which reads batch `next_index` modulo their count. With `keeps_logits`
    `last_logits` are those of the last round that `run_rounds` has run, until it runs others. Where rounds begin with a
    cache, `texts` returns those whose next token the round of a batch predicts, int64 [batch, tokens], once it has run.
    """

    def __init__(
        self,
        forward: Forward,
        batches: Sequence[Batch],
        device: torch.device,
        *,
        keeps_logits: bool = False,
        texts: Callable[[Batch], torch.Tensor] | None = None,
    ) -> None:
        self.forward, self._batches, self._texts = forward, batches, texts
        #: Run before any round that is timed.
        self.first_round: CachedRound | None = None
        self.last_logits: torch.Tensor | None = None
        self._one_round = timed_and_kept if keeps_logits else timed
        self._synchronize: Callable[[], None] = synchronizer(device)
        self._wait_for_forward: Callable[[], None] = waiter(device)
        self.next_index = 0

    def place_next(self) -> None:
        """Put the next batch in place and wait for the device."""
        self._place_next()
        self._synchronize()

    def forward_and_wait(self) -> torch.Tensor:
        """Run one forward and wait until the device has finished it: what stands between the clock reads."""
        logits = self.forward.run()
        self._wait_for_forward()
        return logits

    def run_on(self, batch: Batch) -> torch.Tensor:
        """Put a batch in place and run it, untimed."""
        self.forward.place(batch)
        return self.forward_and_wait()

    def cached_round(self, batch: Batch, logits: torch.Tensor) -> CachedRound | None:
        """Return a copy of a batch's round that has just been run, or None where rounds do not begin with a cache."""
        return None if self._texts is None else CachedRound(logits.to("cpu", copy=True), self._texts(batch).cpu())

    def new_rounds(self) -> Rounds:
        """Return the rounds that are to run next, none so far."""
        return Rounds(self._batches, self.next_index)

    def run_rounds(self, goes_on: Callable[[int], bool], rounds: Rounds | None = None) -> Rounds:
        """Run rounds while `goes_on`, which is given the number of those done, says so; one at least.

        They are noted in `rounds`, new ones where none are given.

        Between two rounds the next batch is put in place without a wait of its own, so that the device idles for no
        longer than that takes. Meanwhile garbage is not collected, and Python code neither traced nor profiled. Raises
        `InputError` where a profiler cannot be switched off.
        """
        rounds = self.new_rounds() if rounds is None else rounds
        run, wait, one_round = self.forward.run, self._wait_for_forward, self._one_round
        note_start, note_end = rounds.start_s.append, rounds.end_s.append
        self.last_logits = None  # no round runs beside the logits of another
        self.place_next()
        with garbage_collection_off(), tracing_off():
            while True:
                start_s, end_s, logits = one_round(run, wait)
                note_start(start_s)
                note_end(end_s)
                if not goes_on(len(rounds.end_s)):
                    self.last_logits = logits
                    return rounds
                del logits
                self._place_next()

    def drift(self) -> float | None:
        """Return how far the last round's logits are from the first round's, relative to their norm; None: not kept."""
        if self.first_round is None or self.last_logits is None:
            return None
        return rows_distance(self.last_logits.cpu(), self.first_round.logits)

    def release(self) -> None:
        """Drop the forward, which has buffers and graphs: an error's traceback may keep the loop itself."""
        del self.forward, self._batches, self._texts
        self.last_logits = None

    def _place_next(self) -> None:
        self.forward.place(self._batches[self.next_index % len(self._batches)])
        self.next_index += 1


def run_beside(
    loop: ForwardLoop, work: Callable[[Rounds], Result], goes_on: Callable[[int], bool] = lambda _: False
) -> tuple[Rounds, Result]:
    """Run rounds while `work` runs in a thread, and until `goes_on` says that they are enough.

    `work` gets the rounds as they grow, and the loop does not wait for it. Returns the rounds and what `work` returned,
    or raises what it raised. Where the rounds are interrupted, `work` is left to itself.
    """
    running = loop.new_rounds()
    outcome: list[Result] = []
    errors: list[BaseException] = []

    def watch() -> None:
        try:
            with tracing_off():  # `threading.settrace` has each new thread traced
                outcome.append(work(running))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        rounds = loop.run_rounds(lambda done: thread.is_alive() or goes_on(done), running)
    finally:
        running.are_over = True
    if errors:
        raise errors[0]
    return rounds, outcome[0]


@contextmanager
def garbage_collection_off() -> Iterator[None]:
    """Collect no garbage while open."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class ClockError(Exception):
    """The clock went backwards or stood still during a round."""


def require_positive(duration_s: float) -> float:
    """Return a round's duration; raise `ClockError` where it is not above 0."""
    if not duration_s > 0:
        raise ClockError(f"A round took {duration_s} s by the clock; expected more than 0. Run again on a sound clock.")
    return duration_s
