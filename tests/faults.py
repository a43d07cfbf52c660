"""Faults tried for real, at random moments: `python -m tests.faults` (a quarter of an hour on two cores; no network).

Data preparation and the benchmarks are killed (SIGKILL) again and again, and sessions run two at once in one folder.
After each, what is on the disk has to be whole or refused, and every visit that had passed has to be saved or in the
journal. Prints a table of what was found; exits with 1 and the reason where something was not as it has to be.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from tabulate import tabulate

from analysis.runs.journal import orphaned_journals
from analysis.runs.recovery import recover
from analysis.runs.saved import Run, load
from core.case import case_of
from core.errors import InputError
from core.folders import UNFINISHED, clear_after_killed_runs
from data_prep.datasets.wikitext2 import SPEC
from data_prep.layout import write_dataset
from fixtures.dataset.folder import DatasetFolder
from fixtures.dataset.integrity import verify
from fixtures.tasks.language_modeling import TASK
from tests.support.tiny import ORIGINAL_METADATA, REPOSITORY, tiny_gpt2, tiny_tensors

PATIENCE_S = 300.0
#: A kill "while writing" comes within this time of the first file.
WRITING_S = 0.1


class FaultError(Exception):
    """Something that has to hold after a fault does not."""


#: How often each fault led to what.
Tallies = dict[str, Counter[str]]


def started(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a module of the repository in a folder, its output in `output.txt` there."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "HF_HUB_OFFLINE": "1"}
    with (folder / "output.txt").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=folder, env=environment, stdout=output, stderr=output
        )


def killed(running: subprocess.Popen[bytes], after_s: float, begun: Callable[[], bool] = lambda: True) -> bool:
    """Kill a process so many seconds after `begun` has become true; return False where it had ended by then."""
    patience_s = time.monotonic() + PATIENCE_S
    while running.poll() is None and not begun() and time.monotonic() < patience_s:
        time.sleep(0.001)
    try:
        running.wait(after_s)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()
        return True
    if running.returncode != 0:
        raise FaultError(f"a run that nobody killed ended with exit code {running.returncode}")
    return False


def seconds(running: subprocess.Popen[bytes]) -> float:
    """Return how long a process that has just been started takes when nobody kills it."""
    start_s = time.monotonic()
    killed(running, PATIENCE_S)
    return time.monotonic() - start_s


def dataset_seed(folder: Path) -> int:
    """Return the seed of a dataset every file of which is whole. Raises `FaultError`."""
    failed = [
        finding.message
        for finding in verify(DatasetFolder(folder, SPEC), TASK.checks).values()
        if finding.passed is False
    ]
    if failed:
        raise FaultError(failed[0])
    return int(DatasetFolder(folder, SPEC).metadata()["seed"])


def kill_preparation(kills: int, generator: random.Random, folder: Path) -> Tallies:
    """Kill data preparation that replaces a dataset, at any moment and while it writes."""
    tallies = {"kill data preparation at any moment": Counter(), "kill data preparation while it writes": Counter()}
    data = folder / "data"

    def prepare(seed: int) -> subprocess.Popen[bytes]:
        return started(folder, "data_prep", "--stand-in", "always", "--output", str(data), "--seed", str(seed))

    def writes() -> bool:
        return any(UNFINISHED in path.name for path in folder.iterdir())

    duration_s, old = seconds(prepare(0)), 0
    for number in range(1, kills + 1):
        while_writing = number % 2 == 0
        begun, most_s = (writes, WRITING_S) if while_writing else (lambda: True, duration_s)
        was_killed = killed(prepare(number), generator.uniform(0, most_s), begun)
        put_aside = not data.exists()
        clear_after_killed_runs(data)  # what the next preparation begins with
        left = sorted(path.name for path in folder.iterdir() if path.name not in ("data", "output.txt"))
        if left:
            raise FaultError(f"{left} are left in {folder}; expected the dataset alone")
        found = dataset_seed(data)
        if found not in (old, number):
            raise FaultError(f"the dataset has seed {found}; expected the old one {old} or the new one {number}")
        state = "old dataset, put aside and back" if put_aside else "old dataset" if found == old else "new dataset"
        outcomes = list(tallies.values())[while_writing]
        outcomes[f"{state}, whole" if was_killed else "not killed: it had ended"] += 1
        old = found
    return tallies


def write_inputs(folder: Path) -> None:
    """Write a tiny dataset and model."""
    write_dataset(folder / "tiny", tiny_tensors(), ORIGINAL_METADATA)
    tiny_gpt2().save_pretrained(folder / "model")


def benchmark_command(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start the benchmarks on them."""
    return started(
        folder,
        "pytest",
        str(REPOSITORY / "benchmarks"),
        f"--rootdir={REPOSITORY}",
        f"--config-file={REPOSITORY / 'pyproject.toml'}",
        "-pno:cacheprovider",
        "-v",
        "--benchmark-autosave",
        f"--dataset-dir={folder / 'tiny'}",
        f"--model={folder / 'model'}",
        *("--device=cpu", "--energy=off", "--rounds=8", "--warmup-rounds=2", "--allow-emulated", *options),
    )


