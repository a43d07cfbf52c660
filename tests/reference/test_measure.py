"""The script that measures the reference: what it keeps, where it goes on, and what it refuses."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path

import pytest

from core.errors import InputError
from reference import measure, runs
from reference.figures import other_tools

EVERY = {"torch": "2.11", "transformers": "5.17", "procedure": 2, "cpu": {"brand_raw": "a CPU"}}


@pytest.fixture
def sessions(monkeypatch, tmp_path):
    """Run the script with a pytest that saves a run without measuring; reports are not made."""
    asked: list[list[str]] = []

    def run(*arguments: str, code: int = 0, **machine: object) -> int:
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
        monkeypatch.setattr(measure, "report", lambda *_: 0)
        monkeypatch.setattr(measure.tempfile, "tempdir", str(tmp_path))
        monkeypatch.setattr("sys.argv", ["measure", "cpu", "default", f"--reference={tmp_path}/kept", *arguments])
        return measure.main()

    run.asked, run.folder = asked, tmp_path / "kept" / "cpu" / "default"
    return run


def test_a_series_goes_on_where_it_stopped(sessions):
    assert sessions("--sessions=1", "--energy=off") == 0
    assert sessions("--sessions=3") == 0
    assert [path.name for path in sorted(sessions.folder.glob("*.json"))] == ["0001.json", "0002.json", "0003.json"]
    assert len(sessions.asked) == 3
    assert "--energy=off" in sessions.asked[0]
    machine = json.loads((sessions.folder / "0001.json").read_text())["machine_info"]
    assert (sessions.folder / machine["rounds_file"]).read_bytes() == b"rounds"
    assert machine["command_seconds"] >= 0
    assert "noise_floor" not in machine


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


def test_a_figure_that_a_session_lacks_is_counted():
    assert runs.span([2.0, math.nan, 1.0], "{:.1f}", " ms") == "1.0 to 2.0 ms (1 of 3 missing)"
    assert runs.span([2.0, 1.0], "{:.1f}", " ms") == "1.0 to 2.0 ms"
    assert runs.span([math.nan], "{:.1f}", " ms") == "-"


def test_no_session_is_an_error(sessions):
    with pytest.raises(SystemExit):
        sessions("--sessions=0")


def test_what_other_tools_printed_is_read_by_line_and_unit(monkeypatch, tmp_path):
    (tmp_path / "other_tools").mkdir()
    lines = (
        "tool fp32 prefill 1: median 7.955 ms, GPU 1243.6 mJ, CPU 58.1 mJ, 18.8 s",
        "tool fp32 prefill 2: median 8.000 ms, GPU 1250.0 mJ, CPU 58.2 mJ, 18.9 s",
        "tool fp16: perplexity 43849.8, 3.0 s",
    )
    (tmp_path / "other_tools" / "a_tool.txt").write_text("\n".join(lines))
    monkeypatch.setattr(other_tools, "REFERENCE", tmp_path)
    assert other_tools.printed("a_tool") == {
        "tool fp32 prefill": {"ms": [7.955, 8.0], "mJ": [1243.6, 1250.0], "s": [18.8, 18.9]},
        "tool fp16": {"perplexity": [43849.8], "s": [3.0]},
    }


def test_a_percent_sign_stands_once_and_alone_where_both_ends_are_alike():
    assert runs.span([0.013, 0.065], "{:.1%}") == "1.3 to 6.5%"
    assert runs.span([0.0131, 0.0133], "{:.1%}") == "1.3%"
    assert runs.span([-0.02, 0.03], "{:+.0%}") == "-2 to +3%"


def test_an_empty_cell_and_a_paragraph_are_markdown():
    assert runs.grid(["", "a"], [["x", ""]]) == "| | a |\n| --- | --- |\n| x | |"
    first, second = runs.paragraph(f"{'x' * 137} ± 1%").splitlines()
    assert (len(first), second) == (137, "± 1%")


def test_a_benchmark_that_no_run_has_and_a_mean_with_a_gap_are_errors():
    with pytest.raises(InputError, match="cpu/default has no benchmark fp8-eager; expected one in every run"):
        runs.values("cpu/default", "fp8-eager", "median_latency_ms")
    with pytest.raises(InputError, match="cpu/default has no benchmark fp8-eager"):
        runs.details("cpu/default", "fp8-eager", "latency.median_ms")
    with pytest.raises(InputError, match="5 of 5 sessions lack a figure"):
        runs.mean("cpu/default", "fp32-eager", "energy_per_sample_mj")
