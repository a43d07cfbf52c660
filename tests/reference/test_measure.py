"""The command that measures the reference: what it keeps, where it goes on, and what it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from reference import measure
from reference.archives.reading import files

EVERY = {"torch": "2.11", "transformers": "5.17", "procedure": 2, "cpu": {"brand_raw": "a CPU"}}


@pytest.fixture
def sessions(monkeypatch, tmp_path):
    """Run the command with a pytest that saves a run without measuring."""
    asked: list[list[str]] = []
    folders = (f"--runs={tmp_path}/runs", f"--reference={tmp_path}/archives")

    def run(*arguments: str, series: str = "default", code: int = 0, **machine: object) -> int:
        def saving(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
            asked.append(command)
            places = dict(option.removeprefix("--").split("=", 1) for option in command if "storage=" in option)
            folder = Path(places["benchmark-storage"]) / "Linux"
            folder.mkdir(parents=True)
            rounds = folder.parents[1] / "rounds.npz"
            rounds.write_bytes(b"rounds")
            environment = EVERY | {"rounds_file": str(rounds), "noise_floor": {}} | machine
            saved = {"machine_info": environment, "benchmarks": [{"name": "test_forward[fp32-eager]"}]}
            (folder / "0001_x.json").write_text(json.dumps(saved))
            return subprocess.CompletedProcess(command, code)

        monkeypatch.setattr(measure.subprocess, "run", saving)
        monkeypatch.setattr(measure.tempfile, "tempdir", str(tmp_path))
        monkeypatch.setattr("sys.argv", ["measure", "cpu_x", series, *folders, *arguments])
        return measure.main()

    run.asked, run.folder, run.archives = asked, tmp_path / "runs" / "cpu_x" / "default", tmp_path / "archives"
    return run


def test_a_series_goes_on_where_it_stopped(sessions):
    assert sessions("--sessions=1", "--energy=off") == 0
    assert sessions("--sessions=3") == 0
    rounds = [f"rounds/{number:04d}.npz" for number in (1, 2, 3)]
    assert [path.name for path in sorted(sessions.folder.glob("*.json"))] == ["0001.json", "0002.json", "0003.json"]
    assert len(sessions.asked) == 3
    assert "--energy=off" in sessions.asked[0]
    machine = json.loads((sessions.folder / "0001.json").read_text())["machine_info"]
    assert (sessions.folder / machine["rounds_file"]).read_bytes() == b"rounds"
    assert machine["command_seconds"] >= 0
    assert "noise_floor" not in machine
    kept = files("cpu_x", sessions.archives)
    assert sorted(kept) == [f"default/{place}" for place in ("0001.json", "0002.json", "0003.json", *rounds)]
    assert json.loads(kept["default/0001.json"])["machine_info"] == machine


def test_sessions_in_the_archive_count_where_the_folder_of_runs_is_gone(sessions):
    assert sessions("--sessions=2") == 0
    shutil.rmtree(sessions.folder.parent)
    assert sessions("--sessions=3") == 0
    assert len(sessions.asked) == 3
    assert len([name for name in files("cpu_x", sessions.archives) if name.endswith(".json")]) == 3


def test_a_session_of_another_device_is_not_kept_in_another_series_of_the_host(sessions, capsys):
    assert sessions("--sessions=1") == 0
    assert sessions("--sessions=1", series="generation", cpu={"brand_raw": "another CPU"}) == 1
    assert "of {'device': 'another CPU'}; expected {'device': 'a CPU'}" in capsys.readouterr().out
    assert sessions("--sessions=1", series="generation") == 0
    assert {"default/0001.json", "generation/0001.json"} <= files("cpu_x", sessions.archives).keys()


def test_a_session_of_another_machine_is_not_kept_in_a_series(sessions, capsys):
    assert sessions("--sessions=1") == 0
    assert sessions("--sessions=2", cpu={"brand_raw": "another CPU"}) == 1
    assert "error: the session is of {'device': 'another CPU'" in capsys.readouterr().out
    assert len(list(sessions.folder.glob("*.json"))) == 1


def test_a_failed_session_stays_where_it_was_made(sessions, capsys):
    assert sessions("--sessions=2", code=1) == 1
    assert len(sessions.asked) == 1
    said = capsys.readouterr().out
    assert "error: pytest ended with 1 and saved 1 run(s), expected 0 and one; see " in said
    assert list(Path(said.split("see ")[1].strip().removesuffix(".")).glob("saved/*/*.json"))
    assert not sessions.folder.exists()


def test_rounds_that_could_not_be_saved_lose_no_session(sessions):
    assert sessions("--sessions=1", rounds_file=None) == 0
    assert json.loads((sessions.folder / "0001.json").read_text())["machine_info"]["rounds_file"] is None


def test_no_session_is_an_error(sessions):
    with pytest.raises(SystemExit):
        sessions("--sessions=0")
