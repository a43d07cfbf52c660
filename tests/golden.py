"""One small session on a fixed clock, kept in tests/data/golden: `python -m tests.golden` measures it again.

A change that moves code, and no figure, leaves all of its files as they are, byte by byte. What a machine adds (names,
versions, times of day, its own ceilings) is replaced by constants; `--write` keeps what a wanted change has changed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import fixtures  # noqa: F401 - quiets torchao before transformers imports it
from benchmarks import cache_proofs
from tests.support.synchronous_threads import SynchronousThreads
from tests.support.tiny import REPOSITORY, tiny_gpt2

FOLDER = REPOSITORY / "tests" / "data" / "golden"
RUN, CSV, SUMMARY, PAGE = FILES = ("run.json", "results.csv", "summary.md", "report.html")
NAMES_OF_OUTPUTS = {
    CSV: "gpt2_quantization_benchmark_results.csv",
    SUMMARY: "gpt2_benchmark_summary.md",
    PAGE: "report.html",
}
OPTIONS = (
    "--device=cpu",
    "--precisions=fp32,fp16,mixed",
    "--executions=eager",
    "--workloads=forward,decode",
    "--allow-emulated",
    "--visits=3",
    "--rounds=12",
    "--warmup-rounds=1",
    "--order-seed=7",
    "--energy=off",
    "--benchmark-timer=time.process_time",
)
#: Milliseconds of a forward on the clock, by the dtype of the weights.
FORWARD_MS = {torch.float32: 3.0, torch.float16: 1.0}
#: What each look at the clock adds: a loop that waits for it ends.
LOOK_S = 1e-6
#: Sections that a machine fills in as it is, whatever the code; keys stay, values are constants.
OF_THE_MACHINE = ("environment", "validity", "seconds", "breakdown")
#: Keys anywhere in `extra_info` with what the machine's own speed, folders or rounding decides.
MACHINES_OWN = (
    "started_s",
    "peak_tflops",
    "peak_gb_per_s",
    "roofline_fraction",
    "limit_ms",
    "limited_by",
    "per_sequence_file",
    "model",
    "text_reason",
    "other_cpu_load",
    "cpu_steal_share",
    "cpu_pressure_share",
    "scored_vs_timed",
    "difference_from_uncached",
    "reasons",
    "unknown",
    "unreadable",
)
#: Sections whose figures depend, in their last digits, on how a processor adds up; so many digits are kept.
COMPUTED, DIGITS = ("quality", "generation", "numerics"), 4


class FixedClock:
    """`time.perf_counter` goes on by what forwards take, which a seed decides; threads run when they are started."""

    def __init__(self) -> None:
        self._now_s, self._noise = 0.0, random.Random(11)

    def __call__(self) -> float:
        self._now_s += LOOK_S
        return self._now_s

    def of_model(self, forward):
        """Return a model's forward that takes its time on this clock."""

        def timed(model, *inputs, **options):
            weights = model.transformer.wte.weight.dtype
            self._now_s += FORWARD_MS[weights] / 1000 * self._noise.lognormvariate(0, 0.02)
            return forward(model, *inputs, **options)

        return timed

    def beside(self, function):
        """Return a function whose forwards take no time on this clock: what is timed does not follow from them."""

        def untimed(*values, **options):
            now_s, noise = self._now_s, self._noise.getstate()
            result = function(*values, **options)
            self._now_s = now_s
            self._noise.setstate(noise)
            return result

        return untimed

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Replace the clock, have a thread's work done before its `start` returns, and take FP16 for native."""
        model = transformers.GPT2LMHeadModel
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "perf_counter", self)
            patch.setattr(model, "forward", self.of_model(model.forward))
            patch.setattr(cache_proofs, "unusable_cache_reason", self.beside(cache_proofs.unusable_cache_reason))
            patch.setattr("benchmarks.loop.threading", SynchronousThreads)
            patch.setattr("benchmarks.instruments.fallback.emulation_reason", lambda *_: None)
            yield


