"""Measure the reference again: `python -m reference.measure h100 default --sessions 10 [pytest options]`.

Every session is a fresh process. Its saved run becomes `results/reference/MACHINE/SERIES/0001.json`, its single rounds
`rounds/0001.npz` beside it. A session that was finished is kept: the same command goes on where the last one stopped.
After the last session, table, summary, page and pictures of the first are written into the same folder.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.files import write

REPOSITORY = Path(__file__).parents[1]
REFERENCE = REPOSITORY / "results" / "reference"


@dataclass(frozen=True)
class Series:
    """Sessions of the same thing: the options of pytest, and the pictures that pages of `docs/` show."""

    options: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()


SERIES = {
    "default": Series(pictures=("latency.png", "overview.png")),
    "precisions": Series(("--precisions=all", "--executions=compiled"), ("overview.png", "frontier_energy.png")),
    "generation": Series(("--workloads=prefill,decode",), ("latency.png",)),
    "classification": Series(("--task=classification",), ("overview.png",)),
    "sweep": Series(("--batch-size=1,4,16,64", "--executions=graph"), ("sweep_latency.png", "sweep_speedup.png")),
}


def main() -> int:
    """Measure the missing sessions of a series and write its report; return the exit code of what failed, else 0."""
    parser = argparse.ArgumentParser(
        prog="python -m reference.measure", description=(__doc__ or "").split(":")[0], allow_abbrev=False
    )
    parser.add_argument("machine", help="a name for the folder, as h100, h200, cpu")
    parser.add_argument("series", choices=SERIES)
    parser.add_argument("--sessions", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--reference", type=Path, default=REFERENCE, help="default: results/reference")
    options, pytest_options = parser.parse_known_args()
    if options.sessions < 1:
        parser.error(f"--sessions is {options.sessions}; expected 1 or more")
    series, folder = SERIES[options.series], options.reference / options.machine / options.series
    for number in range(1, options.sessions + 1):
        kept = folder / f"{number:04d}.json"
        if kept.exists():
            continue
        print(f"{options.machine} {options.series}: session {number} of {options.sessions}", flush=True)
        code = measure(kept, [*series.options, *pytest_options])
        if code:
            return code
    return report(folder / "0001.json", series.pictures)


def measure(kept: Path, pytest_options: list[str]) -> int:
    """Run one session in a fresh process and keep its run and its rounds; return the exit code.

    `machine_info.command_seconds` of what is kept is the time of the whole command, from its start to its end. The
    noise floor of the moment is left out: intervals are made with the one that is shipped. A session that failed, or is
    of another thing than the first of its series, stays where it was made, which is said.
    """
    place = Path(tempfile.mkdtemp(prefix="session-"))
    places = [f"--results-dir={place}/results", f"--benchmark-storage={place}/saved"]
    command = [sys.executable, "-m", "pytest", "benchmarks", "--benchmark-autosave", *pytest_options, *places]
    start = time.perf_counter()
    code = subprocess.run(command, check=False, cwd=REPOSITORY).returncode
    seconds = time.perf_counter() - start
    saved = sorted(place.glob("saved/*/*.json"))
    if code or len(saved) != 1:
        print(f"error: pytest ended with {code} and saved {len(saved)} run(s), expected 0 and one; see {place}.")
        return code or 1
    run = json.loads(saved[0].read_text(encoding="utf-8"))
    first = kept.parent / "0001.json"
    if first.exists() and (expected := identity(json.loads(first.read_text(encoding="utf-8")))) != identity(run):
        print(f"error: the session is of {identity(run)}; expected {expected}, as {first}; see {place}.")
        return 1
    rounds = kept.parent / "rounds" / f"{kept.stem}.npz"
    rounds.parent.mkdir(parents=True, exist_ok=True)
    if run["machine_info"]["rounds_file"]:
        shutil.copy(run["machine_info"]["rounds_file"], rounds)
        run["machine_info"]["rounds_file"] = f"rounds/{rounds.name}"
    for quality in (item.get("extra_info", {}).get("quality") for item in run["benchmarks"]):
        if isinstance(quality, dict):
            quality["per_sequence_file"] = None  # some megabytes, which are not kept
    run["machine_info"]["command_seconds"] = round(seconds, 1)
    run["machine_info"].pop("noise_floor", None)
    write(kept, json.dumps(run, separators=(",", ":")))
    shutil.rmtree(place)
    return 0


def identity(run: dict[str, Any]) -> dict[str, Any]:
    """Return what the sessions of a series have in common."""
    machine = run["machine_info"]
    gpu = machine.get("gpu") or {}
    return {
        "device": gpu.get("uuid") or machine["cpu"].get("brand_raw"),
        **{name: machine.get(name) for name in ("torch", "transformers", "procedure")},
        "benchmarks": [item["name"] for item in run["benchmarks"]],
    }


def report(run: Path, pictures: tuple[str, ...]) -> int:
    """Write table, summary, page and the pictures named of a run beside it; return the exit code."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "analysis", "report", str(run), "--results-dir", place]
        code = subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode
        if code:
            return code
        kept = [*Path(place).glob("*.csv"), *Path(place).glob("*.md"), Path(place) / "report.html"]
        # A picture of what could not be measured, as energy on a CPU, is not there.
        for path in [*kept, *(path for name in pictures if (path := Path(place) / name).exists())]:
            shutil.copy(path, run.parent / path.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
