"""Which saved runs a command works with: by number and place, and none of another project's."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from analysis.runs.journal import append
from analysis.runs.saved import load
from analysis.runs.selection import select
from analysis.runs.storage import Storage
from analysis.runs.time_order import FORM
from tests.support.journals import GONE, line
from tests.support.saved_runs import save
from tests.support.storages import NEW, OLD, session

UTC = timezone.utc


def test_a_number_that_several_files_hold_names_them(storage, command, capsys):
    paths = [save(storage / folder, 1, session(value)) for folder, value in ((NEW, 1.0), (OLD, 2.0))]
    save(storage / NEW, 5, session(3.0))
    assert command("compare", "0001", "0005") == 1
    error = capsys.readouterr().err
    assert error.startswith("error: 0001 is the number of 2 saved runs: ")
    assert all(str(path) in error for path in paths)
    assert command("compare", "0001_r", "0005") == 1
    assert capsys.readouterr().err.startswith("error: '0001_r' begins the names of 2 saved runs: ")
    assert command("compare", paths[0], "0005") == 0
    (storage / OLD / "0001_run.json").unlink()
    (storage / "link").symlink_to(NEW)  # one file by two paths
    assert len(select(["0001"], storage)) == 1
    assert len(select([], storage)) == 2


FOREIGN = {
    "without a benchmark": {"benchmarks": [], "machine_info": {}, "datetime": "2026-11-30T10:00:00"},
    "another project's": {"benchmarks": [{"name": "sort", "extra_info": {}}], "datetime": "2026-11-30T10:00:00"},
    "no run": {"coverage": 98},
    "half a run": None,
}
#: What stands for a file of it, and may have no end.
ENDLESS = ("a pipe", "a device")


@pytest.mark.parametrize("kind", ENDLESS)
def test_what_may_have_no_end_is_left_out_too(storage, command, capsys, kind):
    for number in (1, 2):
        save(storage / NEW, number, session(1 + number / 10), measured_utc=f"2026-11-0{number} 10:00 UTC")
    other = storage / NEW / "0003_other.json"
    os.mkfifo(other) if kind == "a pipe" else other.symlink_to("/dev/zero")
    for arguments in (["noise"], ["history"], ["variance"], ["compare", f"{storage}/*/*", "--to", "0002"]):
        assert command(*arguments) == 0, arguments
        said = capsys.readouterr().err
        assert f"warning: left out: {other} cannot be read (not a regular file)." in said
    assert command("report") == 0
    assert command("noise", other) == 1


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_run_of_this_suite_is_left_out_unless_it_was_named(storage, command, capsys, kind):
    for number in (1, 2):
        save(storage / NEW, number, session(1 + number / 10), measured_utc=f"2026-11-0{number} 10:00 UTC")
    other = storage / NEW / "0003_other.json"
    other.write_text(
        '{"machine_info": {"measured_utc": "2026-11-30 10:00 UTC"}, "benchm'
        if FOREIGN[kind] is None
        else json.dumps(FOREIGN[kind])
    )
    everything = f"{storage}/*/*"
    for arguments in (
        ["noise"],
        ["history"],
        ["variance"],
        ["report", everything],
        ["compare", everything, "--to", "0002"],
    ):
        assert command(*arguments) == 0, arguments
        said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: left out: ")]
        assert [f"{other} " in line for line in said] == [True] or (kind == "no run" and arguments[0] == "report")
    assert command("report") == 0
    assert "measured 2026-11-02 10:00 UTC" in Path("results/gpt2_benchmark_summary.md").read_text()
    capsys.readouterr()
    assert command("compare", "last:1", "--to", "0002") == 0
    assert str(other) in capsys.readouterr().err
    for arguments in (
        ["report", other],
        ["noise", "0003"],
        ["history", other, "0001"],
        ["compare", "last:1", "--to", other],
    ):
        assert command(*arguments) == 1, arguments
        assert capsys.readouterr().err.startswith(f"error: {other} ")


def test_a_side_of_which_nothing_is_left_is_an_error(storage, command, capsys):
    save(storage / NEW, 1, session(1.0))
    for number in (2, 3):
        (storage / NEW / f"000{number}_other.json").write_text('{"benchmarks": []}')
    for arguments in (["noise", f"{storage}/*/000[23]*"], ["compare", f"{storage}/*/000[23]*", "--to", "0001"]):
        assert command(*arguments) == 1
        assert capsys.readouterr().err.startswith("error: None of the 2 files chosen is a run that can be read: ")
    (storage / NEW / "0001_run.json").unlink()
    assert command("report") == 1
    assert capsys.readouterr().err.startswith("error: None of the 2 files chosen is a run that can be read: ")


def test_of_two_hundred_folders_those_that_are_needed_are_read(storage, monkeypatch):
    for number in range(200):
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)
        save(
            storage / f"machine-{(number * 7) % 200:03d}", 1, session(1 + number / 1e3), measured_utc=f"{moment:{FORM}}"
        )
    reads: dict[Path, int] = {}
    whole: list[Path] = []
    read_bytes = Path.read_bytes

    def counted(path: Path) -> bytes:
        reads[path] = reads.get(path, 0) + 1
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", counted)
    monkeypatch.setattr("analysis.runs.storage.read", lambda path: whole.append(path) or load(path))
    (given,) = storage.glob("machine-193/*.json")  # the last: 199 * 7 is 193 above 200 * 6
    given_run = load(given)
    reads.clear()
    found = Storage(storage, pytest.fail).last(5, besides=[given_run])
    assert [run.benchmarks[0]["extra_info"]["latency"]["median_ms"] for run in found] == [
        pytest.approx(1 + number / 1e3) for number in range(194, 199)
    ]
    assert len(whole) == 5
    assert len(reads) == 199
    assert sum(reads.values()) == 199 + 5
    reads.clear()
    assert len(Storage(storage, pytest.fail).runs([])) == 200
    assert set(reads.values()) == {1}


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_commands_work_in_another_storage(tmp_path, storage, command, capsys, form):
    elsewhere = tmp_path / "else where"
    place = form.format(elsewhere)
    for number in (1, 2):
        save(elsewhere / NEW, number, session(1 + number / 10), measured_utc=f"2026-11-0{number} 10:00 UTC")
    for arguments in (
        ["report", "--storage", place],
        ["--storage", place, "report"],
        ["--storage", "nowhere", "history", f"--storage={place}"],
        ["compare", "last:1", "--to", "0002", "--storage", place],
        ["compare", "--storage", place, "0001", "0002"],
        ["noise", "0001", "--storage", place],
        ["variance", "--storage", place],
    ):
        assert command(*arguments) == 0, arguments
    capsys.readouterr()
    assert command("report", "0009", "--storage", place) == 1
    assert f"`pytest-benchmark --storage={elsewhere} list`" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["elasticsearch+http://host/runs/run", "", "file://"])
def test_a_storage_that_is_no_folder_is_a_usage_error(storage, command, capsys, place):
    with pytest.raises(SystemExit) as stopped:
        command("report", "--storage", place)
    assert stopped.value.code == 2
    assert "expected a folder, as a path or after file://" in capsys.readouterr().err


def test_a_journal_is_recovered_into_another_storage(tmp_path, storage, command, capsys):
    elsewhere = tmp_path / "elsewhere"
    for place in (["recover", "--storage", f"file://{elsewhere}"], ["--storage", elsewhere, "recover"]):
        append(Path("results/journal") / f"20261123_101112-{GONE}.jsonl", line("fp32"))
        assert command(*place) == 0
    assert len(list(elsewhere.glob("*/000[12]_recovered_*.json"))) == 2
    assert not storage.exists()
    (tmp_path / "file").touch()
    append(Path("results/journal") / f"20261123_101112-{GONE}.jsonl", line("fp32"))
    assert command("recover", "--storage", "file") == 1
    assert "cannot be written (" in capsys.readouterr().err
