"""What the file of all rounds holds is what was timed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.instruments.latency.rounds_file import FOLDER, write_rounds
from benchmarks.measured_case import MeasuredCase
from core.case import Case
from fixtures.dataset.batches import FULL, PADDED
from tests.support.timed_cases import case_in_progress, visited

PARTS = ("seconds", "visit", "full")
#: Not exactly representable in fewer than 64 bits, nor in 64.
THIRD = 1 / 3


def timed(case: Case, visits: dict[int, list[tuple[float, str]]]) -> MeasuredCase:
    made = case_in_progress(case=case)
    shares = {FULL: 0.5, PADDED: 0.5}
    made.visits = [visited(number, rounds, shares) for number, rounds in visits.items()]
    return made


#: The visits of the first are not in their order, and the second one failed.
RUNS = [
    timed(Case("fp16", "graph"), {3: [(THIRD, PADDED)], 1: [(0.25, FULL), (1e-7, PADDED), (0.5, PADDED)]}),
    timed(Case("fp32", "eager", batch_size=8, sequence_length=64), {2: [(2.0, FULL)]}),
]


def written(folder: Path, runs: list[MeasuredCase]) -> dict[str, np.ndarray]:
    """Write a file and read it as somebody would who trusts nobody."""
    path = folder / FOLDER / "rounds.npz"
    write_rounds(path, runs)
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def test_what_is_written_reads_back(tmp_path):
    arrays = written(tmp_path, RUNS)
    assert {name: array.tolist() for name, array in arrays.items()} == {
        "fp16-graph/seconds": [0.25, 1e-7, 0.5, THIRD],
        "fp16-graph/visit": [1, 1, 1, 3],
        "fp16-graph/full": [True, False, False, False],
        "fp32-eager-b8x64/seconds": [2.0],
        "fp32-eager-b8x64/visit": [2],
        "fp32-eager-b8x64/full": [True],
    }


@pytest.mark.parametrize("runs", [RUNS, [timed(Case("fp16", "graph"), {})]])
def test_every_array_has_its_type_even_where_nothing_was_timed(tmp_path, runs):
    arrays = written(tmp_path, runs)
    types = dict(zip(PARTS, (np.float64, np.int16, np.bool_), strict=True))
    assert {name: array.dtype for name, array in arrays.items()} == {
        f"{run.case.id}/{part}": np.dtype(types[part]) for run in runs for part in PARTS
    }
    assert all(array.ndim == 1 for array in arrays.values())


def test_one_file_is_written_and_one_that_was_there_is_replaced(tmp_path):
    written(tmp_path, RUNS)
    assert set(written(tmp_path, RUNS[1:])) == {f"fp32-eager-b8x64/{part}" for part in PARTS}
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["rounds.npz"]


def test_many_alike_rounds_take_little_room(tmp_path):
    path = tmp_path / "rounds.npz"
    write_rounds(path, [timed(Case("fp16", "graph"), {1: [(0.001, FULL)] * 10_000})])
    assert path.stat().st_size < 10_000  # 110,000 bytes uncompressed


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path):
    (tmp_path / FOLDER).write_text("a file where the folder belongs")
    with pytest.raises(OSError, match=FOLDER):
        write_rounds(tmp_path / FOLDER / "rounds.npz", RUNS)
