"""Copies of a saved run count once, and are never the last of themselves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.saved_runs import benchmark, save
from tests.support.storages import LATENCY, NEW, all_of, last_of, session


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
