"""All rounds of a session in one compact file beside its tables: what every figure of time was computed from."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measured_case import MeasuredCase
from core.files import write
from fixtures.dataset.batches import FULL

#: Below the results folder.
FOLDER = "rounds"


def write_rounds(path: Path, cases: Iterable[MeasuredCase]) -> None:
    """Write the timed rounds of each case, one compressed .npz file for all. Raises `OSError`.

    For a case such as fp16-graph the file has `fp16-graph/seconds` (float64), `fp16-graph/visit` (int16, from 1 on) and
    `fp16-graph/full` (bool, whether every mask was all ones), an entry a round in their order. The archive is made in
    memory: one that is written to a full disk raises again when it is garbage-collected, where no caller can catch it.
    """
    arrays: dict[str, Any] = {}
    for case in cases:
        visits = sorted(case.done, key=lambda visit: visit.number)
        numbers = [visit.number for visit in visits for _ in visit.timed.durations_s]
        timed = case.timed
        arrays[f"{case.case.id}/seconds"] = np.array(timed.durations_s, dtype=np.float64)
        arrays[f"{case.case.id}/visit"] = np.array(numbers, dtype=np.int16)
        arrays[f"{case.case.id}/full"] = np.array([variant == FULL for variant in timed.variants], dtype=np.bool_)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, file.getvalue())
