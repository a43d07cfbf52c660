"""A precision, an execution, a metric, a task and a workload are added in one file each, as docs/extending.md says."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.layout import write_dataset
from tests.support.checkout import copy_code
from tests.support.tiny import REPOSITORY
from tests.support.tiny_classifier import METADATA, sentences, tiny_classifier

TOYS = REPOSITORY / "tests" / "support"
EXECUTION = '''
from collections.abc import Sequence

import torch

from fixtures.dataset.batches import Batch
from fixtures.executions.eager import called
from fixtures.workloads import Step


def inference(step: Step, examples: Sequence[Batch]) -> Forward:
    """Return the eager forward under `torch.inference_mode`."""
    forward = called(step, examples)
    return Forward(forward.place, torch.inference_mode()(forward.run), forward.put)


EXECUTIONS["inference"] = Execution("inference", "the eager forward in inference mode", inference)
'''


def replace(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))


def add_precision(tree: Path) -> None:
    shutil.copy(TOYS / "toy_int8.py", tree / "fixtures" / "precisions" / "int8_toy.py")


def add_execution(tree: Path) -> None:
    with (tree / "fixtures" / "executions" / "__init__.py").open("a") as file:
        file.write(EXECUTION)


def add_metric(tree: Path) -> None:
    path = tree / "benchmarks" / "instruments" / "size.py"
    field = (
        '    tensors: int = metric("", "lower", "parameters and buffers in number", heading="tensors", form=".0f")\n'
    )
    replace(path, "    parameters: int\n", f"    parameters: int\n{field}")
    value = "            tensors=len(list(run.model.parameters())) + len(list(run.model.buffers())),\n"
    replace(path, "        return SizeRecord(\n", f"        return SizeRecord(\n{value}")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the suite's code, to which things are added."""
    return copy_code(tmp_path / "tree")


@pytest.mark.slow
def test_a_task_is_one_file_and_runs(tree, tmp_path):
    write_dataset(tmp_path / "grades", sentences(), METADATA)
    tiny_classifier(num_labels=1).save_pretrained(tmp_path / "grader")
    before = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    shutil.copy(TOYS / "toy_task.py", tree / "fixtures" / "tasks" / "grading.py")
    assert len({path for path in tree.rglob("*") if path.is_file()} - before.keys()) == 1
    command = [
        sys.executable,
        "-m",
        "pytest",
        "benchmarks",
        "--rounds=8",
        "--energy=off",
        "--visits=2",
        "--task=grading",
    ]
    command += ["--task=grading", "--precisions=fp32,bf16", "--allow-emulated", "--device=cpu", "--benchmark-autosave"]
    command += [f"--dataset-dir={tmp_path / 'grades'}", f"--model={tmp_path / 'grader'}"]
    command += ["-pno:cacheprovider", "-pno:xdist"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Grader precision benchmark" in done.stdout
    with (tree / "results" / "grader_quantization_benchmark_results.csv").open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["grading-fp32-eager-b1x16", "grading-bf16-eager-b1x16"]
    errors = [float(row["mean_error"]) for row in rows.values()]
    assert errors[0] == pytest.approx(errors[1], rel=0.05)
    assert errors[0] != errors[1]
    assert (tree / "results" / "mean_error.png").is_file()
    (path,) = (tree / ".benchmarks").rglob("*.json")
    compared = [sys.executable, "-m", "analysis", "compare", str(path), str(path), "--fail", "mean_error:1%"]
    done = subprocess.run(compared, cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "mean_error" in done.stdout


@pytest.mark.slow
def test_a_workload_is_one_file_and_runs(tree, tiny_dataset, tiny_model):
    shutil.copy(TOYS / "toy_workload.py", tree / "fixtures" / "workloads" / "half.py")
    command = [sys.executable, "-m", "pytest", "benchmarks", "-m", "not integrity", "--rounds=8", "--energy=off"]
    command += ["--workloads=half", "--precisions=fp32", "--device=cpu", "--visits=2"]
    command += [f"--dataset-dir={tiny_dataset}", f"--model={tiny_model}", "-pno:cacheprovider", "-pno:xdist"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with (tree / "results" / "gpt2_quantization_benchmark_results.csv").open() as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["fp32-half-eager-b1x16"]


@pytest.mark.slow
def test_each_is_one_file_and_runs(tree, tiny_dataset, tiny_model):
    before = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    for add in (add_precision, add_execution, add_metric):
        add(tree)
    changed = {path for path in tree.rglob("*") if path.is_file() and before.get(path) != path.read_bytes()}
    assert len(changed) == 3
    command = [sys.executable, "-m", "pytest", "benchmarks", "-m", "not integrity", "--rounds=8", "--energy=off"]
    command += ["--precisions=fp32,int8_toy", "--executions=inference", "--device=cpu", "--benchmark-autosave"]
    command += [f"--dataset-dir={tiny_dataset}", f"--model={tiny_model}", "-pno:cacheprovider", "-pno:xdist"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with (tree / "results" / "gpt2_quantization_benchmark_results.csv").open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["fp32-inference-b1x16", "int8_toy-inference-b1x16"]
    assert {row["tensors"] for row in rows.values()} == {"28"}
    assert "tensors" in (tree / "results" / "gpt2_benchmark_summary.md").read_text()
    (path,) = (tree / ".benchmarks").rglob("*.json")
    int8 = json.loads(path.read_text())["benchmarks"][1]["extra_info"]
    assert int8["numerics"]["difference_from_eager"] < 1e-2
    assert int8["quality"]["kl_vs_fp32_nats"] > 1e-9
