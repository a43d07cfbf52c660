"""Plugins of others that repeat, rerun and reorder tests: a case has one entry, or there is a sentence."""

from __future__ import annotations

import random

import pytest
from _pytest.runner import runtestprotocol

from fixtures.precisions import PrecisionError
from fixtures.precisions.precision import Precision
from tests.support.saved_runs import extra_info


class Repeated:
    """Has each test collected twice, as pytest-repeat does."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        metafunc.fixturenames.append("step")
        metafunc.parametrize("step", range(2))


class Reordered:
    """Shuffles the tests and sets Python's random numbers to one beginning before each, as pytest-randomly does."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        random.Random(1).shuffle(items)

    def pytest_runtest_setup(self) -> None:
        random.seed(1)


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


def fail_once(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Have the precision of mixed refuse once, where it is verified for the `at`-th time: visits 1, 2, then closing."""
    calls, verify = [], Precision.verify

    def refuse(self: Precision, *arguments: object) -> None:
        if self.name == "mixed":
            calls.append(self)
            if len(calls) == at:
                raise PrecisionError("it refuses once")
        verify(self, *arguments)

    monkeypatch.setattr(Precision, "verify", refuse)


def test_repeated_tests_are_refused_with_what_measures_more_often(run_suite):
    result = run_suite("--precisions=fp32", plugins=[Repeated()])
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*fp32-eager-b1x16 was collected 2 times; expected each case once. Leave out what*"])


def test_another_order_of_tests_is_not_that_of_the_visits(run_suite, saved_run):
    assert run_suite("--benchmark-autosave", "--order-seed=3", "--precisions=fp32,fp16,mixed").ret == 0
    expected = [extra_info(saved_run(), f"{name}-eager-b1x16")["visits"] for name in ("fp32", "fp16", "mixed")]
    assert run_suite("--benchmark-json=again.json", "--order-seed=3", plugins=[Reordered()]).ret == 0
    found = [extra_info(saved_run(), f"{name}-eager-b1x16")["visits"] for name in ("fp32", "fp16", "mixed")]
    positions = [[[visit["position"] for visit in case] for case in run] for run in (expected, found)]
    assert positions[0] == positions[1]


@pytest.mark.parametrize("visit", [1, 2])
def test_a_visit_that_is_run_again_leaves_one_entry_with_both(run_suite, saved_run, monkeypatch, visit):
    fail_once(monkeypatch, at=visit)
    assert run_suite("--benchmark-autosave", plugins=[Rerun()]).ret == 0
    assert [item["param"] for item in saved_run()["benchmarks"]] == [
        f"{name}-eager-b1x16" for name in ("fp32", "fp16", "mixed")
    ]
    visits = extra_info(saved_run(), "mixed-eager-b1x16")["visits"]
    assert [(one["number"], one["error"]) for one in visits if one["error"]] == [(visit, "it refuses once")]
    assert [one["number"] for one in visits if not one["error"]] == [1, 2]


def test_a_case_that_was_refused_stays_refused_when_it_is_run_again(run_suite, saved_run, monkeypatch):
    fail_once(monkeypatch, at=3)
    result = run_suite("--benchmark-autosave", plugins=[Rerun()])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*mixed-eager-b1x16 was refused in this session; run the session again."])
    assert [item["param"] for item in saved_run()["benchmarks"]] == ["fp32-eager-b1x16", "fp16-eager-b1x16"]


def test_a_precision_of_rounds_that_are_taken_for_independent_is_answered(run_suite):
    result = run_suite("--precisions=fp32", "--benchmark-precision=0.02")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["note: --benchmark-precision and --benchmark-confidence have no effect here: *"])
