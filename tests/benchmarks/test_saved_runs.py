"""Sessions and the runs that were saved before them: when each began, which one is compared with, and its journal."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from pytest_benchmark.utils import get_machine_id

from analysis.runs.recovery import recover
from analysis.runs.saved import load, measured_at
from analysis.runs.storage import Storage
from analysis.runs.time_order import FORM, moment_of
from benchmarks.machine.environment import session_start_utc
from tests.support.saved_runs import in_visits, measured, save
from tests.support.terminal_lines import whole_lines

NOW, MINUTE = datetime.now(timezone.utc), timedelta(minutes=1)
STATS = dict.fromkeys(("min", "max", "mean", "median", "stddev", "iqr", "ops", "q1", "q3", "total"), 1.0)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Where pytest-benchmark looks for runs of this kind of machine."""
    return tmp_path / "saved" / get_machine_id()


def saved(folder: Path, number: int, median_ms: float, later: timedelta) -> Path:
    """A run in pytest-benchmark's own form, which began so much later than now."""
    item = in_visits(measured("fp32", "eager", median_ms))
    item |= {"fullname": "test", "group": None, "stats": STATS | {"outliers": "0;0", "rounds": 5, "iterations": 1}}
    return save(folder, number, item, measured_utc=f"{NOW + later:{FORM}}")


def compared(result: pytest.RunResult) -> list[str]:
    """The names of the runs that pytest-benchmark says a session is compared with."""
    lines = result.stderr.str().splitlines()
    return [line.rpartition("/")[2] for line in lines if "Comparing against benchmarks from" in line]


def test_a_session_is_compared_with_the_run_that_began_last(run_suite, folder):
    for number, minutes in ((1, 0), (2, -1), (9999, -60), (10000, 1)):
        saved(folder, number, float(number), minutes * MINUTE)
    save(folder, 10001)
    save(folder, 10002, measured_utc=f"{NOW + 2 * MINUTE:{FORM}}")  # all of its benchmarks failed
    saved(folder.with_name("Another-System"), 5, 5.0, 2 * MINUTE)  # another kind of machine, as for pytest-benchmark
    result = run_suite("--benchmark-compare", "--collect-only")
    assert result.ret == 0
    assert compared(result) == ["10000_run.json"]
    whole_lines(result).fnmatch_lines_random(
        [
            "warning: in * numbers and times disagree: 9999_run.json (*) was measured before 0002_run.json (*",
            "warning: 1 file(s) do not say when they were measured *10001_run.json.",
            "warning: left out: *10002_run.json holds 0 benchmark(s), but none of this suite; *",
        ]
    )


def test_a_session_is_not_compared_with_a_run_dated_ahead_of_the_clock(run_suite, folder):
    path = saved(folder, 1, 1.0, -MINUTE)
    saved(folder, 2, 2.0, timedelta(days=30))
    result = run_suite("--benchmark-compare", "--collect-only")
    assert compared(result) == ["0001_run.json"]
    whole_lines(result).fnmatch_lines(["warning: *0002_run.json (*): dated more than a day ahead of this clock (*"])
    path.unlink()
    result = run_suite("--benchmark-compare")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --benchmark-compare: Every run chosen is dated more than a day ahead of *"])
    named = run_suite("--benchmark-compare=0002", "--collect-only")
    assert compared(named) == ["0002_run.json"]


def test_a_number_of_several_runs_is_a_usage_error_before_anything_is_measured(run_suite, folder):
    path = saved(folder, 1, 1.0, -MINUTE)
    shutil.copy(path, path.with_name("0001_other.json"))
    saved(folder, 10000, 2.0, MINUTE)
    saved(folder, 1000, 3.0, -2 * MINUTE)
    result = run_suite("--benchmark-compare=0001")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = "0001 is the number of 2 saved runs: *0001_other.json, *0001_run.json; expected one. Name it by its path."
    result.stderr.fnmatch_lines([f"ERROR: --benchmark-compare: {said}"])
    assert compared(run_suite("--benchmark-compare=1000", "--collect-only")) == ["1000_run.json"]


def test_copies_of_a_run_count_once_in_a_session_that_is_compared_with_all(run_suite, folder):
    path = saved(folder, 1, 1.0, -MINUTE)
    saved(folder, 2, 2.0, MINUTE)  # like the first without a `datetime`, by which pytest-benchmark's runs are named
    shutil.copy(path, path.with_name("0003_again.json"))
    result = run_suite("--benchmark-compare=*", "--collect-only")
    assert len(compared(result)) == 3
    said = [
        line
        for line in whole_lines(result).str().splitlines()
        if " are one run: every visit has the same values" in line
    ]
    assert len(said) == 1


def test_a_run_and_its_recovered_journal_are_one_and_say_to_the_second_when_it_began(run_suite, monkeypatch, tmp_path):
    """A session that was killed after it had saved, and one whose journal another machine had recovered meanwhile."""
    session_start_utc.cache_clear()  # an earlier session of this process began before
    before = datetime.now(timezone.utc)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *_, **__: None)  # the journal stays
        assert run_suite("--benchmark-autosave", "--precisions=fp32,fp16").ret == 0
    (path,) = (tmp_path / "saved").glob("*/0001_*.json")
    run = load(path)
    began = measured_at(run.environment) or ""
    moment = datetime.strptime(began, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=timezone.utc)
    assert run.dated.moment == moment_of(began) == moment
    assert timedelta(seconds=-1) < moment - before < timedelta(minutes=5)
    (journal,) = (tmp_path / "results" / "journal").glob("*.jsonl")
    text = journal.read_text()
    for content, cases in ((text, 2), (text.splitlines(keepends=True)[0], 1)):
        journal.write_text(content)
        recovered, count = recover(journal, tmp_path / "saved")
        assert (count, measured_at(load(recovered).environment)) == (cases, began)
        said: list[str] = []
        storage = Storage(tmp_path / "saved", said.append)
        assert [run.path for run in storage.runs([])] == [path]
        assert said == [
            f"{path} and {recovered} are one run: every visit has the same values, on the same device. It counts once."
        ]
        assert storage.newest().path == path
        assert storage.last(1, besides=[run]) == []
        recovered.unlink()
