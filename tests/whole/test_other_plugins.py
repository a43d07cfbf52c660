"""Plugins of others that repeat, reorder, distribute or replace tests: a case has one entry, or there is a sentence."""

from __future__ import annotations

import random
import re

import pytest

from benchmarks.plugins.other_plugins import OtherPlugins
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


def test_repeated_tests_are_refused_with_what_measures_more_often(run_suite):
    result = run_suite("--precisions=fp32", plugins=[Repeated()])
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*fp32-eager-b1x16 was collected 2 times; expected each case once. Leave out what*"])
    result.stdout.no_fnmatch_line("dataset: *")  # nothing was prepared


def test_another_order_of_tests_is_not_that_of_the_visits(run_suite, saved_run):
    assert run_suite("--benchmark-autosave", "--order-seed=3", "--precisions=fp32,fp16,mixed").ret == 0
    expected = [extra_info(saved_run(), f"{name}-eager-b1x16")["visits"] for name in ("fp32", "fp16", "mixed")]
    assert run_suite("--benchmark-json=again.json", "--order-seed=3", plugins=[Reordered()]).ret == 0
    found = [extra_info(saved_run(), f"{name}-eager-b1x16")["visits"] for name in ("fp32", "fp16", "mixed")]
    positions = [[[visit["position"] for visit in case] for case in run] for run in (expected, found)]
    assert positions[0] == positions[1]


def test_a_precision_of_rounds_that_are_taken_for_independent_is_answered(run_suite):
    result = run_suite("--precisions=fp32", "--benchmark-precision=0.02")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["note: --benchmark-precision and --benchmark-confidence have no effect here: *"])


class ReplacesPytestBenchmark:
    """Switches pytest-benchmark off, as pytest-codspeed does."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.option.benchmark_disable = True
        config.pluginmanager.set_blocked("pytest-benchmark")


def test_a_plugin_that_replaces_pytest_benchmark_is_refused_before_anything_is_collected(run_suite):
    result = run_suite("--precisions=fp32", plugins=[ReplacesPytestBenchmark()])
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: pytest-benchmark, which holds what is measured here, is switched off by *"])
    assert "collected" not in result.stdout.str()


def test_another_timer_is_answered_and_not_recorded(run_suite, saved_run):
    result = run_suite("--precisions=fp32", "--benchmark-autosave", "--benchmark-timer=time.process_time")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["note: --benchmark-timer time.process_time has no effect here: rounds are timed by time.perf_counter"]
    )
    assert [item["options"]["timer"] for item in saved_run()["benchmarks"]] == ["perf_counter"]
    own = run_suite("--precisions=fp32", "--benchmark-timer=timeit.default_timer", "--benchmark-skip")
    assert "has no effect" not in own.stdout.str()


VISIT = "benchmarks/test_forward.py::test_visit[fp32-eager-v2]"
OTHERS = ["benchmarks/test_integrity.py::test_integrity[files_exist]", "tests/test_forward_again.py::test_visit[1]"]


def test_no_visit_is_measured_in_a_worker_and_other_tests_go_on(pytestconfig, monkeypatch):
    answer = OtherPlugins(pytestconfig).pytest_xdist_node_collection_finished
    answer(OTHERS)
    sentence = f"runs tests in several processes, and 1 of them measure, such as {VISIT}; expected one process."
    with pytest.raises(pytest.exit.Exception, match=re.escape(sentence)) as ended:
        answer([*OTHERS, VISIT])
    assert ended.value.returncode == pytest.ExitCode.USAGE_ERROR
    monkeypatch.setattr(pytestconfig.option, "benchmark_disable", True)
    answer([VISIT, *OTHERS])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "code"), [(("-n1",), 4), (("-n2", "-m", "integrity"), 0), (("-n2", "--benchmark-disable"), 0)]
)
def test_a_session_in_several_processes_measures_nothing(run_suite, saved_run, tmp_path, options, code):
    pytest.importorskip("xdist")
    result = run_suite("-pxdist", "--benchmark-autosave", "--precisions=fp32,fp16", *options, in_process=False)
    assert result.ret == code
    assert ("pytest-xdist (-n) runs tests in several processes" in result.stdout.str()) is (code == 4)
    assert not list(tmp_path.rglob("saved/*/*.json"))
