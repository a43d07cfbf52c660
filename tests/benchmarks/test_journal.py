"""A run that is killed loses the visit in progress and nothing else."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.__main__ import main
from analysis.runs.journal import append, begin, orphaned_journals, read
from analysis.runs.recovery import kept_path, recover, recover_all
from benchmarks.instruments import numerics
from benchmarks.plugins import reports
from core.errors import InputError
from fixtures.executions import CaptureError
from tests.support.journals import GONE, line
from tests.support.terminal_lines import whole_lines
from tests.support.tiny import REPOSITORY

#: What Python says of `[1]["benchmarks"]`.
LIST_BY_TEXT = "list indices must be integers or slices, not str"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "results" / "journal" / f"20261123_101112-{GONE}.jsonl"
    for name in ("fp32", "fp16"):
        append(path, line(name))
    return path


def test_every_finished_benchmark_is_recovered_into_one_run(journal, tmp_path):
    path, count = recover(journal, tmp_path / "saved")
    assert count == 2
    assert path.name == f"0001_recovered_20261123_101112-{GONE}.json"
    document = json.loads(path.read_text())
    assert [item["fullname"] for item in document["benchmarks"]] == ["fp32", "fp16"]
    assert document["version"] == "5"
    assert not journal.exists()


def test_half_a_line_is_left_out(journal):
    with journal.open("a") as handle:
        handle.write(line("mixed")[:40])
    assert len(read(journal)) == 2


@pytest.mark.parametrize("content", ["[1]", '{"benchmarks": [{"fullname": ["a"]}]}', "{}", '{"benchmarks": 7}'])
def test_what_is_no_journal_is_one_sentence(tmp_path, content):
    path = tmp_path / "1.jsonl"
    append(path, content)
    with pytest.raises(InputError, match="is not a journal: line 1: "):
        read(path)


def test_lines_that_cannot_be_read_are_left_out_and_the_whole_journal_is_kept(journal, tmp_path):
    content = journal.read_text().splitlines()
    broken = "\n".join([content[0], "", "[1]", content[1], "{cut"])
    journal.write_text(broken)
    recovered, said = recover_all(tmp_path / "results", [], tmp_path / "saved")
    assert recovered.startswith(f"recovered 2 benchmark(s) of {journal} into ")
    kept = journal.with_name(f"{journal.name}.kept")
    assert said == f"2 line(s) were not recovered (line 3: TypeError: {LIST_BY_TEXT}); all are in {kept}"
    assert kept.read_text() == broken
    assert not journal.exists()
    assert orphaned_journals(tmp_path / "results") == []


def test_blank_lines_alone_keep_nothing(journal, tmp_path):
    journal.write_text(journal.read_text().replace("\n", "\n\n"))
    recover(journal, tmp_path / "saved")
    assert list(journal.parent.iterdir()) == []


def test_what_is_of_another_suite_is_neither_saved_nor_removed(tmp_path):
    path = tmp_path / "others.jsonl"
    append(path, json.dumps({"benchmarks": [{"fullname": "a", "extra_info": {}}]}))
    with pytest.raises(InputError, match=r"others\.jsonl holds 1 benchmark\(s\), but none of this suite"):
        recover(path, tmp_path / "saved")
    assert path.exists()
    assert not (tmp_path / "saved").exists()


def test_a_pipe_is_not_waited_for(tmp_path):
    (tmp_path / "journal").mkdir()
    os.mkfifo(tmp_path / "journal" / "1-2.jsonl")
    assert orphaned_journals(tmp_path) == []
    with pytest.raises(InputError, match="is no file; expected the journal of a session"):
        recover(tmp_path / "journal" / "1-2.jsonl")


def test_blank_lines_are_no_documents(journal):
    journal.write_text(journal.read_text().replace("\n", "\n\n \n"))
    assert len(read(journal)) == 2


DAMAGED_LINES = (
    '{"benchmarks": [{"fullname": ["a"]}]}',
    '{"benchmarks": [{"fullname": "a", "x": ' + "[" * 40 + "]" * 40 + "}]}",
)


@pytest.mark.parametrize("damage", DAMAGED_LINES)
def test_a_line_of_another_shape_is_left_out_and_the_journal_kept(journal, tmp_path, damage):
    before = len({item["fullname"] for document in read(journal) for item in document["benchmarks"]})
    append(journal, damage)
    assert recover(journal, tmp_path / "saved")[1] == before
    assert (journal.exists(), kept_path(journal).exists()) == (False, True)


@pytest.mark.parametrize("damage", DAMAGED_LINES)
def test_a_journal_of_such_lines_alone_is_none_and_stays(journal, tmp_path, damage):
    journal.write_text(damage + "\n")
    with pytest.raises(InputError, match="is not a journal: line 1"):
        recover(journal, tmp_path / "saved")
    assert journal.exists()


def test_a_journal_of_another_suite_is_not_saved(journal, tmp_path):
    journal.write_text('{"benchmarks": [{"fullname": "a"}]}\n')
    with pytest.raises(InputError, match=r"holds 1 benchmark\(s\), but none of this suite"):
        recover(journal, tmp_path / "saved")
    assert journal.exists()
    assert not (tmp_path / "saved").exists()


def test_a_journal_that_is_a_device_is_one_sentence(journal):
    journal.unlink()
    journal.symlink_to("/dev/zero")
    with pytest.raises(InputError, match="cannot be read"):
        read(journal)


@given(st.binary(max_size=200))
def test_no_bytes_escape_as_another_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "1-2.jsonl"
    path.write_bytes(content)
    try:
        read(path)
    except InputError:
        return


@given(st.lists(st.text(max_size=10), min_size=1, max_size=4), st.data())
def test_a_journal_cut_off_at_any_byte_gives_every_whole_line(tmp_path_factory, names, data):
    content = "".join(line(name) + "\n" for name in names).encode()
    cut = data.draw(st.integers(0, len(content)))
    path = tmp_path_factory.mktemp("cut") / "1-2.jsonl"
    path.write_bytes(content[:cut])
    recovered = [item["fullname"] for document in read(path) for item in document["benchmarks"]]
    assert recovered == names[: content[:cut].count(b"\n")]


def test_the_journal_of_a_running_session_is_left_alone(journal, tmp_path):
    running = journal.with_name(f"20261123_101112-{GONE + 1}.jsonl")  # of a process that is not seen from here
    with begin(running, line("fp32")):
        append(running, line("fp16"))
        assert orphaned_journals(tmp_path / "results") == [journal]
        with pytest.raises(InputError, match="is of a session that is running, which saves what it measures when it"):
            recover(running, tmp_path / "saved")
        recovered, left_out = recover_all(tmp_path / "results", [], tmp_path / "saved")
        assert str(journal) in recovered
        assert left_out.startswith(f"left out: {running} is of a session that is running")
        with pytest.raises(InputError, match=r"There is no journal of a killed run .* running"):
            list(recover_all(tmp_path / "results", [], tmp_path / "saved"))
        assert len(read(running)) == 2
    assert orphaned_journals(tmp_path / "results") == [running]
    assert recover(running, tmp_path / "saved")[1] == 2


HOLDS = """
import sys
from pathlib import Path
from analysis.runs.journal import begin
handle = begin(Path(sys.argv[1]), sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


def test_a_lock_is_told_whatever_the_processes_number_and_is_gone_with_the_process(journal, tmp_path):
    running = journal.with_name(f"20261123_101112-{GONE + 1}.jsonl")
    command = [sys.executable, "-c", HOLDS, str(running), line("fp32")]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        assert orphaned_journals(tmp_path / "results") == [journal]
        process.kill()
    assert orphaned_journals(tmp_path / "results") == [journal, running]


def test_where_there_are_no_locks_a_journal_is_recovered_where_it_is_named_alone(journal, tmp_path, monkeypatch):
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("core.files.fcntl.flock", none)
    assert orphaned_journals(tmp_path / "results") == []
    with pytest.raises(InputError, match=r"cannot be locked \(No locks available\), .*; name it where it has\."):
        list(recover_all(tmp_path / "results", [], tmp_path / "saved"))
    assert len(list(recover_all(tmp_path / "results", [journal], tmp_path / "saved"))) == 1


def test_a_session_without_locks_says_so_and_keeps_its_journal_all_the_same(run_suite, monkeypatch, tmp_path):
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("core.files.fcntl.flock", none)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)  # the journal stays
    result = run_suite("--precisions=fp32")
    assert result.ret == 0
    whole_lines(result).fnmatch_lines(["warning: *.jsonl cannot be locked (No locks available): *named alone."])
    (path,) = (tmp_path / "results" / "journal").glob("*.jsonl")
    assert len(read(path)) == 3


