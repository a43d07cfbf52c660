"""The folder of results holds the files of one run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.report.summary import RunSummary
from analysis.report.writer import write_report
from core.tasks import TASKS_KEY, UNDESCRIBED_TASK, as_json
from tests.support.described import described
from tests.support.saved_runs import save, whole_run

#: Of other runs and other commands, or not of the suite.
OTHERS = ("history.svg", "history.png", "notes.md", "gpt2_notes.csv")


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A folder of results with what no run's report replaces."""
    monkeypatch.setattr("analysis.report.plots.rendered", lambda figure, form: b"<svg/>")
    for name in OTHERS:
        (tmp_path / name).touch()
    for name in ("reference", "noise_floors", "journal", "rounds", "runs", "per_sequence", "per_target"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    return tmp_path


def files(folder) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def of_another_task() -> RunSummary:
    """The same figures as those of another model, and fewer pictures."""
    run = whole_run()
    words = replace(UNDESCRIBED_TASK, model="RoBERTa", files="roberta", headline="kl_vs_fp32_nats")
    for item in run.benchmarks:
        item["extra_info"]["energy"] = {"energy_per_sample_mj": None, "reason": "no meter"}
    return RunSummary(run.benchmarks, described({TASKS_KEY: as_json({"language_modeling": words})}), {})


def test_a_report_takes_the_place_of_the_one_before_whatever_that_measured(results):
    before = files(results)
    write_report(results, whole_run())
    first = files(results) - before
    assert {"gpt2_quantization_benchmark_results.csv", "perplexity.png", "energy.svg", "report.html"} < first
    paths = write_report(results, of_another_task())
    assert [path.name for path in paths] == [
        "roberta_quantization_benchmark_results.csv",
        "roberta_benchmark_summary.md",
        "report.html",
    ]
    second = files(results) - before
    assert {"kl_vs_fp32_nats.png", "latency.svg"} < second
    assert not {name for name in second if name.startswith(("gpt2", "perplexity", "energy"))}
    assert before <= files(results)
    write_report(results, whole_run())
    assert files(results) - before == first


def test_ctrl_c_while_a_picture_is_drawn_leaves_the_report_of_before_whole(results, monkeypatch):
    write_report(results, whole_run())
    before = {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    drawn = []

    def interrupted(figure, form):
        drawn.append(form)
        if len(drawn) == 5:
            raise KeyboardInterrupt
        return b"<svg>new</svg>"

    monkeypatch.setattr("analysis.report.plots.rendered", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_report(results, of_another_task())
    assert {path: path.read_bytes() for path in results.rglob("*") if path.is_file()} == before


def test_ctrl_c_ends_a_command_with_one_sentence(storage, command, monkeypatch, capsys):
    def interrupted(figure, form):
        raise KeyboardInterrupt

    save(storage / "x", 1, *whole_run().benchmarks)
    monkeypatch.setattr("analysis.report.plots.rendered", interrupted)
    assert command("report") == 130
    assert capsys.readouterr().err == "interrupted: files that were not finished are those of before.\n"
    assert not list((storage.parent / "results").iterdir())
