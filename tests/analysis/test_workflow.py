"""The workflow that docs/results.md shows: its commands do what it says, from the first run on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.saved_runs import measured, save
from tests.support.tiny import REPOSITORY


def steps() -> list[dict]:
    """The steps of the one workflow on the page."""
    text = (REPOSITORY / "docs" / "results.md").read_text().partition("## Gating a pull request")[2]
    (job,) = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0]).values()
    return job["steps"]


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a step as GitHub does, in a folder, with this interpreter as python."""
    (folder / "bin").mkdir(exist_ok=True)
    for name, words in (("python", ""), ("pytest", "-m pytest ")):
        (folder / "bin" / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words}"$@"\n')
        (folder / "bin" / name).chmod(0o755)
    variables = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        ["/bin/bash", "-e", "-o", "pipefail", "-c", command],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_the_next_job_needs_is_kept():
    assert steps()[0]["with"] == {"clean": False}


@pytest.mark.slow
def test_the_first_step_names_options_that_there_are(tmp_path):
    command = steps()[1]["run"]
    assert command.startswith("pytest benchmarks --benchmark-autosave ")
    done = run(
        command.replace("benchmarks", f"{REPOSITORY / 'benchmarks'} --collect-only -q -p no:cacheprovider"), tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_first_run_passes_an_equal_one_passes_and_a_slower_one_fails(tmp_path):
    codes = []
    for number, median in enumerate((1.0, 1.0001, 2.0), start=1):  # two that are equal to the last digit are one
        path = save(tmp_path / ".benchmarks" / "Linux", number, measured("fp16", "graph", median, 9.0))
        os.utime(path, (number, number))
        done = run(steps()[2]["run"], tmp_path)
        codes.append((done.returncode, done.stderr.splitlines()[-1].split(":")[0]))
    assert codes == [(0, "no history yet"), (0, "limits"), (1, "limits")]
