"""Copies of the suite to which things are added, and what their commands print and write."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

SHORT = ("--rounds=8", "--energy=off", "--visits=2", "--device=cpu", "--allow-emulated", "--benchmark-autosave")
#: Without the plugins that write beside the copy or run several processes.
ALONE = ("-pno:cacheprovider", "-pno:xdist")


class Measured(NamedTuple):
    """What a session printed and wrote."""

    tree: Path
    printed: str
    #: The rows of the CSV by the benchmarks' names, and `extra_info` by the same names.
    rows: dict[str, dict[str, str]]
    info: dict[str, dict[str, Any]]
    machine: dict[str, Any]
    summary: str


def run(tree: Path, *arguments: object, **environment: str) -> str:
    """What a command of the suite prints, which must succeed."""
    command = [sys.executable, "-m", *map(str, arguments)]
    surroundings = {**os.environ, **environment}
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False, env=surroundings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def measured(
    tree: Path, dataset: Path, model: Path, *options: str, files: str = "gpt2", **environment: str
) -> Measured:
    """What comes of a session on a dataset and a model; options that are given come last and win."""
    places = (f"--dataset-dir={dataset}", f"--model={model}", "-m", "not integrity")
    printed = run(tree, "pytest", "benchmarks", *SHORT, *ALONE, *places, *options, **environment)
    with (tree / "results" / f"{files}_quantization_benchmark_results.csv").open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    (path,) = (tree / ".benchmarks").rglob("*.json")
    saved = json.loads(path.read_text())
    info = {name: item["extra_info"] for name, item in zip(rows, saved["benchmarks"], strict=True)}
    summary = (tree / "results" / f"{files}_benchmark_summary.md").read_text()
    return Measured(tree, printed, rows, info, saved["machine_info"], summary)
