"""Which saved runs a command works with: in time order across folders, each session once, no other project's."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.__main__ import main
from analysis.comparison.latest import clock_note
from analysis.runs.journal import append
from analysis.runs.saved import load, moment_in_file
from analysis.runs.selection import select
from analysis.runs.storage import Storage
from analysis.runs.time_order import FORM, Dated, moment_of
from core.errors import InputError
from tests.support.journals import GONE, line
from tests.support.saved_runs import benchmark, in_visits, measured, save

LATENCY = "median_latency_ms"
OLD, NEW = "Linux-CPython-3.13-64bit", "Linux-CPython-3.11-64bit"  # the newer run is not in the last folder
UTC = timezone.utc


def session(median_ms: float, **more: object) -> dict:
    """A benchmark of a session of its own: no other has its latency."""
    return in_visits(measured("fp16", "graph", median_ms) | more)


@pytest.fixture
def storage(tmp_path, monkeypatch) -> Path:
    """An empty storage where commands look for it, and pictures that are not drawn."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("analysis.report.plots.rendered", lambda figure, form: b"<svg/>")
    return Path(".benchmarks")


@pytest.fixture
def command(monkeypatch) -> Callable[..., int]:
    def run(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["analysis", *map(str, arguments)])
        return main()

    return run


def last_of(folder: Path, count: int = 1, besides: tuple[Path, ...] = ()) -> tuple[list[str], list[str]]:
    """The names of the last runs of a storage, and what is said of it."""
    said: list[str] = []
    found = Storage(folder, said.append).last(count, besides=[load(path) for path in besides])
    return [run.path.name for run in found], said


def all_of(folder: Path, *selectors: object) -> tuple[list[str], list[str]]:
    """The names of the runs that selectors choose, and what is said of them."""
    said: list[str] = []
    return [run.path.name for run in Storage(folder, said.append).runs([*map(str, selectors)])], said


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-24 05:12:09 UTC", datetime(2026, 11, 24, 5, 12, 9, tzinfo=UTC)),
        ("2026-11-24 05:12 UTC", datetime(2026, 11, 24, 5, 12, tzinfo=UTC)),
        ("2026-11-24T05:12:09.123456+00:00", datetime(2026, 11, 24, 5, 12, 9, 123456, tzinfo=UTC)),
        ("2026-11-24T05:12:09.123456", datetime(2026, 11, 24, 5, 12, 9, 123456, tzinfo=UTC)),
        ("2026-11-24T05:12:09Z", datetime(2026, 11, 24, 5, 12, 9, tzinfo=UTC)),
        ("2026-11-24T05:12:09+09:00", datetime(2026, 11, 23, 20, 12, 9, tzinfo=UTC)),
        ("0001-01-01T00:00:00+09:00", None),  # before the first year
        ("yesterday", None),
        ("", None),
        (None, None),
        (20261124, None),
    ],
)
def test_texts_of_every_version_tell_a_moment_or_none(text, moment):
    assert moment_of(text) == moment


@given(st.text(max_size=40))
def test_no_text_is_more_than_a_moment_in_utc_or_none(text):
    moment = moment_of(text)
    assert moment is None or moment.tzinfo is UTC


def test_the_last_runs_are_the_last_by_time_whatever_their_folders_are_called(storage, command, capsys):
    for number in range(1, 9):
        save(storage / NEW, number, session(1 + number / 100), measured_utc=f"2026-11-{number:02d} 10:00 UTC")
    save(storage / OLD, 1, session(3.0), measured_utc="2026-03-01 10:00 UTC")
    assert last_of(storage, 2) == (["0007_run.json", "0008_run.json"], [])
    assert all_of(storage)[0] == ["0001_run.json", *(f"{number:04d}_run.json" for number in range(1, 9))]
    assert command("report") == 0
    assert "measured 2026-11-08 10:00 UTC" in Path("results/gpt2_benchmark_summary.md").read_text()
    assert command("history") == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if "_run.json" in line]
    assert ["2026-03-01" in line for line in rows] == [True, *[False] * 8]