def test_a_session_names_what_a_killed_one_has_left_and_how_to_recover_it(run_suite, tmp_path):
    path = tmp_path / "results" / "journal" / f"20261123_101112-{GONE}.jsonl"
    append(path, line("fp32"))
    places = f"--results-dir {tmp_path / 'results'} --storage {tmp_path / 'saved'}"
    expected = f"note: a session that was killed has left {path}; `python -m analysis recover {places}` saves it"
    assert expected in run_suite("--precisions=fp32", "--collect-only").outlines
    assert path.exists()


class EndsAt:
    """Sends SIGTERM to this process while a test of some name runs."""

    def __init__(self, name: str) -> None:
        self._name = name

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem):
        if self._name in pyfuncitem.name:
            signal.raise_signal(signal.SIGTERM)
        return (yield)


def test_sigterm_ends_the_session_and_what_was_measured_is_saved(run_suite, tmp_path, saved_run):
    before = signal.getsignal(signal.SIGTERM)
    result = run_suite("--benchmark-autosave", "--precisions=fp32", plugins=[EndsAt("v2")], no_reraise_ctrlc=True)
    assert result.ret == 143  # 128 + SIGTERM
    result.stdout.fnmatch_lines(
        ["SIGTERM ends the session, which saves its run. Until then: What was measured is kept in *; `python -m *"]
    )
    (item,) = saved_run()["benchmarks"]
    assert item["extra_info"]["incomplete"] == "1 of 2 visits were made; what follows the visits was not measured"
    assert list((tmp_path / "results" / "journal").iterdir()) == []
    assert (tmp_path / "results" / "report.html").exists()
    assert signal.getsignal(signal.SIGTERM) == before


