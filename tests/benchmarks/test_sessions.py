"""What a session leaves behind and says when it ends well, badly or early, and when runs are compared."""

from __future__ import annotations

import gc
import json
import re
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from analysis.comparison.comparability import differences
from analysis.runs.saved import Run
from analysis.runs.validity import judgements
from benchmarks import made_visit
from benchmarks.extra_info import with_repeats
from benchmarks.plugins import header, reports  # noqa: F401
from benchmarks.time_left import REPORT_S
from data_prep.layout import write_dataset
from tests.support.described import described
from tests.support.saved_runs import benchmark, in_visits, with_floor
from tests.support.terminal_lines import whole_lines
from tests.support.tiny import ORIGINAL_METADATA, REPOSITORY, tiny_tensors

SUMMARY = "gpt2_benchmark_summary.md"


@pytest.fixture
def fp16_raises(monkeypatch):
    """Have one visit of FP16 raise."""

    def install(error: BaseException, number: int) -> None:
        measure_rounds = made_visit.measure_rounds

        def measured(case, loop, visit, beside):
            if case.case.precision == "fp16" and visit == number:
                raise error
            return measure_rounds(case, loop, visit, beside)

        monkeypatch.setattr(made_visit, "measure_rounds", measured)

    return install


def by_case(saved: dict) -> dict[str, dict]:
    return {item["param"].removesuffix("-eager-b1x16"): item["extra_info"] for item in saved["benchmarks"]}


def test_a_first_visit_that_failed_leaves_its_case_out_with_the_reason(run_suite, fp16_raises, saved_run, tmp_path):
    fp16_raises(pytest.fail.Exception("the sky fell", pytrace=False), number=1)
    result = run_suite("--benchmark-autosave")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=22, failed=1, skipped=8)
    assert "- fp16-eager-b1x16 failed: the sky fell." in (tmp_path / "results" / SUMMARY).read_text()
    assert list(by_case(saved_run())) == ["fp32", "mixed"]


def test_a_later_visit_that_failed_leaves_the_others_which_are_marked(run_suite, fp16_raises, saved_run, tmp_path):
    fp16_raises(pytest.fail.Exception("the sky fell", pytrace=False), number=2)
    result = run_suite("--benchmark-autosave", "--visits=3", "--rounds=12")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED *test_visit?fp16-eager-b1x16-v2?*"])
    saved = saved_run()
    assert [visit.get("error") for visit in by_case(saved)["fp16"]["visits"]].count("the sky fell") == 1
    assert by_case(saved)["fp16"]["latency"]["rounds"] == 8
    assert by_case(saved)["fp16"]["quality"]["verdict"] == "equal"
    assert "2 of 3 visits were made; visit 2 failed: the sky fell" in by_case(saved)["fp16"]["incomplete"]
    assert by_case(saved)["fp32"]["incomplete"] is None
    statuses = [judgement.paired_status for judgement in judgements(saved["benchmarks"])]
    assert statuses[1] != "valid"
    assert "visit 2 failed: the sky fell" in (tmp_path / "results" / SUMMARY).read_text()
    (own,) = [item for item in saved["benchmarks"] if item["param"] == "fp16-eager-b1x16"]
    assert own["stats"]["rounds"] == 8


def test_ctrl_c_keeps_the_visits_that_were_made_and_says_what_is_missing(run_suite, fp16_raises, saved_run, tmp_path):
    fp16_raises(KeyboardInterrupt(), number=2)
    result = run_suite("--benchmark-autosave", no_reraise_ctrlc=True)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    found = by_case(saved_run())
    assert list(found) == ["fp32", "fp16", "mixed"]
    assert found["fp16"]["incomplete"] == "1 of 2 visits were made; what follows the visits was not measured"
    assert "quality" not in found["fp32"]
    assert "what follows the visits was not measured" in (tmp_path / "results" / SUMMARY).read_text()


