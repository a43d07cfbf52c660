"""A disk that is full, or that can only be read: one sentence, and what was there stays whole.

The disk is a small one in memory, which only root may mount; elsewhere these tests are skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.runs.journal import append, read
from analysis.runs.saved import load
from core.errors import InputError
from data_prep.layout import FILE_NAMES, write_dataset
from fixtures import CACHE_VARIABLE
from tests.support.checkout import copy_code
from tests.support.journals import GONE, line
from tests.support.saved_runs import benchmark
from tests.support.terminal_lines import whole_lines
from tests.support.tiny import ORIGINAL_METADATA, tiny_tensors


def mount(*arguments: str) -> None:
    done = subprocess.run(["/bin/mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 kB, mounted for the time of the test."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux":
        pytest.skip("a disk in memory is mounted on Linux alone")
    mount("-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder))
    yield folder
    subprocess.run(["/bin/umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def fill(small_disk: Path) -> Callable[[int], None]:
    """Write to the disk until so many bytes are left."""

    def write(left: int) -> None:
        free = shutil.disk_usage(small_disk).free
        (small_disk / "filler").write_bytes(bytes(free - left))

    return write


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_dataset_that_does_not_fit_leaves_the_old_one(small_disk, fill):
    write_dataset(small_disk / "data", tiny_tensors(), ORIGINAL_METADATA)
    fill(4096)
    before = files(small_disk)
    with pytest.raises(InputError, match=r"could not be written \(No space left on device\)"):
        write_dataset(small_disk / "data", tiny_tensors(), ORIGINAL_METADATA | {"seed": 1})
    assert files(small_disk) == before


def test_a_journal_holds_whole_lines_though_the_disk_was_full_between_them(small_disk, fill):
    journal = small_disk / f"20261123_101112-{GONE}.jsonl"
    append(journal, line("before"))
    fill(0)
    with pytest.raises(OSError, match="No space left"):
        append(journal, line("x" * 8000))
    (small_disk / "filler").unlink()
    append(journal, line("after"))
    assert [item["fullname"] for document in read(journal) for item in document["benchmarks"]] == ["before", "after"]


def run_command(monkeypatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["results", *map(str, arguments)])
    return main()


def test_tables_that_do_not_fit_leave_the_old_ones(small_disk, fill, tmp_path, monkeypatch, capsys):
    for number, median_ms in enumerate((1.0, 2.0)):
        run = {"benchmarks": [benchmark("fp32", median_ms)], "machine_info": {}}
        (tmp_path / f"{number}.json").write_text(json.dumps(run))
    (small_disk / "gpt2_quantization_benchmark_results.csv").write_text("old\n")
    fill(0)
    before = files(small_disk)
    assert run_command(monkeypatch, "report", tmp_path / "1.json", "--results-dir", small_disk) == 1
    assert capsys.readouterr().err == f"error: {small_disk} cannot be written (No space left on device).\n"
    assert files(small_disk) == before


def test_a_recovered_run_that_does_not_fit_leaves_the_journal(small_disk, fill, tmp_path, monkeypatch, capsys):
    journal = tmp_path / "results" / "journal" / f"20261123_101112-{GONE}.jsonl"
    append(journal, line("fp32", padding="x" * 8000))
    monkeypatch.chdir(small_disk)
    fill(0)
    before = files(small_disk)
    assert run_command(monkeypatch, "recover", "--results-dir", tmp_path / "results") == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.endswith("cannot be written (No space left on device); the journal is untouched.\n")
    assert "None" not in error
    assert files(small_disk) == before
    assert len(read(journal)) == 1


def failed(run_suite, *options: str):
    """Run one benchmark that has to fail without a traceback, saving it; return what pytest said."""
    result = run_suite("--benchmark-autosave", "--precisions=fp32", *options)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "Traceback" not in result.stdout.str()
    return whole_lines(result)


def test_a_run_whose_results_do_not_fit_is_saved_elsewhere(run_suite, small_disk, fill, saved_run):
    fill(0)
    failed(run_suite, f"--results-dir={small_disk}").fnmatch_lines_random(
        [
            f"error: {small_disk} cannot be written (No space left on device); the tables were not saved.",
            f"warning: {small_disk}/journal/*.jsonl cannot be written (No space left on device): a killed run would *",
        ]
    )
    quality = saved_run()["benchmarks"][0]["extra_info"]["quality"]
    assert quality["per_sequence_file"] is None
    assert quality["per_sequence_reason"].endswith("cannot be written (No space left on device)")
    assert not any(content for name, content in files(small_disk).items() if name != "filler")


def test_a_run_that_does_not_fit_is_kept_in_the_journal(run_suite, small_disk, fill, tmp_path, monkeypatch):
    fill(0)
    failed(run_suite, f"--benchmark-storage={small_disk}").fnmatch_lines(
        [
            f"error: {small_disk} cannot be written (No space left on device); the run was not saved.",
            "What was measured is kept in *; `python -m analysis recover --results-dir * --storage *` makes a *.",
        ]
    )
    (half,) = small_disk.rglob("*.json")
    with pytest.raises(InputError, match="Delete it where it is half a run"):
        load(half)
    (journal,) = (tmp_path / "results" / "journal").iterdir()
    monkeypatch.chdir(tmp_path)
    assert run_command(monkeypatch, "recover", journal) == 0
    (recovered,) = Path(".benchmarks").rglob("*.json")
    assert [item["param"] for item in json.loads(recovered.read_text())["benchmarks"]] == ["fp32-eager-b1x16"]


def test_a_disk_that_can_only_be_read_is_one_sentence(run_suite, small_disk, tmp_path, monkeypatch, capsys):
    write_dataset(small_disk / "data", tiny_tensors(), ORIGINAL_METADATA)
    run = tmp_path / "run.json"
    run.write_text(json.dumps({"benchmarks": [benchmark("fp32", 1.0)], "machine_info": {}}))
    mount("-o", "remount,ro", str(small_disk))
    before = files(small_disk)
    result = run_suite(f"--results-dir={small_disk / 'results'}", f"--dataset-dir={small_disk / 'data'}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: The folder * cannot be written (Read-only file system); choose another with *"]
    )
    assert run_command(monkeypatch, "report", run, "--results-dir", small_disk / "results") == 1
    assert "cannot be written (Read-only file system)" in capsys.readouterr().err
    with pytest.raises(InputError, match="Read-only file system"):
        write_dataset(small_disk / "data", tiny_tensors(), ORIGINAL_METADATA)
    assert files(small_disk) == before
    assert sorted(path.name for path in (small_disk / "data").iterdir()) == sorted(FILE_NAMES)


@pytest.fixture
def read_only_checkout(tmp_path: Path) -> Iterator[Path]:
    """A copy of the suite's code that can only be read."""
    if sys.platform != "linux":
        pytest.skip("a folder is mounted read-only on Linux alone")
    folder = copy_code(tmp_path / "checkout")
    mount("--bind", str(folder), str(folder))
    mount("-o", "remount,bind,ro", str(folder))
    yield folder
    subprocess.run(["/bin/umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
def test_a_checkout_that_can_only_be_read_measures_where_outputs_are_elsewhere(
    read_only_checkout, tiny_dataset, tiny_model, tmp_path
):
    options = (
        *(f"--dataset-dir={tiny_dataset}", f"--model={tiny_model}", "--device=cpu", "--precisions=fp32"),
        *("--visits=2", "--rounds=2", "--energy=off", "--benchmark-autosave"),
        *(f"--results-dir={tmp_path / 'results'}", f"--benchmark-storage={tmp_path / 'saved'}"),
    )
    environment = {name: value for name, value in os.environ.items() if name != CACHE_VARIABLE}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "benchmarks", *options],
        cwd=read_only_checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (saved,) = (tmp_path / "saved").rglob("*.json")
    assert [item["param"] for item in json.loads(saved.read_text())["benchmarks"]] == ["fp32-eager-b1x16"]
    assert (tmp_path / "results" / "report.html").exists()