def test_sigterm_leaves_the_journal_of_a_session_that_was_not_to_be_saved(run_suite, tmp_path):
    result = run_suite("--precisions=fp32", plugins=[EndsAt("v2")], no_reraise_ctrlc=True)
    assert result.ret == 143
    (path,) = (tmp_path / "results" / "journal").iterdir()
    assert len([text for text in whole_lines(result).lines if f"What was measured is kept in {path}; " in text]) == 2
    assert recover(path, tmp_path / "saved")[1] == 1


def test_sigterm_before_the_first_visit_says_that_nothing_was_measured(run_suite, tmp_path):
    result = run_suite("--precisions=fp32", plugins=[EndsAt("test_forward")], no_reraise_ctrlc=True)
    assert result.ret == 143
    whole_lines(result).fnmatch_lines(["SIGTERM ends the session. Nothing had been measured."])
    assert not list((tmp_path / "results" / "journal").iterdir())


def test_sigterm_while_the_run_is_saved_interrupts_nothing(run_suite, monkeypatch, tmp_path, saved_run):
    original = reports.write_report

    def told_to_end(*arguments):
        signal.raise_signal(signal.SIGTERM)
        return original(*arguments)

    monkeypatch.setattr(reports, "write_report", told_to_end)
    assert run_suite("--benchmark-autosave", "--precisions=fp32").ret == 143
    assert saved_run()["benchmarks"][0]["extra_info"]["incomplete"] is None
    assert (tmp_path / "results" / "report.html").exists()


def test_runs_that_are_there_are_not_overwritten(journal, tmp_path):
    first, _ = recover(journal, tmp_path / "saved")
    append(journal, line("fp32"))
    second, _ = recover(journal, tmp_path / "saved")
    assert (first.name[:4], second.name[:4]) == ("0001", "0002")
    assert len(json.loads(first.read_text())["benchmarks"]) == 2


def test_a_run_that_ends_well_leaves_no_journal(run_suite, tmp_path):
    assert run_suite("--benchmark-autosave", "--precisions=fp32").ret == 0
    assert list((tmp_path / "results" / "journal").iterdir()) == []


def test_a_run_that_could_not_be_saved_leaves_one_and_says_so(run_suite, monkeypatch, tmp_path):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "run.json")

    monkeypatch.setattr("pytest_benchmark.storage.file.FileStorage.save", full)
    result = run_suite("--benchmark-autosave", "--precisions=fp32")
    whole_lines(result).fnmatch_lines(
        ["What was measured is kept in *; `python -m analysis recover --results-dir * --storage *` makes a *."]
    )
    (path,) = (tmp_path / "results" / "journal").iterdir()
    states = [item for document in read(path) for item in document["benchmarks"]]
    assert {item["params"]["case"] for item in states} == {"fp32-eager-b1x16"}
    assert [len(item["extra_info"]["visits"]) for item in states] == [1, 2, 2]  # after each visit, and at the end
    assert [item["stats"]["rounds"] for item in states] == [len(item["stats"]["data"]) for item in states] == [4, 8, 8]
    assert [item["extra_info"]["incomplete"] for item in states] == [
        "1 of 2 visits were made; what follows the visits was not measured",
        "what follows the visits was not measured",
        None,
    ]