def passed(folder: Path) -> set[str]:
    """Return the visits that a killed session had reported as passed, such as fp32-eager-v1."""
    output = (folder / "output.txt").read_text(encoding="utf-8", errors="replace")
    first = {f"{name}-v1" for name in re.findall(r"test_forward\[([a-z0-9-]+)\] PASSED", output)}
    return first | set(re.findall(r"test_visit\[([a-z0-9-]+)\] PASSED", output))


def visits(run: Run) -> set[str]:
    """Return the visits of a saved run."""
    return {
        f"{case_of(item).id}-v{visit['number']}" for item in run.benchmarks for visit in item["extra_info"]["visits"]
    }


def require_whole_results(folder: Path) -> None:
    """Raise `FaultError` unless every table, every sequence's losses and all rounds can be read whole."""
    for path in folder.rglob("*"):
        try:
            if path.suffix == ".csv" and not len(pd.read_csv(path)):
                raise FaultError(f"{path} has no row")
            if path.suffix == ".npz" and not path.name.startswith("."):
                with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
                    lengths = {name.rpartition("/")[0]: [] for name in arrays}
                    for name in arrays:
                        lengths[name.rpartition("/")[0]].append(len(arrays[name]))
                    if any(len(set(of_case)) > 1 for of_case in lengths.values()):
                        raise FaultError(f"{path} holds half of its losses or rounds")
        except (ValueError, OSError, EOFError, KeyError, BadZipFile) as error:
            raise FaultError(f"{path} cannot be read: {error}") from error


def after_kill(folder: Path) -> str:
    """Recover what a killed session has left and return what was found. Raises `FaultError`."""
    storage, finished = folder / ".benchmarks", passed(folder)
    require_whole_results(folder / "results")
    saved, half = set(), ""
    for path in storage.rglob("*.json"):
        try:
            saved |= visits(load(path))
        except InputError:
            half = ", half a saved run refused"
            path.unlink()
    recovered = set()
    for journal in orphaned_journals(folder / "results"):
        recovered |= visits(load(recover(journal, storage)[0]))
    if not finished <= saved | recovered:
        raise FaultError(f"{sorted(finished - saved - recovered)} had finished; they are in no run and no journal")
    return f"{len(finished)} visits, {'saved' if saved else f'{len(recovered)} recovered'}{half}"


def kill_benchmarks(kills: int, generator: random.Random, folder: Path) -> Tallies:
    """Kill sessions at any moment, and between the first visit and the end."""
    tallies = {"kill a session at any moment": Counter(), "kill a session after its first visit": Counter()}
    write_inputs(folder)

    def has_journal() -> bool:
        return any(folder.glob("results/journal/*.jsonl"))

    duration_s = seconds(benchmark_command(folder))
    for number in range(1, kills + 1):
        for path in (*folder.rglob(".benchmarks/*/*.json"), *folder.glob("results/journal/*")):
            path.unlink()
        late = number % 2 == 0
        begun, most_s = (has_journal, 0.6 * duration_s) if late else (lambda: True, duration_s)
        was_killed = killed(benchmark_command(folder), generator.uniform(0, most_s), begun)
        found = after_kill(folder)
        list(tallies.values())[late][found if was_killed else "not killed: it had ended"] += 1
    return tallies


def two_at_once(times: int, folder: Path) -> Tallies:
    """Run two sessions at the same time in one folder."""
    write_inputs(folder)
    for number in range(1, times + 1):
        for running in [benchmark_command(folder, "--precisions=fp32") for _ in range(2)]:
            killed(running, PATIENCE_S)
        runs = [load(path) for path in folder.rglob(".benchmarks/*/*.json")]
        losses = {item["extra_info"]["quality"]["per_sequence_file"] for run in runs for item in run.benchmarks}
        if len(runs) != 2 * number or len(losses) != 2 * number:
            raise FaultError(f"{len(runs)} runs with {len(losses)} files of losses; expected {2 * number} of each")
        require_whole_results(folder / "results")
        if left := orphaned_journals(folder / "results"):
            raise FaultError(f"{left} are left of sessions that ended well")
    return {"two sessions at once in one folder": Counter({"both saved, each with its own losses": times})}


def main() -> int:
    """Try the faults and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, metavar="N", help="of each (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the moments (default: %(default)s)")
    options = parser.parse_args()
    generator, tallies = random.Random(options.seed), {}
    with tempfile.TemporaryDirectory() as place:
        folders = [Path(tempfile.mkdtemp(dir=place)) for _ in range(3)]
        try:
            tallies |= kill_preparation(options.kills, generator, folders[0])
            tallies |= kill_benchmarks(options.kills, generator, folders[1])
            tallies |= two_at_once(3, folders[2])
        except FaultError as error:
            print(f"error: {error}.", file=sys.stderr)
            return 1
    rows = [
        (fault, found.total(), "; ".join(f"{count} x {outcome}" for outcome, count in found.most_common()))
        for fault, found in tallies.items()
    ]
    print(tabulate(rows, headers=["fault", "times", "found"], tablefmt="github"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