@pytest.fixture
def interruptible():
    """Have SIGINT raise KeyboardInterrupt: a shell starts its background jobs, these tests among them, without that."""
    earlier = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, earlier)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_is_answered_while_a_meter_reads(run_suite, monkeypatch):
    answered, waited_for = threading.Event(), []

    def reads_for_long(self, case, reads):
        signal.raise_signal(signal.SIGINT)  # which Python handles in the main thread, where rounds run
        answered.wait(300)
        waited_for.append(case)

    monkeypatch.setattr("benchmarks.instruments.energy.instrument.Energy.beside", reads_for_long)
    assert run_suite("--precisions=fp32", beside=True, no_reraise_ctrlc=True).ret == pytest.ExitCode.INTERRUPTED
    assert not waited_for
    answered.set()


def test_a_gpu_that_is_lost_ends_the_session_and_what_was_measured_is_saved(run_suite, fp16_raises, saved_run):
    fp16_raises(RuntimeError("CUDA error: unspecified launch failure\nCompile with TORCH_USE_CUDA_DSA."), number=2)
    result = run_suite("--benchmark-autosave")
    result.stdout.fnmatch_lines(["*The GPU failed in test_visit?fp16-eager-b1x16-v2?: CUDA error: unspecified launch*"])
    assert "Traceback" not in result.stdout.str()
    found = by_case(saved_run())
    assert list(found) == ["fp32", "fp16", "mixed"]
    assert "visit 2 failed: The GPU failed" in found["fp16"]["incomplete"]
    assert "quality" not in found["fp32"]


@pytest.mark.parametrize(
    ("options", "visits", "rounds"), [(("--visits=1",), 1, 8), (("--visits=9", "--rounds=4"), 9, 9)]
)
def test_one_visit_and_more_visits_than_rounds(run_suite, saved_run, options, visits, rounds):
    assert run_suite("--benchmark-autosave", "--precisions=fp32", *options).ret == 0
    info = by_case(saved_run())["fp32"]
    assert len(info["visits"]) == visits
    assert info["latency"]["rounds"] >= rounds  # more on a busy machine, where what is read beside them takes its time
    assert (info["latency"]["ci95_low_ms"] is None) == (visits == 1)
    assert (info["latency"]["ci95_reason"] == "one visit has no spread") == (visits == 1)


def test_no_visit_at_all_is_a_usage_error(run_suite):
    result = run_suite("--visits=0")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--visits: '0' is not a whole number from 1 to *"])


def test_a_case_is_selected_whole_and_only_benchmarks_includes_its_visits(run_suite, saved_run):
    result = run_suite("--benchmark-autosave", "-k", "mixed-eager-b1x16", "--benchmark-only")
    result.assert_outcomes(passed=3, deselected=29)
    assert [len(info["visits"]) for info in by_case(saved_run()).values()] == [2]


def test_a_visit_without_the_first_is_skipped_with_the_reason(run_suite):
    result = run_suite("-k", "test_visit and fp32")
    result.assert_outcomes(skipped=1, deselected=31)
    result.stdout.fnmatch_lines(["SKIPPED*the first visit of this case, which owns its benchmark, was not made"])


def test_disabled_benchmarks_run_once(run_suite, tmp_path):
    result = run_suite("--benchmark-disable", "--precisions=fp32")
    result.assert_outcomes(passed=17, skipped=6)
    assert result.ret == 0
    assert not (tmp_path / "results" / SUMMARY).exists()


