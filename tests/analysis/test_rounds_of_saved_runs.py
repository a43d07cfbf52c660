"""The file of rounds that an earlier run is derived from: where it is found, and what is no such file."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from analysis.runs.estimator import derived, from_its_rounds, read
from analysis.runs.saved import load
from core.case import case_of
from tests.support.derived_runs import archive_of, arrays, as_derived, as_saved, of_case, path_of, rounds_of

NAME = "fp16-graph"


def test_rounds_of_another_session_change_no_benchmark():
    assert derived(as_saved(0), io.BytesIO(rounds_of(1))).benchmarks == as_saved(0).benchmarks


@pytest.mark.parametrize("part", ["seconds", "visit", "full"])
def test_a_case_that_lacks_an_array_stays_as_it_was_and_the_others_are_derived(part):
    found = derived(as_saved(), archive_of({key: of for key, of in arrays().items() if key != f"{NAME}/{part}"}))
    for before, after, whole in zip(as_saved().benchmarks, found.benchmarks, as_derived().benchmarks, strict=True):
        assert after == (before if case_of(before).id == NAME else whole)


@pytest.mark.parametrize("of", [slice(1, None), 0, (slice(None), None)], ids=["shorter", "one number", "a table"])
@pytest.mark.parametrize("part", ["seconds", "visit", "full"])
def test_arrays_of_another_shape_change_nothing_of_their_case(part, of):
    found = derived(as_saved(), archive_of(arrays() | {f"{NAME}/{part}": arrays()[f"{NAME}/{part}"][of]}))
    assert of_case(found, NAME) == of_case(as_saved(), NAME)


@pytest.mark.parametrize("kind", ["str", "datetime64[s]", "V8"])
def test_seconds_that_are_no_numbers_change_nothing_of_their_case(kind):
    seconds = arrays()[f"{NAME}/seconds"]
    found = derived(as_saved(), archive_of(arrays() | {f"{NAME}/seconds": np.zeros(len(seconds)).astype(kind)}))
    assert of_case(found, NAME) == of_case(as_saved(), NAME)


@pytest.mark.parametrize("factor", [-1.0, 0.0, np.nan, np.inf, 1.001])
def test_other_seconds_change_nothing_of_their_case(factor):
    seconds = arrays()[f"{NAME}/seconds"]
    found = derived(as_saved(), archive_of(arrays() | {f"{NAME}/seconds": factor * seconds}))
    assert of_case(found, NAME) == of_case(as_saved(), NAME)
    assert of_case(found, "fp32-graph") == of_case(as_derived(), "fp32-graph")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04" * 20, b"\x80\x04K\x01."])
def test_a_file_that_is_no_archive_changes_nothing(content):
    assert derived(as_saved(), io.BytesIO(content)) == as_saved()


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_a_part_of_an_archive_changes_nothing(share):
    content = rounds_of()
    assert derived(as_saved(), io.BytesIO(content[: int(share * len(content))])) == as_saved()


def test_a_single_array_is_no_archive_and_changes_nothing():
    file = io.BytesIO()
    np.save(file, arrays()[f"{NAME}/seconds"])
    file.seek(0)
    assert derived(as_saved(), file) == as_saved()


@given(st.integers(0, 10**9), st.integers(1, 255))
@example(200, 255)  # among the compressed bytes of the first array
def test_a_damaged_byte_never_makes_another_figure(place, change):
    content = bytearray(rounds_of())
    content[place % len(content)] ^= change
    found = derived(as_saved(), io.BytesIO(bytes(content))).benchmarks
    for item, saved, whole in zip(found, as_saved().benchmarks, as_derived().benchmarks, strict=True):
        assert item in (saved, whole)


class Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_an_archive_with_pickled_objects_is_not_unpickled(tmp_path):
    name = case_of(as_saved().benchmarks[0]).id  # the first that is read
    seconds = arrays()[f"{name}/seconds"]
    hostile = np.array([Hostile(tmp_path / "hostile")] * len(seconds), dtype=object)
    file = archive_of(arrays() | {f"{name}/seconds": hostile})
    assert of_case(derived(as_saved(), file), name) == of_case(as_saved(), name)
    assert not (tmp_path / "hostile").exists()
    with np.load(file, allow_pickle=True) as archive:
        archive[f"{name}/seconds"]
    assert (tmp_path / "hostile").exists()  # it would have been made


@pytest.fixture
def kept(tmp_path):
    """Write a committed session to a folder, the name of its rounds, and its rounds to a place in the folder."""

    def write(folder: str, number: int, named: object, place: str = "rounds/0001.npz") -> Path:
        path, file = tmp_path / folder / "0001.json", tmp_path / folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        document = json.loads(path_of(number).read_text())
        document["machine_info"]["rounds_file"] = named
        path.write_text(json.dumps(document))
        file.write_bytes(rounds_of(number))
        return path

    return write


def test_the_rounds_are_found_beside_the_run_and_by_a_path_of_their_own(kept, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    beside = kept("a", 0, "rounds/0001.npz")
    by_path = kept("b", 0, str(tmp_path / "b" / "elsewhere" / "r.npz"), "elsewhere/r.npz")
    from_here = kept("c", 0, "c/elsewhere/r.npz", "elsewhere/r.npz")
    for path in (beside, by_path, from_here):
        assert read(path).benchmarks == as_derived().benchmarks


def test_rounds_of_another_session_in_the_working_directory_hide_none_beside_the_run(kept, tmp_path, monkeypatch):
    kept("another", 1, "rounds/0001.npz")
    path = kept("own", 0, "rounds/0001.npz")
    monkeypatch.chdir(tmp_path / "another")
    assert read(path).benchmarks == as_derived().benchmarks


def test_a_run_that_is_derived_already_needs_no_rounds():
    assert from_its_rounds(as_derived()) == as_derived()


@pytest.mark.parametrize("named", [None, "gone.npz", "rounds", "a\0b", 7, ["rounds/0001.npz"], ""])
def test_a_run_whose_rounds_are_not_there_is_read_as_it_was_saved(kept, named):
    path = kept("a", 0, named)
    assert read(path) == load(path)
    assert read(path).benchmarks == as_saved().benchmarks