def test_a_regression_is_compared_with_the_last_runs_and_fails(storage, command, capsys):
    """The gate of docs/results.md, beside runs of another Python that were as slow as the new one."""
    for number in range(1, 6):
        save(storage / NEW, number, session(1 + number / 1e4), measured_utc=f"2026-11-0{number} 10:00 UTC")
        save(storage / OLD, number, session(1.6 + number / 1e4), measured_utc=f"2026-03-0{number} 10:00 UTC")
    new = save(storage / NEW, 6, session(1.6), measured_utc="2026-11-06 10:00 UTC")
    assert command("compare", "last:5", "--to", new, "--fail", f"{LATENCY}:3%") == 1
    assert "1.0003 to 1.6, 59.95% slower" in capsys.readouterr().err


def test_a_number_of_five_digits_comes_after_one_of_four(storage):
    for number in (9991, 10000, 10001):
        save(storage / NEW, number, session(number / 1e4))
    assert last_of(storage) == (["10001_run.json"], [])
    assert all_of(storage)[0] == ["9991_run.json", "10000_run.json", "10001_run.json"]
    with pytest.raises(InputError, match="No saved run matches '1000'"):
        select(["1000"], storage)


def test_moments_are_compared_and_not_texts(storage):
    """`T` sorts after a space, and 23:30 five hours west of Greenwich is the next day."""
    save(storage / NEW, 1, session(1.0), measured_utc="2026-11-24 09:00 UTC")
    for number, saved in ((2, "2026-11-24T08:00:00+00:00"), (3, "2026-11-23T23:30:00-10:00")):
        path = save(storage / NEW, number, session(float(number)))
        path.write_text(json.dumps(json.loads(path.read_text()) | {"datetime": saved}))
    assert all_of(storage)[0] == ["0002_run.json", "0001_run.json", "0003_run.json"]
    first, last = (load(path) for path in select(["0001", "0002"], storage))
    assert clock_note([last], [first]) is None
    assert "0001_run.json was measured at 2026-11-24 09:00 UTC, after 0002" in str(clock_note([first], [last]))


def test_runs_of_one_second_are_in_the_order_of_their_numbers_then_names(storage):
    moment = "2026-11-24 09:00:07 UTC"
    paths = [
        save(storage / folder, number, session(value), measured_utc=moment)
        for folder, number, value in ((OLD, 2, 1.0), (NEW, 3, 2.0), (NEW, 1, 3.0), (OLD, 3, 4.0))
    ]
    paths[3].rename(paths[3].with_name("0003_a.json"))
    names = ["0001_run.json", "0002_run.json", "0003_a.json", "0003_run.json"]
    assert all_of(storage) == (names, [])
    assert last_of(storage, 4) == (names, [])


def test_a_run_dated_ahead_of_the_clock_is_never_the_last(storage, command, capsys):
    now = datetime.now(UTC)
    for number, moment in enumerate((now - timedelta(days=2), now + timedelta(hours=20), now + timedelta(hours=30)), 1):
        save(storage / NEW, number, session(float(number)), measured_utc=f"{moment:{FORM}}")
    names, (said,) = last_of(storage, 3)
    assert names == ["0001_run.json", "0002_run.json"]
    assert "0003_run.json (" in said
    assert "dated more than a day ahead of this clock (" in said
    assert command("report") == 0
    assert capsys.readouterr().err.count("ahead of this clock") == 1
    assert command("report", "0003") == 0  # it was named
    assert capsys.readouterr().err == ""
    assert command("history") == 0


def test_where_all_runs_are_dated_ahead_none_is_the_last(storage, command, capsys):
    ahead = datetime.now(UTC) + timedelta(days=400)
    save(storage / NEW, 1, session(1.0), measured_utc=f"{ahead:{FORM}}")
    assert command("report") == 1
    assert "error: Every run chosen is dated more than a day ahead of this clock" in capsys.readouterr().err