def test_a_log_has_a_line_for_each_step_and_each_says_how_long_the_session_still_takes(run_suite):
    lines = run_suite("--precisions=fp32,fp16", "--visits=3").outlines
    begin = ("visit ", "the visits are over", "after the visits: ")
    steps = [line for line in lines if line.startswith(begin)]
    visits, over, closings = steps[:6], steps[6], steps[7:]
    for number, line in enumerate(visits, start=1):
        assert re.fullmatch(
            rf"visit {number} of 6: fp(32|16)-eager-b1x16 v[123] \d+\.\d{{3}} ms, about \d+ s left", line
        )
    assert re.fullmatch(
        r"the visits are over; quality, numerics and limits of every case follow, about \d+ s left", over
    )
    assert len(closings) == 2
    for line in closings:
        assert re.fullmatch(r"after the visits: fp(32|16)-eager-b1x16, \d+\.\d s, about \d+ s left", line)
    assert closings[-1].endswith(f"about {REPORT_S:.0f} s left")
    assert sum("benchmarks/test_forward.py" in line for line in lines) == 1  # and not before each of them
    assert "visit 1 of" not in run_suite("--precisions=fp32", "-q").stdout.str()


def test_a_saved_run_says_where_the_time_of_the_session_went_and_the_page_shows_it(run_suite, saved_run, tmp_path):
    assert run_suite("--benchmark-autosave", "--precisions=fp32").ret == 0
    saved = saved_run()
    seconds = saved["machine_info"]["seconds"]
    of_session, of_cases = ("imports", "collection", "loading", "integrity"), ("preparation", "warm_up", "rounds")
    assert {*of_session, *of_cases, "quality", "numerics", "limits", "other", "total"} <= seconds.keys()
    assert min(seconds.values()) >= 0
    parts = [spent for phase, spent in seconds.items() if phase != "total"]
    assert sum(parts) == pytest.approx(seconds["total"], abs=0.005 * len(seconds) + 1e-9)
    own = by_case(saved)["fp32"]["seconds"]
    assert {phase: seconds[phase] for phase in of_cases} == pytest.approx(
        {phase: own[phase] for phase in of_cases}, abs=0.0051
    )
    assert "Where the time of the session went" in (tmp_path / "results" / "report.html").read_text()


def test_a_saved_run_says_by_which_estimator_its_figures_were_made(run_suite, saved_run):
    assert run_suite("--benchmark-autosave", "--precisions=fp32,fp16").ret == 0
    saved = saved_run()
    assert saved["machine_info"]["estimator"] == 2
    assert [item["extra_info"]["estimator"] for item in saved["benchmarks"]] == [2, 2]


def test_a_run_is_saved_while_no_other_session_saves_to_the_same_folder(run_suite, tmp_path):
    class OtherSession:
        could_save: bool | None = None

        def pytest_benchmark_update_json(self):  # called while the run is being saved
            with pytest.raises(Timeout):
                FileLock(tmp_path / "saved" / ".lock").acquire(timeout=0)
            self.could_save = False

    other = OtherSession()
    assert run_suite("--precisions=fp32", "--benchmark-autosave", plugins=[other]).ret == 0
    assert other.could_save is False
    FileLock(tmp_path / "saved" / ".lock").acquire(timeout=0)


def test_a_session_that_hangs_while_it_saves_keeps_no_other_from_saving(run_suite, tmp_path, saved_run):
    (tmp_path / "saved").mkdir()
    with FileLock(tmp_path / "saved" / ".lock"):
        result = run_suite("--precisions=fp32", "--benchmark-autosave")
    assert result.ret == 0
    assert [item["param"] for item in saved_run()["benchmarks"]] == ["fp32-eager-b1x16"]
    whole_lines(result).fnmatch_lines(
        ["warning: * cannot be locked (Timeout); a run saved there * may overwrite this one."]
    )


def test_a_package_that_is_not_installed_is_one_sentence():
    code = "import sys; sys.modules['torch'] = None; import pytest; sys.exit(pytest.main(['benchmarks', '-q']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "The package torch is not installed for" in done.stderr
    assert "pip install -c constraints.txt" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_garbage_is_collected_again_after_the_imports(run_suite):
    run_suite("--collect-only")
    assert gc.isenabled()