def measured(folder: Path) -> dict[str, Any]:
    """Measure the session in a folder and return the saved run, as it would be on any machine that has FP16."""
    from data_prep.layout import write_dataset
    from tests.support.quick_policies import QuickPolicies
    from tests.support.tiny import ORIGINAL_METADATA, tiny_tensors

    write_dataset(folder / "dataset", tiny_tensors(), ORIGINAL_METADATA)
    tiny_gpt2(initializer_range=0.3).save_pretrained(folder / "tiny-gpt2")
    places = (
        f"--rootdir={REPOSITORY}",
        f"--config-file={REPOSITORY / 'pyproject.toml'}",
        "-pno:cacheprovider",
        "-pno:xdist",
        f"--dataset-dir={folder / 'dataset'}",
        f"--model={folder / 'tiny-gpt2'}",
        f"--results-dir={folder / 'results'}",
        f"--benchmark-json={folder / 'run.json'}",
        f"--benchmark-storage={folder / 'saved'}",
    )
    printed = io.StringIO()
    with FixedClock().running(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = pytest.main([str(REPOSITORY / "benchmarks"), *places, *OPTIONS], plugins=[QuickPolicies()])
    if code:
        raise SystemExit(f"the session failed:\n{printed.getvalue()}")
    return neutral(json.loads((folder / "run.json").read_text()), folder)


def neutral(run: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a saved run with constants in place of what the machine added."""
    machine = run["machine_info"]
    kept = ("procedure", "session_cases", "order_seed", "noise_floor", "metrics", "tasks", "executions")
    own = {name: machine[name] for name in kept if name in machine}
    run["machine_info"] = {"node": "host", "cpu": {}, "measured_utc": "2026-01-01 00:00 UTC", **own}
    run["commit_info"], run["datetime"] = {"id": "unversioned"}, "2026-01-01T00:00:00"
    run["version"] = "5"
    for benchmark in run["benchmarks"]:
        benchmark["stats"] = {}
        benchmark["extra_info"] = _neutral(benchmark["extra_info"])
        for section in OF_THE_MACHINE:
            benchmark["extra_info"][section] = _constants(benchmark["extra_info"][section])
        benchmark["extra_info"]["validity"]["status"] = "valid"
        benchmark["extra_info"]["environment"]["suite_commit"] = "text"  # it has none outside a checkout
        for section in {*COMPUTED} & {*benchmark["extra_info"]}:
            benchmark["extra_info"][section] = _rounded(benchmark["extra_info"][section])
    return json.loads(json.dumps(run).replace(str(folder), "FOLDER"))


def _neutral(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _constants(part) if key in MACHINES_OWN else _neutral(part) for key, part in value.items()}
    return [_neutral(part) for part in value] if isinstance(value, list) else value


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _constants(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _constants(part) for key, part in value.items()}
    if isinstance(value, (bool, type(None))):
        return None if value is None else True
    return "text" if isinstance(value, str) else 1.0 if isinstance(value, (int, float)) else []


def outputs(run: Path, folder: Path) -> dict[str, str]:
    """Return the table, the summary and the page of a saved run by their names here; pictures are left out."""
    from analysis.report.summary import RunSummary
    from analysis.report.writer import write_report
    from analysis.runs.saved import load

    loaded = load(run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("analysis.report.plots.rendered", lambda figure, form: b"<svg/>")
        write_report(folder, RunSummary(loaded.benchmarks, loaded.environment, {}))
    return {name: (folder / output).read_text() for name, output in NAMES_OF_OUTPUTS.items()}


def all_files(folder: Path) -> dict[str, str]:
    """Measure the session in a folder and return every file that is kept of it, by its name."""
    run = folder / RUN
    run.write_text(json.dumps(measured(folder), indent=1) + "\n")
    return {RUN: run.read_text(), **outputs(run, folder / "report")}


def main() -> int:
    """Compare with the files that are kept, or keep these; return 1 where they differ."""
    options = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    options.add_argument("--write", action="store_true", help="keep these files instead of comparing")
    is_kept = options.parse_args().write
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        files = all_files(Path(folder))
    if is_kept:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (FOLDER / name).write_text(content)
    differing = [name for name in FILES if (FOLDER / name).read_text() != files[name]]
    print(f"differs: {', '.join(differing)}" if differing else "the same, byte by byte")
    return bool(differing)


if __name__ == "__main__":
    sys.exit(main())