def test_where_numbers_and_times_disagree_that_is_one_line_and_the_time_counts(storage):
    days = {1: 3, 2: 1, 3: 2, 4: 9}
    for number, day in days.items():
        save(storage / NEW, number, session(float(number)), measured_utc=f"2026-11-{day:02d} 10:00 UTC")
    save(storage / OLD, 5, session(9.0), measured_utc="2026-11-01 10:00 UTC")  # another folder counts for itself
    names, said = last_of(storage, 3)
    assert names == ["0003_run.json", "0001_run.json", "0004_run.json"]
    assert said == [
        f"in {storage / NEW} numbers and times disagree: 0003_run.json (2026-11-02 10:00:00 UTC) was measured before "
        "0001_run.json (2026-11-03 10:00:00 UTC); the time counts."
    ]
    assert all_of(storage)[1] == said


def test_a_run_without_a_time_is_the_earliest_and_that_is_said(storage):
    save(storage / NEW, 7, session(1.0))
    save(storage / NEW, 2, session(2.0), measured_utc="2026-11-01 10:00 UTC")
    names, (said,) = last_of(storage)
    assert names == ["0002_run.json"]
    assert said.startswith("1 file(s) do not say when they were measured and count as the earliest: .benchmarks/")


def test_a_number_that_several_files_hold_names_them(storage, command, capsys):
    paths = [save(storage / folder, 1, session(value)) for folder, value in ((NEW, 1.0), (OLD, 2.0))]
    save(storage / NEW, 5, session(3.0))
    assert command("compare", "0001", "0005") == 1
    error = capsys.readouterr().err
    assert error.startswith("error: 0001 is the number of 2 saved runs: ")
    assert all(str(path) in error for path in paths)
    assert command("compare", "0001_r", "0005") == 1
    assert capsys.readouterr().err.startswith("error: '0001_r' begins the names of 2 saved runs: ")
    assert command("compare", paths[0], "0005") == 0
    (storage / OLD / "0001_run.json").unlink()
    (storage / "link").symlink_to(NEW)  # one file by two paths
    assert len(select(["0001"], storage)) == 1
    assert len(select([], storage)) == 2


def copies(path: Path, count: int) -> None:
    """Copy a run under other names, into another folder, with other dates and formatting."""
    document = json.loads(path.read_text())
    for number in range(1, count + 1):
        folder = path.parent.parent / f"copies-{number % 3}"
        folder.mkdir(exist_ok=True)
        document["machine_info"]["measured_utc"] = f"2026-10-{number:02d} 11:00 UTC"
        document["datetime"] = f"2026-10-{number:02d}T12:00:00"
        reversed_keys = {key: document[key] for key in reversed(document)}
        (folder / f"copy_of_{path.stem}_{number}.json").write_text(json.dumps(reversed_keys, indent=number))


def test_ten_copies_of_two_runs_are_two_runs(storage, command, capsys):
    limits = ("--fail", f"{LATENCY}:3%", "--format", "json")
    earlier, later = (
        save(storage / NEW, number, session(value), measured_utc=f"2026-11-0{number} 10:00 UTC")
        for number, value in ((1, 1.0), (2, 1.3))
    )
    assert command("compare", earlier, later, *limits) == 0  # undecided: one run a side
    alone = capsys.readouterr()
    for path in (earlier, later):
        copies(path, 10)
    sides = [[path, *storage.glob(f"*/copy_of_{path.stem}_*.json")] for path in (earlier, later)]
    assert [len(side) for side in sides] == [11, 11]
    assert command("compare", *sides[0], "--to", *sides[1], *limits) == 0
    among_copies = capsys.readouterr()
    figures = [json.loads(captured.out)["changes"] for captured in (alone, among_copies)]
    assert figures[0] == figures[1]
    said = [line for line in among_copies.err.splitlines() if line.startswith("warning: ")]
    assert len(said) == 2
    assert all(
        "are one run: every visit has the same values, on the same device. It counts once." in one for one in said
    )
    assert command("noise") == 0
    assert "# Noise floor over 2 run(s)" in capsys.readouterr().out
    assert command("variance") == 0
    assert "over 2 session(s)" in capsys.readouterr().out
    assert command("history") == 0
    assert capsys.readouterr().out.count("| no ") == 2


