"""Random mutations of what others may have written: `python -m tests.fuzz` (20 minutes on one core; no network).

Saved runs go through report, compare, noise, variance and history, journals through recover, metadata and archives of
tensors through the integrity checks, config.json and weights through loading. Of any input there has to be a result or
one sentence: no error that nobody caught, no character that a terminal obeys, no markup, no value that cannot be.
Prints what became of the inputs, and each that failed with its seed; exits with 1 where one did. `--only SEED` makes
one again.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import random
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import count

import pytest
from tabulate import tabulate

from tests.support.fuzzed import TARGETS

#: An input that takes longer is one that hangs.
PATIENCE_S = 60


@contextlib.contextmanager
def own_folder() -> Iterator[None]:
    """Run in an empty folder."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


def tried(seed: str) -> tuple[str, str, str | None]:
    """Try the input of a seed; return its target, what became of it, and the traceback where it failed."""
    generator = random.Random(seed)
    name = generator.choice(list(TARGETS))
    with own_folder(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return name, TARGETS[name](generator), None
        except Exception as error:
            return name, f"failed: {type(error).__name__}", traceback.format_exc()


def hangs(*_: object) -> None:
    """Answer the alarm."""
    raise TimeoutError(f"no answer in {PATIENCE_S} s")


def fuzz(seconds: float, seed: int) -> tuple[dict[str, Counter[str]], list[tuple[str, str]]]:
    """Try inputs for so long; return how often each target led to what, and the seeds that failed with tracebacks."""
    tallies: dict[str, Counter[str]] = defaultdict(Counter)
    failed, end_s = [], time.monotonic() + seconds
    former = signal.signal(signal.SIGALRM, hangs)
    try:
        for number in count():
            if time.monotonic() > end_s:
                return dict(tallies), failed
            signal.alarm(PATIENCE_S)
            name, outcome, report = tried(f"{seed}-{number}")
            tallies[name][outcome] += 1
            if report is not None:
                failed.append((f"{seed}-{number}", report))
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)
    raise AssertionError


def main() -> int:
    """Try inputs and print what became of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the inputs (default: %(default)s)")
    parser.add_argument("--only", metavar="SEED", help="one input, as its failure names it")
    options = parser.parse_args()
    logging.disable()
    if options.only:
        name, outcome, report = tried(options.only)
        print(f"{name}: {outcome}\n{report or ''}")
        return report is not None
    tallies, failed = fuzz(60 * options.minutes, options.seed)
    for seed, report in failed:
        print(f"seed {seed}:\n{report}", file=sys.stderr)
    rows = [
        (name, found.total(), "; ".join(f"{times} x {outcome}" for outcome, times in found.most_common()))
        for name, found in sorted(tallies.items())
    ]
    print(tabulate(rows, headers=["input", "times", "what became of it"], tablefmt="github"))
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
