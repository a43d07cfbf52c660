"""Each kind of thing is added in one file, as docs/extending.md says, and is then everywhere or refused."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from data_prep.layout import write_dataset
from tests.support.checkout import copy_code
from tests.support.documented import add, samples
from tests.support.tiny import REPOSITORY
from tests.support.tiny_classifier import METADATA, sentences, tiny_classifier

TOYS = REPOSITORY / "tests" / "support"
SHORT = ("--rounds=8", "--energy=off", "--visits=2", "--device=cpu", "-pno:cacheprovider", "-pno:xdist")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the suite's code, to which things are added."""
    return copy_code(tmp_path / "tree")


def run(tree: Path, *arguments: object, **environment: str) -> str:
    """What a command of the suite prints, which must succeed."""
    command = [sys.executable, "-m", *map(str, arguments)]
    surroundings = {**os.environ, **environment}
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False, env=surroundings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def measured(tree: Path, dataset: Path, model: Path, *options: str, **environment: str) -> str:
    """What a session on a dataset and a model prints; options that are given come last and win."""
    places = (f"--dataset-dir={dataset}", f"--model={model}", "-m", "not integrity", "--benchmark-autosave")
    return run(tree, "pytest", "benchmarks", *SHORT, *places, *options, **environment)


def rows(tree: Path, model: str = "gpt2") -> dict[str, dict[str, str]]:
    """The rows of the CSV, by the benchmarks' names."""
    with (tree / "results" / f"{model}_quantization_benchmark_results.csv").open() as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def saved(tree: Path) -> dict:
    """The one run that was saved."""
    (path,) = (tree / ".benchmarks").rglob("*.json")
    return json.loads(path.read_text())


def changed(tree: Path, before: dict[Path, bytes]) -> set[str]:
    """The files that were added or changed."""
    files = (path for path in tree.rglob("*") if path.is_file())
    return {str(path.relative_to(tree)) for path in files if before.get(path) != path.read_bytes()}


def contents(tree: Path) -> dict[Path, bytes]:
    """Every file of the copy."""
    return {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}


def test_every_sample_is_one_file_and_listed(tree):
    before = contents(tree)
    files = {sample.file for sample in samples()}
    for file in files:
        add(tree, file)
    assert changed(tree, before) == files
    listed = run(tree, "pytest", "benchmarks", "--list", "--device=cpu")
    for name in ("bf16_head32", "autotuned", "wikitext-2-validation", "tensors", "sparsity", "zero_share", "wall_plug"):
        assert f"  {name} " in listed
    helped = run(tree, "pytest", "benchmarks", "--help")
    assert "bf16_head32" in helped
    assert "autotuned" in helped
    assert "fp32_again" not in listed + helped  # there to test the suite


def test_a_precision_a_metric_and_an_instrument_are_in_every_output(tree, tiny_dataset, tiny_model):
    for name in ("fixtures/precisions/bf16_head32.py", "benchmarks/instruments/size.py"):
        add(tree, name)
    add(tree, "benchmarks/instruments/sparsity.py")
    shutil.copy(TOYS / "toy_int8.py", tree / "fixtures" / "precisions" / "int8_toy.py")
    measured(tree, tiny_dataset, tiny_model, "--precisions=fp32,int8_toy,bf16_head32", "--allow-emulated")
    found = rows(tree)
    assert list(found) == ["fp32-eager-b1x16", "int8_toy-eager-b1x16", "bf16_head32-eager-b1x16"]
    assert [row["tensors"] for row in found.values()] == ["28", "28", "29"]
    assert all(0 < float(row["zero_share"]) < 1 for row in found.values())
    summary = (tree / "results" / "gpt2_benchmark_summary.md").read_text()
    assert "| tensors " in summary
    assert "| zeros " in summary
    _, int8, mixed = (item["extra_info"] for item in saved(tree)["benchmarks"])
    assert int8["quality"]["kl_vs_fp32_nats"] > 1e-9
    assert mixed["numerics"]["logits_dtype"] == "torch.float32"


@pytest.mark.slow
def test_an_execution_is_measured_with_its_traits(tree, tiny_dataset, tiny_model):
    add(tree, "fixtures/executions/autotuned.py")
    options = ("--precisions=fp32,bf16", "--allow-emulated", "--executions=eager,autotuned")
    shown = measured(tree, tiny_dataset, tiny_model, *options)
    assert "noise floor" in shown
    run_saved = saved(tree)
    assert run_saved["machine_info"]["executions"]["autotuned"] == {
        "words": "As compiled, but torch.compile times several kernels for each operation and keeps the fastest.",
        "rank": 30,
        "is_reference": False,
        "is_replayed": True,
        "is_compiled": True,
    }
    by_name = {item["param"]: item["extra_info"] for item in run_saved["benchmarks"]}
    tuned = by_name["bf16-autotuned-b1x16"]
    assert tuned["seconds"]["compilation"] > 0
    assert tuned["numerics"]["difference_from_eager"] < 0.04
    page = (tree / "results" / "report.html").read_text()
    assert "<dt>autotuned</dt><dd>As compiled, but torch.compile times several kernels" in page
    assert "<dt>graph</dt>" not in page  # which this run has not


@contextmanager
def plugged_in(path: Path, watts: float) -> Iterator[None]:
    """Keep a file of joules up to date, as the program of a meter in the mains lead does."""
    begun_s, over = time.perf_counter(), threading.Event()

    def write() -> None:
        while not over.wait(0.005):
            unfinished = path.with_suffix(".new")
            unfinished.write_text(str(watts * (time.perf_counter() - begun_s)))
            unfinished.replace(path)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.slow