def test_a_copy_is_never_the_last_of_itself(storage, command, capsys):
    first = save(storage / NEW, 1, session(1.0), measured_utc="2026-09-01 10:00 UTC")
    path = save(storage / NEW, 2, session(1.1), measured_utc="2026-11-02 10:00 UTC")
    shutil.copy(path, storage / NEW / "0003_again.json")
    copies(path, 3)
    assert command("compare", "last:1", "--to", path) == 0
    captured = capsys.readouterr()
    assert "1 | 1.1" in " ".join(captured.out.split())
    assert "0003_again.json are one run" in captured.err
    first.unlink()
    assert command("compare", "last:1", "--to", path) == 4
    assert "no history yet: " in capsys.readouterr().err


def test_a_run_is_not_compared_with_itself(storage, command, capsys):
    path = save(storage / NEW, 1, session(1.0))
    other = save(storage / NEW, 2, session(1.1))
    shutil.copy(path, storage / NEW / "0003_again.json")
    for again in (path, "0003"):
        assert command("compare", again, path, "--fail", f"{LATENCY}:3%") == 1
        assert capsys.readouterr().err.startswith("error: No run is left to compare with: ")
    untimed = save(storage / NEW, 4, benchmark("fp16", 1.0))  # nothing tells it from others but its file
    assert command("compare", untimed, untimed) == 1
    assert f"{untimed} is given on both sides; it counts on the later. Name another." in capsys.readouterr().err
    assert command("compare", path, other, "--to", path, "--format", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["before"], document["after"]) == ([str(other)], [str(path)])


def changed(path: Path, name: str, change: Callable[[dict], None]) -> Path:
    """A run like another but for a change of its benchmarks' `extra_info` or themselves."""
    document = json.loads(path.read_text())
    for item in document["benchmarks"]:
        change(item)
    made = path.with_name(name)
    made.write_text(json.dumps(document))
    return made


@pytest.mark.parametrize(
    ("change", "is_copy"),
    [
        (lambda item: item["extra_info"]["visits"][4].update(median_ms=1.0000001), False),
        (lambda item: item["extra_info"]["visits"][4].update(energy_mj=3.0), False),
        (lambda item: item["extra_info"]["environment"].update(device_uuid="GPU-2"), False),
        (lambda item: item["extra_info"]["environment"].update(device_name="another"), False),
        (lambda item: item["extra_info"]["case"].update(execution="eager"), False),
        (lambda item: item["extra_info"]["visits"].pop(), True),  # what a journal had by then
        (lambda item: item["extra_info"]["visits"][4].update(fast_ms=0.9), True),  # derived of its rounds
        (lambda item: item["extra_info"]["quality"].update(perplexity=31.0), True),
    ],
)
def test_a_copy_has_the_same_values_in_every_visit_on_the_same_device(storage, change, is_copy):
    path = save(storage / NEW, 1, session(1.0))
    document = json.loads(path.read_text())
    document["benchmarks"][0]["extra_info"]["environment"] = {"device_name": "one", "device_uuid": "GPU-1"}
    path.write_text(json.dumps(document))
    changed(path, "0002_other.json", change)
    names, said = all_of(storage)
    assert names == (["0001_run.json"] if is_copy else ["0001_run.json", "0002_other.json"])
    assert len(said) == is_copy


def test_of_copies_the_one_with_most_visits_stays_whichever_is_first(storage):
    path = save(storage / NEW, 2, session(1.0), measured_utc="2026-11-01 10:00 UTC")
    changed(path, "0001_recovered.json", lambda item: item["extra_info"]["visits"].pop())
    assert all_of(storage)[0] == ["0002_run.json"]
    path.rename(path.with_name("0000_run.json"))
    assert last_of(storage)[0] == ["0000_run.json"]  # they began together