def test_tables_of_an_earlier_run_are_called_that(run_suite, tiny_dataset):
    assert run_suite("--precisions=fp32").ret == 0
    assert "earlier run" not in run_suite("--collect-only").stdout.str()
    (tiny_dataset / "labels.pt").unlink()
    whole_lines(run_suite("--precisions=fp32")).fnmatch_lines(
        ["error: no benchmark was measured: the tables in * earlier run."]
    )


def test_tables_that_cannot_be_written_at_the_end_fail_the_session_and_the_run_is_saved(
    run_suite, monkeypatch, saved_run
):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reports, "write_report", full)
    result = run_suite("--benchmark-autosave", "--precisions=fp32")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    whole_lines(result).fnmatch_lines(
        ["error: * cannot be written (No space left on device); the tables were not saved."]
    )
    assert len(saved_run()["benchmarks"]) == 1


def test_ctrl_c_while_pictures_are_drawn_is_one_sentence_and_the_run_is_saved(
    run_suite, monkeypatch, saved_run, tmp_path
):
    def interrupted(*_: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr("analysis.report.plots.rendered", interrupted)
    result = run_suite("--benchmark-autosave", "--precisions=fp32", pictures=True)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    whole_lines(result).fnmatch_lines(
        ["error: interrupted while tables and pictures were written: none of * are of this *"]
    )
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert len(saved_run()["benchmarks"]) == 1
    assert not [path for path in (tmp_path / "results").iterdir() if path.is_file()]


def test_the_run_is_saved_before_its_pictures_are_drawn(run_suite, monkeypatch, saved_run):
    saved_by_then = []
    monkeypatch.setattr(reports, "write_report", lambda *_: saved_by_then.append(saved_run()) or [])
    assert run_suite("--benchmark-autosave", "--precisions=fp32").ret == 0
    assert [item["param"] for item in saved_by_then[0]["benchmarks"]] == ["fp32-eager-b1x16"]


@pytest.mark.parametrize("moment", ["fixtures.tasks.dataset_folder", "benchmarks.plugins.reports.write_report"])
def test_a_deprecation_in_a_library_costs_no_measurement(run_suite, monkeypatch, saved_run, moment):
    module, _, name = moment.rpartition(".")
    original = getattr(sys.modules[module], name)

    def deprecated(*arguments):
        warnings.warn("a library's function goes away", DeprecationWarning, stacklevel=1)
        return original(*arguments)

    monkeypatch.setattr(moment, deprecated)
    assert run_suite("--benchmark-autosave", "--precisions=fp32").ret == 0
    assert len(saved_run()["benchmarks"]) == 1


def test_a_run_that_cannot_be_saved_fails_in_one_sentence_and_its_tables_are_there(run_suite, monkeypatch, tmp_path):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "run.json")

    monkeypatch.setattr("pytest_benchmark.storage.file.FileStorage.save", full)
    result = run_suite("--benchmark-autosave", "--precisions=fp32")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    whole_lines(result).fnmatch_lines(
        ["error: run.json cannot be written (No space left on device); the run was not saved."]
    )
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert (tmp_path / "results" / SUMMARY).exists()


@pytest.mark.parametrize("option", ["--benchmark-storage", "--benchmark-json"])
def test_a_place_that_cannot_be_written_is_found_before_measuring(run_suite, tmp_path, option):
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "run.json" if option == "--benchmark-json" else tmp_path / "file"
    result = run_suite("--benchmark-autosave", f"{option}={place}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: The folder * cannot be written (*); choose another with {option}."])


