"""The order of saved runs: by the moments at which their sessions began, across folders."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.comparison.latest import clock_note
from analysis.runs.saved import load, moment_in_file
from analysis.runs.selection import select
from analysis.runs.time_order import FORM, Dated, moment_of
from core.errors import InputError
from tests.support.saved_runs import save
from tests.support.storages import LATENCY, NEW, OLD, all_of, last_of, session

UTC = timezone.utc


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
