"""Tests that are run again: a rerun replaces the visit of its number, says so, and clears no proof that has failed."""

from __future__ import annotations

import sys

import pytest
from _pytest.runner import runtestprotocol

from analysis.__main__ import main
from analysis.report.reruns import rerun_sentences
from analysis.runs.journal import read
from benchmarks.measured_case import MeasuredCase
from core.case import Case
from fixtures.executions import EXECUTIONS
from fixtures.executions.compilation import CompilationError
from fixtures.executions.execution import Execution
from fixtures.precisions import PrecisionError
from fixtures.precisions.precision import Precision
from tests.support.saved_runs import benchmark, extra_info
from tests.support.timed_cases import case_in_progress

SUMMARY = "gpt2_benchmark_summary.md"


class Rerun:
    """Runs a test that failed once more, as pytest-rerunfailures does."""

    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for is_last in (False, True):
            item._initrequest()
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
            has_failed = any(report.failed for report in reports)
            for report in reports:
                if report.failed and not is_last:
                    report.outcome = "rerun"
                item.ihook.pytest_runtest_logreport(report=report)
            if not has_failed:
                break
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True


def fail_once(monkeypatch: pytest.MonkeyPatch, at: int, error: type[Exception] = PrecisionError) -> None:
    """Have the precision of mixed raise once, where it is verified for the `at`-th time: visits 1, 2, then closing."""
    calls, verify = [], Precision.verify

    def refuse(self: Precision, *arguments: object) -> None:
        if self.name == "mixed":
            calls.append(self)
            if len(calls) == at:
                raise error("it refuses once")
        verify(self, *arguments)

    monkeypatch.setattr(Precision, "verify", refuse)


class TeardownFailsOnce:
    """Has the teardown of one test fail, the first time."""

    def __init__(self, name: str) -> None:
        self._name, self._has_failed = name, False

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        if item.name == self._name and not self._has_failed:
            self._has_failed = True
            raise RuntimeError("the teardown fails once")


@pytest.mark.parametrize("visit", [1, 2])
def test_a_visit_that_failed_is_replaced_by_its_rerun_and_every_output_says_so(
    run_suite, saved_run, monkeypatch, tmp_path, visit
):
    fail_once(monkeypatch, at=visit, error=RuntimeError)
    assert run_suite("--benchmark-autosave", "--precisions=fp32,mixed", plugins=[Rerun()]).ret == 0
    assert [item["param"] for item in saved_run()["benchmarks"]] == ["fp32-eager-b1x16", "mixed-eager-b1x16"]
    info = extra_info(saved_run(), "mixed-eager-b1x16")
    replaced = [["failed: it refuses once"] if number == visit else [] for number in (1, 2)]
    assert [(one["number"], one["error"], one["replaced"]) for one in info["visits"]] == [
        (1, None, replaced[0]),
        (2, None, replaced[1]),
    ]
    assert info["incomplete"] is None
    assert all(one["replaced"] == [] for one in extra_info(saved_run(), "fp32-eager-b1x16")["visits"])
    sentence = (
        f"mixed-eager-b1x16: visit {visit} was run again and replaces what came before (failed: it refuses once)."
    )
    assert f"- {sentence}" in (tmp_path / "results" / SUMMARY).read_text()
    (path,) = (tmp_path / "saved").rglob("*.json")
    monkeypatch.setattr(sys, "argv", ["analysis", "report", str(path), "--results-dir", str(tmp_path / "again")])
    assert main() == 0
    assert f"- {sentence}" in (tmp_path / "again" / SUMMARY).read_text()
    assert sentence in (tmp_path / "again" / "report.html").read_text()


@pytest.mark.parametrize(("test", "visit"), [("test_forward[{}]", 1), ("test_visit[{}-v2]", 2)])
def test_a_visit_that_was_made_and_is_run_again_counts_once(run_suite, saved_run, tmp_path, test, visit):
    fails = TeardownFailsOnce(test.format("fp32-eager-b1x16"))
    assert run_suite("--benchmark-autosave", "--precisions=fp32", plugins=[Rerun(), fails]).ret == 0
    (item,) = saved_run()["benchmarks"]
    visits = item["extra_info"]["visits"]
    assert [(one["number"], one["replaced"]) for one in visits] == [
        (number, ["made"] if number == visit else []) for number in (1, 2)
    ]
    assert item["stats"]["rounds"] == item["extra_info"]["latency"]["rounds"] == 8
    summary = (tmp_path / "results" / SUMMARY).read_text()
    assert f"visit {visit} was run again and replaces what came before (made)" in summary