@pytest.mark.slow
def test_a_run_is_compared_without_a_warning_under_the_same_conditions_alone(run_suite, tmp_path):
    assert run_suite("--benchmark-save=first", "--precisions=fp32").ret == 0
    same = run_suite("--benchmark-compare", "--precisions=fp32")
    assert same.ret == 0
    assert "differs" not in same.stdout.str()
    generated = tmp_path / "generated"
    tensors = {name: tensor[:4].clone() for name, tensor in tiny_tensors().items()}
    write_dataset(generated, tensors, ORIGINAL_METADATA | {"num_samples": 4, "stand_in": True})
    other = run_suite(
        "--benchmark-save=other", "--benchmark-compare", "--precisions=fp32", f"--dataset-dir={generated}"
    )
    whole_lines(other).fnmatch_lines_random(
        ["warning: STAND-IN against real: this run ran on generated*", "warning: the text differs: *"]
    )
    assert "PyTorch differs" not in other.stdout.str()
    done = compared_on_the_command_line(tmp_path / "saved")
    assert done.returncode == 0, done.stderr
    assert "warning: STAND-IN against real: " in done.stdout
    assert "test_forward[fp32-eager-b1x16]" in done.stdout


def compared_on_the_command_line(storage) -> subprocess.CompletedProcess[str]:
    """What `pytest-benchmark compare` says of a folder of runs; it fails where it has loaded torch."""
    code = (
        "import sys; from pytest_benchmark.cli import main\n"
        f"sys.argv = ['pytest-benchmark', '--storage=file://{storage}', 'compare', *sys.argv[1:]]; main()\n"
        "sys.exit('torch' in sys.modules)"
    )
    return subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)


def test_a_run_that_would_steer_the_terminal_is_shown_on_the_command_line_with_marks(tmp_path):
    steering = "fp32\x1b]0;owned\x07"
    item = benchmark("fp32", 1.0) | {"name": steering, "fullname": steering, "group": steering, "params": None}
    item["extra_info"]["precision"] = steering
    item["stats"] = dict.fromkeys(("min", "max", "mean", "median", "stddev", "iqr", "ops", "q1", "q3", "total"), 1.0)
    item["stats"] |= {"outliers": "0;0", "rounds": 5, "iterations": 1}
    saved = tmp_path / "machine" / "0001_hostile.json"
    saved.parent.mkdir()
    saved.write_text(json.dumps({"benchmarks": [item], "machine_info": {}, "commit_info": {}}))
    done = compared_on_the_command_line(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "fp32\ufffd]0;owned" in done.stdout
    assert not {"\x1b", "\x07"} & set(done.stdout)


def test_each_difference_names_its_sides_and_other_suites_are_passed_over():
    first, second = (benchmark("fp32", 1.0)["extra_info"] for _ in range(2))
    assert differences([("a", first), ("b", second), ("c", {})]) == []
    second["environment"] = {"torch": "2.6", "driver": "580"}
    first["environment"] = {"torch": "2.13", "driver": "580"}
    assert differences([("a", first), ("b", second)]) == ["PyTorch differs: 2.13 in a; 2.6 in b."]


def test_benchmarks_of_others_with_a_case_of_their_own_kind_are_saved_as_they_are():
    own, other = benchmark("fp32", 1.0, 100.0), benchmark("double", 2.0, 100.0)
    own["params"], other["params"] = {"case": "fp32-eager"}, None
    other["extra_info"]["case"] = {"precision": "double", "execution": 1}
    run = Run(Path(), (in_visits(own),), described(with_floor(0.1)))
    saved = with_repeats([own, other], run)
    assert saved[1] == other
    assert saved[0]["extra_info"]["latency"]["repeat95_low_ms"] < 1.0
    assert "repeat95_low_ms" not in own["extra_info"]["latency"]  # what was measured does not change


def test_the_command_is_in_the_saved_run_and_on_the_page(run_suite, saved_run, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "--energy=off")
    assert run_suite("--benchmark-autosave", "--precisions=fp32", "--visits=3").ret == 0
    command = saved_run()["machine_info"]["command_line"]
    assert command.startswith("pytest --energy=off ")  # as pytest reads them: what was given wins
    assert "--precisions=fp32 --visits=3" in command
    assert "--precisions=fp32 --visits=3" in (tmp_path / "results" / "report.html").read_text()