def test_a_case_that_computes_something_else_is_not_recovered_from_what_was_written_before(
    run_suite, monkeypatch, tmp_path
):
    def differs(case, loop):
        if case.case.precision == "fp16":
            raise CaptureError("the logits differ")
        return 0.0

    monkeypatch.setattr(numerics, "difference_from_eager", differs)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)  # the journal stays
    assert run_suite("--precisions=fp32,fp16").ret == pytest.ExitCode.TESTS_FAILED
    (path,) = (tmp_path / "results" / "journal").glob("*.jsonl")
    recovered, _ = recover(path, tmp_path / "saved")
    assert [item["params"]["case"] for item in json.loads(recovered.read_text())["benchmarks"]] == ["fp32-eager-b1x16"]


@pytest.mark.parametrize(
    ("withdrawn", "names"), [("fp32", ["fp16"]), (["fp32"], ["fp32", "fp16"]), (7, ["fp32", "fp16"])]
)
def test_a_withdrawn_benchmark_is_left_out(journal, tmp_path, withdrawn, names):
    append(journal, json.dumps({"benchmarks": [], "withdrawn": withdrawn}))
    document = json.loads(recover(journal, tmp_path / "saved")[0].read_text())
    assert [item["fullname"] for item in document["benchmarks"]] == names
    assert "withdrawn" not in document


def test_a_benchmark_that_was_measured_again_after_it_was_withdrawn_is_recovered(journal, tmp_path):
    append(journal, json.dumps({"benchmarks": [], "withdrawn": "fp32"}))
    append(journal, line("fp32"))
    document = json.loads(recover(journal, tmp_path / "saved")[0].read_text())
    assert sorted(item["fullname"] for item in document["benchmarks"]) == ["fp16", "fp32"]


def test_a_journal_says_of_a_case_what_the_saved_run_says(run_suite, monkeypatch, tmp_path, saved_run):
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)  # the journal stays
    assert run_suite("--benchmark-autosave", "--precisions=fp32").ret == 0
    (path,) = (tmp_path / "results" / "journal").glob("*.jsonl")
    (last,), (saved,) = read(path)[-1]["benchmarks"], saved_run()["benchmarks"]
    data = last["stats"].pop("data")
    added = {key for section in ("latency", "energy") for key in saved["extra_info"][section]}
    added -= {key for section in ("latency", "energy") for key in last["extra_info"][section]}
    assert all("repeat95" in key or "reference" in key for key in added)
    for section in ("latency", "energy"):  # what a repeat will find is known when all have been measured
        saved["extra_info"][section] = {
            key: value for key, value in saved["extra_info"][section].items() if key in last["extra_info"][section]
        }
    assert (last["extra_info"], last["stats"]) == (saved["extra_info"], saved["stats"])
    assert len(data) == 8


def test_a_killed_run_is_recovered_and_compared(tiny_dataset, tiny_model, tmp_path, monkeypatch, capsys):
    options = (
        f"--rootdir={REPOSITORY}",
        f"--config-file={REPOSITORY / 'pyproject.toml'}",
        "--device=cpu",
        "--energy=off",
    )
    command = [sys.executable, "-m", "pytest", str(REPOSITORY / "benchmarks"), *options, "--benchmark-autosave"]
    command += [f"--dataset-dir={tiny_dataset}", f"--model={tiny_model}", "--allow-emulated", "-pno:cacheprovider"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    running = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (journals := list(tmp_path.glob("results/journal/*.jsonl"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    finished = len({item["fullname"] for document in read(journals[0]) for item in document["benchmarks"]})
    assert finished >= 1
    assert not (tmp_path / ".benchmarks").exists() or not list((tmp_path / ".benchmarks").rglob("*.json"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["results", "recover"])
    assert main() == 0
    assert f"recovered {finished} benchmark(s)" in capsys.readouterr().out
    compared = subprocess.run(
        [sys.executable, "-c", "from pytest_benchmark.cli import main; main()", "compare"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert compared.returncode == 0, compared.stderr
    assert "test_forward[" in compared.stdout  # of whichever case was visited first
    assert main() == 1  # there is nothing more to recover
    assert "There is no journal of a killed run" in capsys.readouterr().err
