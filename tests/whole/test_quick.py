"""A quick session: said to be one in every output, and no part of a noise floor or of what is compared with."""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys

import pytest

from analysis.__main__ import main
from analysis.report.page import page
from analysis.report.summary import RunSummary
from analysis.runs.quick import QUICK_NOTICE
from analysis.runs.saved import load
from analysis.uncertainty.noise_floor import series_of
from core.errors import InputError
from fixtures.options import QUICK_EXTENT, USUAL_EXTENT, settings_of
from tests.support.saved_runs import in_visits, measured, save
from tests.support.terminal_lines import whole_lines
from tests.support.tiny import REPOSITORY


def test_a_quick_session_says_so_everywhere(run_suite, saved_run, tmp_path):
    result = run_suite("--quick", "--benchmark-autosave", "--precisions=fp32,fp16")
    lines = whole_lines(result).lines
    assert sum(QUICK_NOTICE in line for line in lines) == 2  # in the header and above the table
    assert [line for line in lines if line.startswith("1 = quick: ")]
    saved = saved_run()
    assert saved["machine_info"]["quick"] is True
    assert all(item["extra_info"]["quick"] is True for item in saved["benchmarks"])
    results = tmp_path / "results"
    with (results / "gpt2_quantization_benchmark_results.csv").open() as file:
        assert [row["quick"] for row in csv.DictReader(file)] == ["True", "True"]
    assert f"> **{QUICK_NOTICE}**" in (results / "gpt2_benchmark_summary.md").read_text()
    assert QUICK_NOTICE in (results / "report.html").read_text()


def test_another_session_is_not_called_quick(run_suite, saved_run, tmp_path):
    result = run_suite("--benchmark-autosave", "--precisions=fp32")
    assert "QUICK" not in result.stdout.str()
    assert saved_run()["machine_info"]["quick"] is False
    assert "QUICK" not in (tmp_path / "results" / "report.html").read_text()


def options(**given: object) -> argparse.Namespace:
    values = {"quick": False, "visits": None, "rounds": None, "quality_samples": None, "precisions": ("auto",)}
    usual = {
        **{"tasks": ("language_modeling",), "dataset_dirs": (), "models": (), "tokenizers": (), "device": "cpu"},
        **{"executions": None, "workloads": ("forward",), "batch_sizes": (1,), "sequence_lengths": None},
        **{"warmup_rounds": None, "allow_emulated": False, "stand_in": "auto", "quality_protocol": "padded"},
        **{"quality_context": 1024, "quality_stride": 512, "quality_text": None, "energy": "auto"},
        **{"results_dir": None, "order_seed": 1},
    }
    return argparse.Namespace(**usual | values | given)


def test_what_is_named_beside_quick_is_measured_all_the_same(monkeypatch):
    monkeypatch.setattr("fixtures.options.precision_names", lambda name, device: ("fp32", "bf16", "int8"))
    quick, usual = settings_of(options(quick=True)), settings_of(options())
    assert {name: getattr(quick, name) for name in QUICK_EXTENT} == QUICK_EXTENT
    assert {name: getattr(usual, name) for name in USUAL_EXTENT} == {"visits": 5, "rounds": 100}
    assert (quick.precisions, usual.precisions) == (("fp32", "bf16"), ("fp32", "bf16", "int8"))
    named = settings_of(options(quick=True, visits=3, rounds=30, quality_samples="all", precisions=("all",)))
    assert (named.visits, named.rounds, named.quality_samples) == (3, 30, "all")
    assert named.precisions == ("fp32", "bf16", "int8")


def session(median_ms: float, *, quick: bool = False) -> dict:
    made = in_visits(measured("fp16", "graph", median_ms), 0.01)
    made["extra_info"]["quick"] = quick
    return made


@pytest.fixture
def storage(tmp_path, monkeypatch):
    """Three sessions in a storage, the last of which was a quick one."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ".benchmarks" / "machine"
    for number in (1, 2, 3):
        is_quick = number == 3
        benchmark = session(1 + number / 10, quick=is_quick)
        save(folder, number, benchmark, measured_utc=f"2026-11-0{number} 10:00 UTC", quick=is_quick)
    return folder


def command(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["analysis", *arguments])
    return main()


@pytest.mark.parametrize("name", ["noise", "variance", "history"])
def test_a_quick_session_is_left_out_and_refused_where_it_is_named(storage, monkeypatch, capsys, name):
    assert command(monkeypatch, name) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: left out: ")]
    assert len(said) == 1
    assert "0003_run.json is of a quick session (--quick); expected a whole one" in said[0]
    assert command(monkeypatch, name, "0003") == 1
    assert "is of a quick session" in capsys.readouterr().err


def test_a_quick_session_is_none_of_the_last(storage, monkeypatch, capsys):
    save(storage, 4, session(1.4), measured_utc="2026-11-04 10:00 UTC")
    assert command(monkeypatch, "compare", "last:2", "--to", "0004") == 0
    printed = capsys.readouterr().out
    assert "0003" not in printed
    quick = session(1.5, quick=True)
    save(storage, 5, quick, measured_utc="2026-11-05 10:00 UTC", quick=True)
    assert command(monkeypatch, "compare", "0003", "--to", "0005") == 0  # named, they are compared with each other
    assert command(monkeypatch, "compare", "last:5", "--to", "0005") == 4  # and a quick one has no history


def test_a_quick_session_compared_with_a_whole_one_is_warned_of(storage, monkeypatch, capsys):
    assert command(monkeypatch, "compare", "0001", "--to", "0003") == 0
    assert "whether the session was a quick one differs: False in" in capsys.readouterr().out


def test_no_noise_floor_is_made_of_a_quick_session(storage):
    runs = [load(path) for path in sorted(storage.glob("*.json"))]
    with pytest.raises(InputError, match=r"0003_run.json is of a quick session \(--quick\)"):
        series_of(runs)


def test_repeats_of_quick_sessions_are_refused_before_measuring():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--repeats", "3", "--quick"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "--quick makes no noise floor" in done.stderr


def test_a_page_of_a_quick_run_says_so_from_the_saved_run_alone(storage):
    run = load(storage / "0003_run.json")
    text = page(RunSummary(run.benchmarks, run.environment, {}), {})
    assert QUICK_NOTICE in text
