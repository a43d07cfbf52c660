"""Candidates tried in a process of their own, and again without the one at which it hung or died."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from benchmarks.tuning.child import Began, Compiled, Failed, Request, Timed, Working, serve
from benchmarks.tuning.tried import Tried
from fixtures import CACHE_VARIABLE
from fixtures.executions.candidates import DEFAULT, Candidate, Option

#: A process that has said all is given so long to end.
ENDING_S = 30.0
#: How variables begin that set options of Inductor.
VARIABLES = "TORCHINDUCTOR_"


@dataclass
class Outcome:
    """What a process has said: Inductor's own options in it, each candidate, and the one that it was at."""

    options: dict[str, Option]
    tried: dict[str, Tried]
    at: str | None = None

    def note(self, message: object) -> None:
        """Take in a message."""
        if isinstance(message, Began):
            self.options = message.options
            return
        if isinstance(message, Working):
            self.at = message.name
            self.tried.setdefault(message.name, Tried(message.name))
            return
        if not isinstance(message, (Compiled, Failed, Timed)):
            raise TypeError(f"{message!r:.80} is no message of a process that tunes")
        before = self.tried[message.name]
        if isinstance(message, Compiled):
            after = replace(before, compilation_s=message.seconds, difference_from_eager=message.difference_from_eager)
        elif isinstance(message, Failed):
            after = replace(before, reason=message.reason, out_of_memory=message.out_of_memory)
        else:
            after = replace(before, times_ms=(*before.times_ms, message.time_ms))
        self.tried[message.name] = after


def try_candidates(request: Request) -> Outcome:
    """Compile and time the candidates of a request; each is in what is returned, in their order.

    One that this PyTorch does not have, that fails, hangs or ends its process has a reason in place of times. Where
    the defaults do, nothing else is tried.
    """
    left, outcome = list(request.candidates), Outcome({}, {})
    lost: dict[str, Tried] = {
        one.name: Tried(one.name, reason=one.missing_reason) for one in left if one.missing_reason
    }
    left = [one for one in left if one.name not in lost]
    while left:
        outcome, reason = in_process(replace(request, candidates=tuple(left)))
        if reason is None:
            break
        name = outcome.at or DEFAULT.name
        lost[name] = Tried(name, reason=reason)
        left = [one for one in left if one.name != name] if name != DEFAULT.name else []
    of_all = {**outcome.tried, **lost}
    return Outcome(outcome.options, {one.name: of_all.get(one.name, not_tried(one)) for one in request.candidates})


def not_tried(candidate: Candidate) -> Tried:
    """Return what there is of a candidate where the defaults failed."""
    return Tried(candidate.name, reason=f"not tried: {DEFAULT.name} failed")


def in_process(request: Request) -> tuple[Outcome, str | None]:
    """Run a request in a fresh process; return what it said, and why it did not come to its end, or None."""
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=serve, args=(theirs, request), daemon=False)
    with without_options():
        process.start()
    theirs.close()
    with ours:
        try:
            return listened(ours, process, request.policy.patience_s)
        finally:
            process.kill()
            process.join()


def listened(connection: Connection, process: SpawnProcess, patience_s: float) -> tuple[Outcome, str | None]:
    """Take in what a process says until its end, or until it has said nothing for too long."""
    outcome = Outcome({}, {})
    while True:
        if not connection.poll(patience_s):
            return outcome, f"it hung: nothing came of it for {patience_s:.0f} s"
        try:
            message = connection.recv()
        except EOFError:
            process.join()
            return outcome, f"its process ended with {ending(process.exitcode)}"
        if message is None:
            process.join(ENDING_S)  # what it has compiled may still be on its way to the disk
            return outcome, None
        outcome.note(message)


def ending(exit_code: int | None) -> str:
    """Return an exit code in words."""
    if exit_code is not None and exit_code < 0:
        return f"signal {signal.Signals(-exit_code).name}"
    return f"exit code {exit_code}"


@contextmanager
def without_options() -> Iterator[None]:
    """Take the variables that set Inductor's options out of the environment while open, for a process that starts."""
    own = {name: os.environ[name] for name in os.environ if name.startswith(VARIABLES) and name != CACHE_VARIABLE}
    for name in own:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(own)