def test_older_runs_without_visits_are_told_apart_by_what_pytest_benchmark_saves(storage):
    stats = {"min": 0.9, "max": 1.2, "mean": 1.0, "median": 1.0, "stddev": 0.1, "rounds": 100}
    path = save(storage / NEW, 1, benchmark("fp16", 1.0) | {"stats": stats})
    shutil.copy(path, storage / NEW / "0002_again.json")
    changed(path, "0003_other.json", lambda item: item["stats"].update(mean=1.01))
    assert all_of(storage)[0] == ["0001_run.json", "0003_other.json"]
    for number in (4, 5):
        save(storage / NEW, number, benchmark("fp16", 1.0))  # nothing tells whether these are one
    assert len(all_of(storage)[0]) == 4


FOREIGN = {
    "without a benchmark": {"benchmarks": [], "machine_info": {}, "datetime": "2026-11-30T10:00:00"},
    "another project's": {"benchmarks": [{"name": "sort", "extra_info": {}}], "datetime": "2026-11-30T10:00:00"},
    "no run": {"coverage": 98},
    "half a run": None,
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_run_of_this_suite_is_left_out_unless_it_was_named(storage, command, capsys, kind):
    for number in (1, 2):
        save(storage / NEW, number, session(1 + number / 10), measured_utc=f"2026-11-0{number} 10:00 UTC")
    other = storage / NEW / "0003_other.json"
    other.write_text(
        '{"machine_info": {"measured_utc": "2026-11-30 10:00 UTC"}, "benchm'
        if FOREIGN[kind] is None
        else json.dumps(FOREIGN[kind])
    )
    everything = f"{storage}/*/*"
    for arguments in (
        ["noise"],
        ["history"],
        ["variance"],
        ["report", everything],
        ["compare", everything, "--to", "0002"],
    ):
        assert command(*arguments) == 0, arguments
        said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: left out: ")]
        assert [f"{other} " in line for line in said] == [True] or (kind == "no run" and arguments[0] == "report")
    assert command("report") == 0
    assert "measured 2026-11-02 10:00 UTC" in Path("results/gpt2_benchmark_summary.md").read_text()
    capsys.readouterr()
    assert command("compare", "last:1", "--to", "0002") == 0
    assert str(other) in capsys.readouterr().err
    for arguments in (
        ["report", other],
        ["noise", "0003"],
        ["history", other, "0001"],
        ["compare", "last:1", "--to", other],
    ):
        assert command(*arguments) == 1, arguments
        assert capsys.readouterr().err.startswith(f"error: {other} ")


def test_a_side_of_which_nothing_is_left_is_an_error(storage, command, capsys):
    save(storage / NEW, 1, session(1.0))
    for number in (2, 3):
        (storage / NEW / f"000{number}_other.json").write_text('{"benchmarks": []}')
    for arguments in (["noise", f"{storage}/*/000[23]*"], ["compare", f"{storage}/*/000[23]*", "--to", "0001"]):
        assert command(*arguments) == 1
        assert capsys.readouterr().err.startswith("error: None of the 2 files chosen is a run that can be read: ")
    (storage / NEW / "0001_run.json").unlink()
    assert command("report") == 1
    assert capsys.readouterr().err.startswith("error: None of the 2 files chosen is a run that can be read: ")


def test_of_two_hundred_folders_those_that_are_needed_are_read(storage, monkeypatch):
    for number in range(200):
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)
        save(
            storage / f"machine-{(number * 7) % 200:03d}", 1, session(1 + number / 1e3), measured_utc=f"{moment:{FORM}}"
        )
    reads: dict[Path, int] = {}
    whole: list[Path] = []
    read_bytes = Path.read_bytes

    def counted(path: Path) -> bytes:
        reads[path] = reads.get(path, 0) + 1
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", counted)
    monkeypatch.setattr("analysis.runs.storage.read", lambda path: whole.append(path) or load(path))
    (given,) = storage.glob("machine-193/*.json")  # the last: 199 * 7 is 193 above 200 * 6
    given_run = load(given)
    reads.clear()
    found = Storage(storage, pytest.fail).last(5, besides=[given_run])
    assert [run.benchmarks[0]["extra_info"]["latency"]["median_ms"] for run in found] == [
        pytest.approx(1 + number / 1e3) for number in range(194, 199)
    ]
    assert len(whole) == 5
    assert len(reads) == 199
    assert sum(reads.values()) == 199 + 5
    reads.clear()
    assert len(Storage(storage, pytest.fail).runs([])) == 200
    assert set(reads.values()) == {1}