def test_a_meter_is_opened_before_the_others_or_says_why_not(tree, tiny_dataset, tiny_model, tmp_path):
    add(tree, "benchmarks/meters/wall_plug.py")
    with plugged_in(tmp_path / "joules", watts=80):
        path = str(tmp_path / "joules")
        options = ("--precisions=fp32", "--energy=auto", "--rounds=8")
        measured(tree, tiny_dataset, tiny_model, *options, WALL_PLUG=path)
    (benchmark,) = saved(tree)["benchmarks"]
    # Each visit is looked at alone: whether visits agree with each other is the machine's doing.
    visits = benchmark["extra_info"]["visits"]
    assert [visit["energy_code"] for visit in visits] == [None, None]
    assert [visit["power_w"] for visit in visits] == pytest.approx([80, 80], rel=0.5)
    listed = run(tree, "pytest", "benchmarks", "--list", "--device=cpu", WALL_PLUG=str(tmp_path / "nowhere"))
    (line,) = [line for line in listed.splitlines() if line.startswith("  wall_plug ")]
    assert line.split()[1] == "no"
    assert "nowhere holds no reading" in line


@pytest.mark.slow
def test_a_dataset_is_prepared_by_its_name_and_takes_no_place_of_another(tree):
    add(tree, "data_prep/datasets/wikitext2_validation.py")
    code = "from data_prep.datasets import DEFAULTS; print(DEFAULTS['language_modeling'].name)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tree, capture_output=True, text=True, check=True)
    assert done.stdout == "wikitext-2\n"
    shown = run(tree, "data_prep", "--name", "wikitext-2-validation", "--stand-in", "always")
    assert "pytest benchmarks --dataset-dir=datasets/gpt2_validation_stand_in_data" in shown
    options = ("-m", "integrity", "--dataset-dir=datasets/gpt2_validation_stand_in_data", "-pno:cacheprovider")
    assert "failed" not in run(tree, "pytest", "benchmarks", *options)
    command = [sys.executable, "-m", "data_prep", "--name", "wikitext-2-validatoin"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "(did you mean wikitext-2-validation?)" in done.stderr


@pytest.mark.parametrize(
    ("file", "copied_to", "sentence"),
    [
        ("fixtures/precisions/floating.py", "fixtures/precisions/my_own.py", "the precision 'fp32' is there twice"),
        ("fixtures/workloads/prefill.py", "fixtures/workloads/zprefill.py", "the workload 'prefill' is there twice"),
        ("data_prep/datasets/wikitext2.py", "data_prep/datasets/atext.py", "the dataset 'wikitext-2' is there twice"),
        ("benchmarks/meters/rapl.py", "benchmarks/meters/zrapl.py", "the meter 'rapl_powercap' is there twice"),
        ("benchmarks/instruments/size.py", "benchmarks/instruments/a_size.py", "the instrument 'size' is there twice"),
    ],
)
def test_a_second_name_is_refused_with_both_files(tree, file, copied_to, sentence):
    shutil.copy(tree / file, tree / copied_to)
    command = [sys.executable, "-m", "pytest", "benchmarks", "--list", "-pno:cacheprovider"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    shown = done.stdout + done.stderr
    assert sentence in shown
    assert "Traceback" not in shown
    assert file in shown
    assert copied_to in shown


def test_a_second_default_dataset_of_a_task_is_refused(tree):
    add(tree, "data_prep/datasets/wikitext2_validation.py")
    path = tree / "data_prep" / "datasets" / "wikitext2_validation.py"
    path.write_text(path.read_text().replace("is_default=False", "is_default=True"))
    done = subprocess.run(
        [sys.executable, "-c", "import data_prep.datasets"], cwd=tree, capture_output=True, text=True, check=False
    )
    assert "language_modeling has 2 default datasets (wikitext-2, wikitext-2-validation)" in done.stderr


@pytest.mark.slow
def test_a_task_is_one_file_and_runs(tree, tmp_path):
    write_dataset(tmp_path / "grades", sentences(), METADATA)
    tiny_classifier(num_labels=1).save_pretrained(tmp_path / "grader")
    before = contents(tree)
    shutil.copy(TOYS / "toy_task.py", tree / "fixtures" / "tasks" / "grading.py")
    assert changed(tree, before) == {"fixtures/tasks/grading.py"}
    options = ("--task=grading", "--precisions=fp32,bf16", "--allow-emulated", "--benchmark-autosave")
    places = (f"--dataset-dir={tmp_path / 'grades'}", f"--model={tmp_path / 'grader'}")
    shown = run(tree, "pytest", "benchmarks", *SHORT, *options, *places)
    assert "Grader precision benchmark" in shown
    found = rows(tree, "grader")
    assert list(found) == ["grading-fp32-eager-b1x16", "grading-bf16-eager-b1x16"]
    errors = [float(row["mean_error"]) for row in found.values()]
    assert errors[0] == pytest.approx(errors[1], rel=0.05)
    assert errors[0] != errors[1]
    assert (tree / "results" / "mean_error.png").is_file()
    (path,) = (tree / ".benchmarks").rglob("*.json")
    assert "mean_error" in run(tree, "analysis", "compare", path, path, "--fail", "mean_error:1%")


@pytest.mark.slow
def test_a_workload_is_one_file_and_runs(tree, tiny_dataset, tiny_model):
    shutil.copy(TOYS / "toy_workload.py", tree / "fixtures" / "workloads" / "half.py")
    measured(tree, tiny_dataset, tiny_model, "--workloads=half", "--precisions=fp32")
    assert list(rows(tree)) == ["fp32-half-eager-b1x16"]