def test_a_first_visit_that_fails_when_it_is_run_again_leaves_its_case_out(run_suite, saved_run, monkeypatch, tmp_path):
    monkeypatch.setattr("pathlib.Path.unlink", lambda *_, **__: None)  # the journal stays
    fail_once(monkeypatch, at=2, error=RuntimeError)  # at=1: the first attempt, whose teardown fails
    fails = TeardownFailsOnce("test_forward[mixed-eager-b1x16]")
    result = run_suite("--benchmark-autosave", "--precisions=fp32,mixed", plugins=[Rerun(), fails])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert [item["param"] for item in saved_run()["benchmarks"]] == ["fp32-eager-b1x16"]
    assert saved_run()["machine_info"]["missing_cases"] == {
        "mixed-eager-b1x16": "failed: RuntimeError: it refuses once"
    }
    (journal,) = (tmp_path / "results" / "journal").glob("*.jsonl")
    withdrawn = [document["withdrawn"] for document in read(journal) if "withdrawn" in document]
    assert [name.rpartition("::")[2] for name in withdrawn] == ["test_forward[mixed-eager-b1x16]"]


def test_a_visit_that_fails_when_it_is_run_again_leaves_the_figures_of_the_others(run_suite, saved_run, monkeypatch):
    fail_once(monkeypatch, at=3, error=RuntimeError)  # at=1 and 2: both visits, of which the second's teardown fails
    fails = TeardownFailsOnce("test_visit[mixed-eager-b1x16-v2]")
    result = run_suite("--benchmark-autosave", "--precisions=mixed", "-x", plugins=[Rerun(), fails])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (item,) = saved_run()["benchmarks"]
    assert [(one["error"], one["replaced"]) for one in item["extra_info"]["visits"]] == [
        (None, []),
        ("it refuses once", ["made"]),
    ]
    assert item["stats"]["rounds"] == item["extra_info"]["latency"]["rounds"] == 4
    assert item["extra_info"]["incomplete"].startswith("1 of 2 visits were made; ")


@pytest.mark.parametrize(("at", "kept"), [(1, ["fp32"]), (2, ["fp32", "mixed"]), (3, ["fp32"])])
def test_a_proof_that_has_failed_is_not_cleared_when_its_test_is_run_again(run_suite, saved_run, monkeypatch, at, kept):
    fail_once(monkeypatch, at=at)  # in visit 1, in visit 2, after the visits
    result = run_suite("--benchmark-autosave", "--precisions=fp32,mixed", plugins=[Rerun()])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*mixed-eager-b1x16 was refused in this session (it refuses once); run the session *"])
    assert [item["param"] for item in saved_run()["benchmarks"]] == [f"{name}-eager-b1x16" for name in kept]
    if "mixed" in kept:
        info = extra_info(saved_run(), "mixed-eager-b1x16")
        assert [(one["number"], one["error"]) for one in info["visits"]] == [(1, None), (2, "it refuses once")]
        assert info["incomplete"].startswith("1 of 2 visits were made; visit 2 failed: ")


def test_a_precision_that_was_refused_as_it_was_loaded_is_not_loaded_again(run_suite, saved_run, monkeypatch):
    loads, load = [], MeasuredCase.load

    def refuse_once(case):
        if case.case.precision == "mixed":
            loads.append(case)
            if len(loads) == 1:
                raise PrecisionError("it quantized nothing")
        load(case)

    monkeypatch.setattr(MeasuredCase, "load", refuse_once)
    result = run_suite("--benchmark-autosave", "--precisions=fp32,mixed", plugins=[Rerun()])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert len(loads) == 1
    assert [item["param"] for item in saved_run()["benchmarks"]] == ["fp32-eager-b1x16"]
    (reason,) = saved_run()["machine_info"]["missing_cases"].values()
    assert (
        reason == "failed: mixed-eager-b1x16 was refused in this session (it quantized nothing); run the session again."
    )


def test_a_compilation_that_has_failed_is_not_tried_again(monkeypatch):
    calls = []

    def fails_once(*_: object) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise CompilationError("it does not compile")

    compiled = next(name for name, one in EXECUTIONS.items() if one.compiles and one.candidates is None)
    case = case_in_progress(case=Case("fp32", compiled))
    monkeypatch.setattr(Execution, "step", fails_once)
    monkeypatch.setattr(type(case), "model", None)
    monkeypatch.setattr(type(case), "data", None)
    case.data = type("Data", (), {"examples": []})
    for _ in range(2):
        with pytest.raises(CompilationError, match="it does not compile"):
            case.compile()
    assert len(calls) == 1


@pytest.mark.parametrize("replaced", [None, [], "failed", {"failed": 1}, 7])
def test_visits_that_say_of_no_rerun_have_no_sentence(replaced):
    item = benchmark("fp32", 1.0, visits=[{"number": 1, "replaced": replaced}, 7, {"number": 2}])
    assert rerun_sentences([item, benchmark("fp16", 1.0)]) == []
