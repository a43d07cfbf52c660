"""Runs that the first edition saved: every command reads them as it reads a run of today."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from analysis.__main__ import main
from analysis.comparison.comparability import differences
from analysis.comparison.side_by_side import side_by_side
from analysis.report.plots import FORMATS, PLOTS, plots_of
from analysis.report.writer import PAGE_NAME
from analysis.runs.first_edition import RENAMED, adapted
from analysis.runs.saved import from_pytest_benchmark, load
from core.case import Case
from core.tasks import first_edition as first_edition_tasks
from tests.support.json_values import json_values
from tests.support.tiny import REPOSITORY

REFERENCE = sorted((REPOSITORY / "results" / "reference" / "first_edition").glob("*.json"))
NAMES = {f"{precision}-{execution}" for precision in ("fp32", "fp16", "mixed") for execution in ("eager", "graph")}


def first_edition(number: int) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(REFERENCE[number].read_text())
    return document


def of_today(document: dict[str, Any]) -> dict[str, Any]:
    """The same run, as it would be written today."""
    document = copy.deepcopy(document)
    for item in document["benchmarks"]:
        for old, new in RENAMED.items():
            item["extra_info"][new] = item["extra_info"].pop(old)
        case = Case(item["extra_info"]["precision"], item["extra_info"]["execution"])
        item["extra_info"] |= {"case": case.as_json(), "procedure": 1}
    return document


@pytest.mark.parametrize("path", REFERENCE, ids=lambda path: path.stem)
def test_a_reference_run_is_of_the_first_edition_and_loads_with_todays_keys(path):
    raw = json.loads(path.read_text())["benchmarks"]
    run = load(path)
    assert len(run.benchmarks) == 6
    for saved, read in zip(raw, run.benchmarks, strict=True):
        assert {"workload", "proof"} <= saved["extra_info"].keys()
        assert {"workload", "proof"}.isdisjoint(read["extra_info"])
        assert read["extra_info"]["provenance"] == saved["extra_info"]["workload"]
        assert read["extra_info"]["numerics"] == saved["extra_info"]["proof"]


def test_a_reference_run_and_the_same_run_written_today_load_alike(tmp_path):
    path = tmp_path / "today.json"
    path.write_text(json.dumps(of_today(first_edition(0))))
    assert load(path).benchmarks == load(REFERENCE[0]).benchmarks


@given(json_values)
def test_what_is_not_a_benchmark_is_returned_as_it_is(value):
    assert adapted(value) is value
    benchmark = {"extra_info": value}
    assert adapted(benchmark) is benchmark


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["analysis", *map(str, arguments)])
    return main()


def test_a_report_of_a_reference_run_has_every_file_and_knows_data_weights_and_dtypes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command(monkeypatch, "report", REFERENCE[0], "--tariff", "0.3") == 0
    drawn = [*PLOTS.values(), *plots_of(first_edition_tasks())]
    pictures = {f"{plot.name}.{form}" for plot in drawn for form in FORMATS if not plot.name.startswith("sweep")}
    tables = {"gpt2_quantization_benchmark_results.csv", "gpt2_benchmark_summary.md", PAGE_NAME}
    assert {path.name for path in Path("results").iterdir()} == tables | pictures
    summary = Path("results/gpt2_benchmark_summary.md").read_text()
    assert "STAND-IN" in summary
    assert "model gpt2 with seeded weights (124,439,808 parameters, weights sha256 4153529acd44…)" in summary
    assert "text wikitext-2 (1,940 rows, sha256 3973efc9ecdf…)\n- batch of 1 x 128 tokens" in summary
    page = Path("results/report.html").read_text()
    assert "torch.float32: 148" in page
    assert '<td class="short">casts</td>' in page
    assert "stand_in_weights" in page


def test_noise_history_and_comparison_of_the_reference_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command(monkeypatch, "noise", *REFERENCE) == 0
    printed = capsys.readouterr().out
    assert "# Noise floor over 5 run(s)" in printed
    assert all(name in printed for name in NAMES)
    assert command(monkeypatch, "history", *REFERENCE) == 0
    printed = capsys.readouterr().out
    assert printed.count("| yes") == len(REFERENCE)  # marked as stand-in
    assert command(monkeypatch, "compare", *REFERENCE[:3], "--to", *REFERENCE[3:], "--format", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["warnings"] == []
    assert {change["benchmark"] for change in document["changes"]} == NAMES


def test_a_run_of_the_first_edition_and_one_of_today_differ_in_no_condition(tmp_path, monkeypatch, capsys):
    path = tmp_path / "today.json"
    path.write_text(json.dumps(of_today(first_edition(1))))
    assert command(monkeypatch, "compare", REFERENCE[0], path, "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["warnings"] == []


def test_what_pytest_benchmark_hands_over_of_both_editions_is_shown_and_differs_in_no_condition():
    handed_over = [
        {**item, "source": source}
        for source, document in (("0001", first_edition(0)), ("0002", of_today(first_edition(1))))
        for item in document["benchmarks"]
    ]
    benchmarks = from_pytest_benchmark(handed_over)
    assert differences((item["source"], item["extra_info"]) for item in benchmarks) == []
    table = side_by_side(benchmarks)
    assert table is not None
    lines = [line for line in table.splitlines() if line.startswith("fp16-graph ")]
    assert [line.split()[1] for line in lines] == ["0001", "0002"]
    assert all(line.endswith("stand-in") for line in lines)


def test_a_condition_that_does_differ_between_the_editions_is_named(tmp_path):
    document = of_today(first_edition(1))
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


def test_a_session_compared_with_a_run_of_the_first_edition_warns_of_nothing_but_real_differences(run_suite, tmp_path):
    assert run_suite("--benchmark-save=first", "--precisions=fp32").ret == 0
    (path,) = (tmp_path / "saved").rglob("*.json")
    document = json.loads(path.read_text())
    for item in document["benchmarks"]:
        extra_info = item["extra_info"]
        extra_info.update({old: extra_info.pop(new) for old, new in RENAMED.items()})
        del extra_info["case"], extra_info["procedure"]
    path.write_text(json.dumps(document))
    options = ("--benchmark-compare", "--metric-fail=perplexity:0.1%", "--precisions=fp32")
    same = run_suite(*options)
    assert same.ret == pytest.ExitCode.TESTS_FAILED
    assert same.stdout.str().count(" differs: ") == 1
    same.stdout.fnmatch_lines_random(
        [
            "warning: the measuring procedure differs: 2 in this run; 1 in the run of *",
            "failed: fp32-eager-b1x16 perplexity: the runs were measured by different procedures; expected one. *",
        ]
    )
    for item in document["benchmarks"]:
        item["extra_info"]["workload"]["weights_sha256"] = "f" * 64
        item["extra_info"]["proof"]["attention_implementation"] = "\x1b[2J"
    path.write_text(json.dumps(document))
    other = run_suite(*options)
    other.stdout.fnmatch_lines(["warning: the digest of the weights differs: *; ffffffffffff* in the run of *"])
    assert "the attention implementation differs: sdpa in this run; \ufffd[2J in the run of " in other.stdout.str()


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
    result.stdout.fnmatch_lines(["warning: the run of * is not compared: * (nested in more than 32 levels); *"])
