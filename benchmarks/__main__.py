"""The whole measurement several times, each in a fresh process: `python -m benchmarks --repeats 5 [pytest options]`.

The runs together say how much sessions differ on this machine: their noise floor is written to the folder of results,
and later runs make their intervals with it.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from analysis.runs.estimator import read
from analysis.runs.selection import STORAGE
from analysis.uncertainty.floor_files import FOLDER, add_series
from analysis.uncertainty.noise_floor import FEWEST_SESSIONS
from core.errors import InputError


def main() -> int:
    """Run pytest on the benchmarks `--repeats` times, saving each run; stop at the first that fails."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure several times in fresh processes, save each run, and write the noise floor of this "
        "machine; every other option goes to pytest.",
        epilog="`python -m analysis noise` then shows how much the runs differ.",
    )
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="runs (default: %(default)s)")
    parser.add_argument("--results-dir", type=Path, default=Path("results"), help="default: %(default)s")
    parser.add_argument("--benchmark-storage", default=str(STORAGE), help="default: %(default)s")
    options, pytest_options = parser.parse_known_args()
    if options.repeats < FEWEST_SESSIONS:
        parser.error(
            f"--repeats is {options.repeats}; expected {FEWEST_SESSIONS} or more, for fewer make no noise floor. "
            "`pytest benchmarks --benchmark-autosave` measures once"
        )
    if "--quick" in pytest_options:
        parser.error("--quick makes no noise floor; expected whole sessions: leave it out")
    storage = Path(options.benchmark_storage.removeprefix("file://"))
    earlier = set(storage.glob("*/*.json"))
    places = [f"--results-dir={options.results_dir}", f"--benchmark-storage={options.benchmark_storage}"]
    for number in range(1, options.repeats + 1):
        print(f"run {number} of {options.repeats}", flush=True)
        command = [sys.executable, "-m", "pytest", "benchmarks", "--benchmark-autosave", *places, *pytest_options]
        code = run_to_its_end(command)
        if code:
            return code
    return write_floor(sorted(set(storage.glob("*/*.json")) - earlier), options.results_dir / FOLDER)


def run_to_its_end(command: Sequence[str]) -> int:
    """Run a command and return its exit code, 128 and more where a signal has ended it.

    It saves what it has measured when it is interrupted: Ctrl-C reaches it by itself, SIGTERM is handed on to it.
    """
    told: list[int] = []
    running: list[subprocess.Popen[bytes]] = []

    def hand_on(number: int, frame: FrameType | None) -> None:
        told.append(number)
        if number == signal.SIGTERM and running:
            running[0].terminate()

    earlier = {number: signal.signal(number, hand_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        running.append(subprocess.Popen(command))
        if signal.SIGTERM in told:  # before there was a process to hand it on to
            running[0].terminate()
        code = running[0].wait()
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def write_floor(saved: list[Path], folder: Path) -> int:
    """Write the noise floor of runs; return the exit code."""
    if len(saved) < FEWEST_SESSIONS:
        print(f"{len(saved)} run(s) make no noise floor; expected --repeats {FEWEST_SESSIONS} or more.")
        return 0
    try:
        path = add_series(folder, sorted(map(read, saved), key=lambda run: run.dated.place))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {folder} cannot be written ({error.strerror}); the noise floor was not saved.", file=sys.stderr)
        return 1
    print(f"wrote {path}: the noise floor of {len(saved)} runs, which later runs make their intervals with.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
