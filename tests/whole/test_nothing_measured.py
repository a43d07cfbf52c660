"""Sessions that measure no case, or not all: which of them fail, what they leave, and where they say why."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import pytest

from analysis.__main__ import main
from analysis.report.missing_cases import missing_cases
from analysis.runs.journal import read
from benchmarks import session
from fixtures.precisions import PrecisionError
from fixtures.precisions.precision import Precision
from tests.support.terminal_lines import whole_lines

SUMMARY = "gpt2_benchmark_summary.md"


@pytest.fixture
def visits_fail(monkeypatch) -> Callable[..., None]:
    """Have the visits of a precision fail, of one number or of any."""
    plain = session.made_visit

    def install(precision: str, number: int | None = None) -> None:
        def visit(case, instruments, visited, *more):
            if case.case.precision == precision and number in (None, visited):
                raise RuntimeError("the sky fell")
            return plain(case, instruments, visited, *more)

        monkeypatch.setattr(session, "made_visit", visit)

    return install


@pytest.mark.parametrize("selected", ["test_visit", "test_after_visits", "fp32-eager-b1x16-v2"])
def test_visits_without_their_first_measure_nothing_and_the_session_fails(run_suite, selected):
    result = run_suite("--precisions=fp32", "-k", selected)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    whole_lines(result).fnmatch_lines(
        [
            "error: no benchmark was measured. Of fp32-eager-b1x16 the first visit was not selected, which the others "
            "are added to; select whole cases, such as with -k fp32-eager-b1x16, and leave --lf out."
        ]
    )


def test_a_visit_that_failed_is_not_measured_alone_by_a_session_of_the_last_failed(run_suite, visits_fail, tmp_path):
    options = ("--precisions=fp32", "-pcacheprovider", f"-ocache_dir={tmp_path / 'cache'}")
    visits_fail("fp32", number=2)
    assert run_suite(*options).ret == pytest.ExitCode.TESTS_FAILED
    visits_fail("none")
    result = run_suite(*options, "--lf")
    result.assert_outcomes(skipped=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    whole_lines(result).fnmatch_lines(
        ["error: no benchmark was measured*. Of fp32-eager-b1x16 the first visit was not *"]
    )


@pytest.mark.parametrize(
    "options",
    [("-m", "integrity"), ("--benchmark-disable",), ("--benchmark-skip",), ("--collect-only",), ("--list",)],
)
def test_a_session_that_is_to_measure_nothing_ends_well(run_suite, tmp_path, options):
    result = run_suite("--benchmark-autosave", "--precisions=fp32", *options)
    assert result.ret == 0
    assert "no benchmark was measured" not in result.stdout.str()
    assert not list(tmp_path.rglob("saved/*/*.json"))


def test_where_benchmarks_are_disabled_each_case_runs_once_and_nothing_else_of_it(run_suite, monkeypatch):
    placed = []
    monkeypatch.setattr("benchmarks.loop.ForwardLoop.place_next", lambda loop: placed.append(loop))
    monkeypatch.setattr("benchmarks.loop.ForwardLoop.forward_and_wait", lambda loop: placed.append(loop))
    monkeypatch.setattr("benchmarks.loop.ForwardLoop.run_on", lambda loop, batch: loop.forward(batch))
    run_suite("--precisions=fp32,fp16", "--benchmark-disable", "-k", "not integrity").assert_outcomes(
        passed=2, deselected=22
    )
    assert len(placed) == 4


def test_a_session_whose_benchmarks_are_disabled_fails_where_a_forward_does(run_suite, monkeypatch):
    def fail(*_):
        raise RuntimeError("the sky fell")

    monkeypatch.setattr("benchmarks.loop.ForwardLoop.place_next", fail)
    result = run_suite("--precisions=fp32", "--benchmark-disable")
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_run_without_a_benchmark_is_not_saved(run_suite, monkeypatch, tmp_path):
    verify, calls = Precision.verify, []

    def refuse(self, *arguments):
        calls.append(self)
        if len(calls) == 3:  # after the visits
            raise PrecisionError("it is something else")
        verify(self, *arguments)

    monkeypatch.setattr(Precision, "verify", refuse)
    result = run_suite("--precisions=fp32", "--benchmark-autosave", f"--benchmark-json={tmp_path / 'run.json'}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["error: no benchmark was measured."])
    assert not (tmp_path / "run.json").exists()
    assert not list(tmp_path.rglob("saved/*/*.json"))
    assert "Name (time in" not in result.stdout.str()  # what was refused is in no table


def test_why_cases_were_not_measured_is_saved_and_reported_again(
    run_suite, saved_run, visits_fail, monkeypatch, tmp_path
):
    monkeypatch.setattr("fixtures.device.requirements.cpu_flags", lambda: frozenset({"avx512_bf16"}))
    visits_fail("bf16")
    result = run_suite("--benchmark-autosave", "--precisions=fp32,fp16,bf16", emulated=False)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    reasons = saved_run()["machine_info"]["missing_cases"]
    assert list(reasons) == ["fp16-eager-b1x16", "bf16-eager-b1x16"]
    assert reasons["fp16-eager-b1x16"].startswith("was not run: fp16 is not native here: this CPU has none of ")
    assert reasons["bf16-eager-b1x16"] == "failed: RuntimeError: the sky fell"
    (path,) = (tmp_path / "saved").rglob("*.json")
    monkeypatch.setattr(sys, "argv", ["analysis", "report", str(path), "--results-dir", str(tmp_path / "again")])
    assert main() == 0
    for folder in ("results", "again"):
        summary, page = ((tmp_path / folder / name).read_text() for name in (SUMMARY, "report.html"))
        for text in (summary, page):
            assert "fp16-eager-b1x16 was not run: fp16 is not native here: " in text
            assert "bf16-eager-b1x16 failed: RuntimeError: the sky fell." in text


def test_a_session_that_measured_every_case_says_that_none_is_missing(run_suite, saved_run):
    assert run_suite("--benchmark-autosave", "--precisions=fp32").ret == 0
    assert saved_run()["machine_info"]["missing_cases"] == {}


def test_a_journal_names_the_cases_that_its_session_has_not_reached(run_suite, monkeypatch, tmp_path):
    monkeypatch.setattr("pathlib.Path.unlink", lambda *_, **__: None)  # the journal stays
    assert run_suite("--precisions=fp32,fp16").ret == 0
    (path,) = (tmp_path / "results" / "journal").glob("*.jsonl")
    first, *_, last = (document["machine_info"]["missing_cases"] for document in read(path))
    assert list(first.values()) == ["was not run: the session ended before it"]
    assert last == {}


@pytest.mark.parametrize("recorded", [None, [], "fp32", 7, {"fp32-eager": 7, 7: None}])
def test_what_is_no_record_of_missing_cases_is_none(recorded):
    assert missing_cases({"missing_cases": recorded}) == {}
    assert missing_cases({}) == {}


def test_a_device_or_a_pipe_is_written_to_in_whose_folder_no_file_can_be_made(run_suite, tmp_path):
    with (tmp_path / "run.json").open("w+") as file:
        place = f"/proc/self/fd/{file.fileno()}"  # as /dev/stdout is
        if not os.path.exists(place):  # noqa: PTH110
            pytest.skip("only Linux has files under the numbers by which a process knows them")
        assert run_suite("--precisions=fp32", f"--benchmark-json={place}").ret == 0
        assert '"missing_cases": {}' in (tmp_path / "run.json").read_text()


def test_a_folder_is_no_place_for_a_run(run_suite, tmp_path):
    result = run_suite("--precisions=fp32", f"--benchmark-json={tmp_path}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --benchmark-json names {tmp_path}, which is a folder; expected a file *"])
