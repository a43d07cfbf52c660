"""Each sequence's loss, kept beside the run: what two runs are compared by, pair by pair."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np

from benchmarks.measure.quality import Scores


def save_scores(path: Path, scores: Scores) -> None:
    """Write `nll_nats` (float64) and `targets` (int64), one entry a sequence, as a compressed .npz file.

    Written under another name and renamed, so that nobody reads half of it. Raises `OSError`.
    """
    serialized = io.BytesIO()
    # Not straight to the file: an archive on a full disk raises once more when it is collected, which nobody can catch.
    np.savez_compressed(serialized, nll_nats=scores.nll_nats.numpy(), targets=scores.targets.numpy())
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(serialized.getvalue())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
