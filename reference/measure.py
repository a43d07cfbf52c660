"""Measure the reference again: `python -m reference.measure h100_99080df7 default --sessions 10 [pytest options]`.

Every session is a fresh process. Its saved run becomes `results/runs/HOST/SERIES/0001.json`, its single rounds
`rounds/0001.npz` beside it. A session that was finished is kept, in that folder or in the archive of the host: the same
command goes on where the last one stopped. After the last session the host's folder is packed into its archive.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.files import write
from reference.archives.reading import ARCHIVES, hosts
from reference.archives.writing import device_of, pack, require_host
from reference.unpack import RUNS, unpack

REPOSITORY = Path(__file__).parents[1]
EVERY_PRECISION = ("--precisions=all",)
BATCH_32 = ("--precisions=fp32,fp16,bf16", "--executions=graph", "--batch-size=32", "--visits=2")
#: What `reference.seeded` makes of the trained model.
SEEDED = "--model=datasets/smollm2_seeded"
#: Sessions of the same thing: the options of pytest.
SERIES = {
    "default": (),
    "precisions": (*EVERY_PRECISION, "--executions=compiled"),
    "generation": ("--workloads=prefill,decode",),
    "classification": ("--task=classification",),
    "trained": ("--model=smollm2", *EVERY_PRECISION, "--executions=graph"),
    "trained_compiled": ("--model=smollm2", *EVERY_PRECISION, "--executions=compiled"),
    "trained_batch_32": ("--model=smollm2", *BATCH_32),
    "seeded": (SEEDED, *EVERY_PRECISION, "--executions=graph"),
    "seeded_compiled": (SEEDED, *EVERY_PRECISION, "--executions=compiled"),
    "seeded_batch_32": (SEEDED, *BATCH_32),
    "sweep": ("--batch-size=1,4,16,64", "--executions=graph"),
}


def main() -> int:
    """Measure the missing sessions of a series and pack the host; return the exit code of what failed, else 0."""
    parser = argparse.ArgumentParser(
        prog="python -m reference.measure", description=(__doc__ or "").split(":")[0], allow_abbrev=False
    )
    parser.add_argument("host", help="a name for the archive: the kind of device and what tells it from others")
    parser.add_argument("series", choices=SERIES)
    parser.add_argument("--sessions", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where sessions are kept (default: results/runs)")
    parser.add_argument("--reference", type=Path, default=ARCHIVES, help="default: results/reference")
    options, pytest_options = parser.parse_known_args()
    if options.sessions < 1:
        parser.error(f"--sessions is {options.sessions}; expected 1 or more")
    try:
        return measure_all(options, pytest_options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def measure_all(options: argparse.Namespace, pytest_options: list[str]) -> int:
    """Measure the missing sessions of a series and pack the host; return the exit code of what failed, else 0.

    Raises `InputError` where the host cannot have that name, or its archive cannot be read or written.
    """
    require_host(options.host)
    if options.host in hosts(options.reference):
        unpack(options.host, options.runs, options.reference)
    for number in range(1, options.sessions + 1):
        kept = options.runs / options.host / options.series / f"{number:04d}.json"
        if kept.exists():
            continue
        print(f"{options.host} {options.series}: session {number} of {options.sessions}", flush=True)
        code = measure(kept, [*SERIES[options.series], *pytest_options])
        if code:
            return code
    print(f"wrote {pack(options.runs / options.host, options.reference)}")
    return 0


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
    if problem := misfit(run, kept):
        print(f"error: {problem}; see {place}.")
        return 1
    rounds = kept.parent / "rounds" / f"{kept.stem}.npz"
    rounds.parent.mkdir(parents=True, exist_ok=True)
    if run["machine_info"]["rounds_file"]:
        shutil.copy(run["machine_info"]["rounds_file"], rounds)
        run["machine_info"]["rounds_file"] = f"rounds/{rounds.name}"
    for quality in (item.get("extra_info", {}).get("quality") for item in run["benchmarks"]):
        if isinstance(quality, dict):
            # Some megabytes, which are not kept.
            quality |= {key: None for key in ("per_sequence_file", "per_target_file") if key in quality}
    run["machine_info"]["command_seconds"] = round(seconds, 1)
    run["machine_info"].pop("noise_floor", None)
    write(kept, json.dumps(run, separators=(",", ":")))
    shutil.rmtree(place)
    return 0


def misfit(run: dict[str, Any], kept: Path) -> str | None:
    """Return why a session is not one of its series, or of its host, or None: what the first sessions there are of."""
    for first in sorted(kept.parents[1].glob("*/0001.json")):
        expected, found = identity(json.loads(first.read_text(encoding="utf-8"))), identity(run)
        if first.parent != kept.parent:
            expected, found = ({"device": one["device"]} for one in (expected, found))
        if found != expected:
            return f"the session is of {found}; expected {expected}, as {first}"
    return None


def identity(run: dict[str, Any]) -> dict[str, Any]:
    """Return what the sessions of a series have in common."""
    machine = run["machine_info"]
    return {
        "device": device_of(machine),
        **{name: machine.get(name) for name in ("torch", "transformers", "procedure")},
        "benchmarks": [item["name"] for item in run["benchmarks"]],
    }


if __name__ == "__main__":
    sys.exit(main())
