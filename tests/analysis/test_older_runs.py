"""Saved runs of an earlier version: those that say less of themselves are read, those of procedure 1 are not."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from analysis.__main__ import main
from analysis.comparison.comparability import differences
from analysis.comparison.side_by_side import side_by_side
from analysis.report.plots import FORMATS, PLOTS, plots_of
from analysis.report.summary import RunSummary
from analysis.report.writer import PAGE_NAME
from analysis.runs.saved import from_pytest_benchmark, load
from core.errors import InputError
from core.metrics import CATALOGUE_KEY, ENERGY_AT_REFERENCE, REPEAT_COLUMNS
from core.metrics.known import PLACES
from core.tasks import TASKS_KEY, tasks_of
from reference.series import CLASSIFICATION, CPU_DEFAULT, GENERATION, H100_DEFAULT
from tests.support.reference_runs import run_paths
from tests.support.terminal_lines import whole_lines
from tests.support.tiny import REPOSITORY

#: They describe no task, and of no metric how its repeats differ.
REFERENCE = run_paths("h100_c846fd5f/energy_off")


#: The first line of the table that was written beside each run.
COLUMNS = REPOSITORY / "tests" / "data" / "columns"


def saved(number: int) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(REFERENCE[number].read_text())
    return document


NAMES = {item["name"].partition("[")[2].rstrip("]") for item in saved(0)["benchmarks"]}


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["analysis", *map(str, arguments)])
    return main()


def test_a_run_that_describes_no_task_and_no_repeats_is_read():
    machine = saved(0)["machine_info"]
    assert TASKS_KEY not in machine
    assert not any(entry.get("repeat") or entry.get("place") for entry in machine[CATALOGUE_KEY])
    run = load(REFERENCE[0])
    assert [words.headline for words in tasks_of(run.environment).values()] == ["perplexity"]
    assert {run.catalogue[name].repeat for name in ("median_latency_ms", "model_size_mb")} == {"latency", "same"}
    columns = [metric.column for metric in run.catalogue.metrics]
    assert sorted(columns) == sorted(one["column"] for one in machine[CATALOGUE_KEY])
    assert columns == sorted(columns, key=lambda column: PLACES.get(column, math.inf))


def test_a_report_of_it_has_every_file_and_knows_data_weights_and_dtypes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command(monkeypatch, "report", REFERENCE[0], "--tariff", "0.3") == 0
    written = {path.name for path in Path("results").iterdir()}
    assert {"gpt2_quantization_benchmark_results.csv", "gpt2_benchmark_summary.md", PAGE_NAME} <= written
    drawn = {f"{plot.name}.{form}" for plot in (*PLOTS.values(), *plots_of(tasks_of({}))) for form in FORMATS}
    assert {f"latency.{form}" for form in FORMATS} <= drawn & written
    extra_info = saved(0)["benchmarks"][0]["extra_info"]
    summary = Path("results/gpt2_benchmark_summary.md").read_text()
    assert "STAND-IN" in summary
    assert f"weights sha256 {extra_info['provenance']['weights_sha256'][:12]}…)" in summary
    page = Path("results/report.html").read_text()
    assert "torch.float32: 148" in page
    assert '<td class="short">casts</td>' in page


def test_noise_history_and_comparison_of_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("analysis.report.plots.rendered", lambda figure, form: b"<svg/>")
    assert command(monkeypatch, "noise", *REFERENCE[:3]) == 0
    assert "# Noise floor over 3 run(s)" in capsys.readouterr().out
    assert command(monkeypatch, "history", *REFERENCE) == 0
    assert capsys.readouterr().out.count("| yes") == len(REFERENCE)  # marked as stand-in
    assert command(monkeypatch, "compare", *REFERENCE[:1], "--to", *REFERENCE[1:], "--format", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["warnings"] == []
    assert document["changes"]


def test_a_condition_that_differs_is_named(tmp_path):
    document = saved(1)
    for item in document["benchmarks"]:
        item["extra_info"]["provenance"]["weights_sha256"] = "f" * 64
        item["extra_info"]["numerics"]["attention_implementation"] = "eager"
    path = tmp_path / "other.json"
    path.write_text(json.dumps(document))
    pairs = [(run.path.name, item["extra_info"]) for run in map(load, (REFERENCE[0], path)) for item in run.benchmarks]
    assert [line.partition(" differs")[0] for line in differences(pairs)] == [
        "the digest of the weights",
        "the attention implementation",
    ]


def test_what_pytest_benchmark_hands_over_is_shown():
    handed_over = [
        {**item, "source": source}
        for source, document in (("0001", saved(0)), ("0002", saved(1)))
        for item in document["benchmarks"]
    ]
    benchmarks = from_pytest_benchmark(handed_over)
    assert differences((item["source"], item["extra_info"]) for item in benchmarks) == []
    table = side_by_side(benchmarks)
    assert table is not None
    lines = [line for line in table.splitlines() if line.startswith("fp16-graph ")]
    assert [line.split()[1] for line in lines] == ["0001", "0002"]
    assert all(line.endswith("stand-in") for line in lines)


@pytest.fixture
def of_procedure_1(tmp_path: Path) -> Path:
    """A run as procedure 1 saved it, in the folder where pytest-benchmark looks for runs."""
    document = saved(0)
    for item in document["benchmarks"]:
        extra_info = item["extra_info"]
        extra_info.update(workload=extra_info.pop("provenance"), proof=extra_info.pop("numerics"))
        del extra_info["case"], extra_info["procedure"]
    del document["machine_info"][CATALOGUE_KEY]
    path = tmp_path / ".benchmarks" / "machine" / "0001_old.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(document))
    return path


def test_a_run_of_procedure_1_is_refused_in_one_sentence(of_procedure_1, monkeypatch, tmp_path, capsys):
    with pytest.raises(InputError, match=r"0001_old\.json was measured by procedure 1, by an earlier version .* read;"):
        load(of_procedure_1)
    monkeypatch.chdir(tmp_path)
    for arguments in (["report"], ["noise"], ["history"], ["variance"], ["compare", of_procedure_1, REFERENCE[0]]):
        assert command(monkeypatch, *arguments) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith("Measure again with `pytest benchmarks --benchmark-autosave`.")


def test_pytest_benchmark_compares_a_run_of_procedure_1_as_it_does_any_suites(of_procedure_1, tmp_path):
    storage = f"--storage={tmp_path / '.benchmarks'}"
    tool = [sys.executable, "-c", "from pytest_benchmark.cli import main; main()", storage, "compare", "0001"]
    done = subprocess.run(tool, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert "fp16-graph" in done.stdout


def test_a_session_is_not_compared_with_a_run_of_procedure_1(run_suite, tmp_path, of_procedure_1):
    assert run_suite("--benchmark-save=first", "--precisions=fp32").ret == 0
    (path,) = (tmp_path / "saved").rglob("*.json")  # in the folder in which this machine's runs are looked for
    of_procedure_1.rename(path)
    result = run_suite("--benchmark-compare", "--precisions=fp32")
    assert result.ret == 0
    whole_lines(result).fnmatch_lines(["warning: the run of * is not compared: * was measured by procedure 1, *"])


def test_a_saved_run_that_cannot_be_printed_is_named_and_left_out_of_the_comparison(run_suite, tmp_path):
    assert run_suite("--benchmark-save=first", "--precisions=fp32").ret == 0
    (path,) = (tmp_path / "saved").rglob("*.json")
    document = json.loads(path.read_text())
    deep: Any = 1
    for _ in range(40):
        deep = [deep]
    document["benchmarks"][0]["extra_info"]["quality"]["deep"] = deep
    path.write_text(json.dumps(document))
    result = run_suite("--benchmark-compare", "--precisions=fp32")
    assert result.ret == 0
    whole_lines(result).fnmatch_lines(["warning: the run of * is not compared: * (nested in more than 32 levels); *"])


def test_a_session_compared_with_another_warns_of_the_conditions_that_differ(run_suite, tmp_path):
    assert run_suite("--benchmark-save=first", "--precisions=fp32").ret == 0
    (path,) = (tmp_path / "saved").rglob("*.json")
    document = json.loads(path.read_text())
    for item in document["benchmarks"]:
        item["extra_info"]["procedure"] = 3
        item["extra_info"]["provenance"]["weights_sha256"] = "f" * 64
        item["extra_info"]["numerics"]["attention_implementation"] = "\x1b[2J"
    path.write_text(json.dumps(document))
    result = run_suite("--benchmark-compare", "--metric-fail=perplexity:0.1%", "--precisions=fp32")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert whole_lines(result).str().count(" differs: ") == 3
    whole_lines(result).fnmatch_lines_random(
        [
            "warning: the measuring procedure differs: 2 in this run; 3 in the run of *",
            "warning: the digest of the weights differs: *; ffffffffffff* in the run of *",
            "failed: fp32-eager-b1x16 perplexity: the runs were measured by different procedures; expected one. *",
        ]
    )
    assert (
        "the attention implementation differs: sdpa in this run; \ufffd[2J in the run of " in whole_lines(result).str()
    )


@pytest.mark.parametrize("series", [H100_DEFAULT, CLASSIFICATION, GENERATION, CPU_DEFAULT])
def test_its_table_has_the_columns_that_it_had_in_their_order(series):
    run, kept = load(run_paths(series)[0]), COLUMNS / f"{series.replace('/', '_')}.csv"
    frame = RunSummary(run.benchmarks, run.environment, {}).frame
    derived_since = [ENERGY_AT_REFERENCE.column, *REPEAT_COLUMNS["energy at reference"]]
    with kept.open() as file:
        assert list(frame.drop(columns=["case", *run.catalogue.empty_columns, *derived_since])) == next(
            csv.reader(file)
        )