def test_the_time_of_a_run_is_read_without_its_benchmarks(tmp_path):
    path = tmp_path / "run.json"
    path.write_text('{"machine_info": {"node": {"measured_utc": 1}, "measured_utc": "2026-11-01 10:00 UTC"}, "bench')
    assert moment_in_file(path) == datetime(2026, 11, 1, 10, tzinfo=UTC)
    path.write_text('{"datetime": "2026-11-02T10:00:00", "machine_info": {"measured_utc": "2026-11-01 10:00 UTC"}}')
    assert moment_in_file(path) == datetime(2026, 11, 1, 10, tzinfo=UTC)
    path.write_text('{"machine_info": {"node": "a"}, "datetime": "2026-11-02T10:00:00"}')
    assert moment_in_file(path) == datetime(2026, 11, 2, 10, tzinfo=UTC)
    for nothing in (
        "",
        "[]",
        '{"machine_info": 3}',
        '{"machine_info": {}',
        "{" * 100_000,
        '{"machine_info": ' + "[" * 100_000,
    ):
        path.write_text(nothing)
        assert moment_in_file(path) is None
    assert moment_in_file(tmp_path) is None


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from("ab")), unique=True))
def test_every_run_has_one_place(drawn):
    runs = [
        Dated(Path(f"{number:04}_{name}.json"), datetime(2026, 1, 1 + day, tzinfo=UTC)) for day, number, name in drawn
    ]
    in_order = sorted(runs, key=lambda one: one.place)
    assert [(one.moment, one.path.name) for one in in_order] == sorted((one.moment, one.path.name) for one in runs)


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_commands_work_in_another_storage(tmp_path, storage, command, capsys, form):
    elsewhere = tmp_path / "else where"
    place = form.format(elsewhere)
    for number in (1, 2):
        save(elsewhere / NEW, number, session(1 + number / 10), measured_utc=f"2026-11-0{number} 10:00 UTC")
    for arguments in (
        ["report", "--storage", place],
        ["--storage", place, "report"],
        ["--storage", "nowhere", "history", f"--storage={place}"],
        ["compare", "last:1", "--to", "0002", "--storage", place],
        ["compare", "--storage", place, "0001", "0002"],
        ["noise", "0001", "--storage", place],
        ["variance", "--storage", place],
    ):
        assert command(*arguments) == 0, arguments
    capsys.readouterr()
    assert command("report", "0009", "--storage", place) == 1
    assert f"`pytest-benchmark --storage={elsewhere} list`" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["elasticsearch+http://host/runs/run", "", "file://"])
def test_a_storage_that_is_no_folder_is_a_usage_error(storage, command, capsys, place):
    with pytest.raises(SystemExit) as stopped:
        command("report", "--storage", place)
    assert stopped.value.code == 2
    assert "expected a folder, as a path or after file://" in capsys.readouterr().err


def test_a_journal_is_recovered_into_another_storage(tmp_path, storage, command, capsys):
    elsewhere = tmp_path / "elsewhere"
    for place in (["recover", "--storage", f"file://{elsewhere}"], ["--storage", elsewhere, "recover"]):
        append(Path("results/journal") / f"20261123_101112-{GONE}.jsonl", line("fp32"))
        assert command(*place) == 0
    assert len(list(elsewhere.glob("*/000[12]_recovered_*.json"))) == 2
    assert not storage.exists()
    (tmp_path / "file").touch()
    append(Path("results/journal") / f"20261123_101112-{GONE}.jsonl", line("fp32"))
    assert command("recover", "--storage", "file") == 1
    assert "cannot be written (" in capsys.readouterr().err
