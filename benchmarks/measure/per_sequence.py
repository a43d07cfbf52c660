"""Each sequence's loss, kept beside the run: what two runs are compared by, pair by pair."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from benchmarks.measure.quality import Scores


def save_scores(path: Path, scores: Scores) -> None:
    """Write `nll_nats` (float64) and `targets` (int64), one entry a sequence, as a compressed .npz file.

    Written under another name and renamed, so that nobody reads half of it. Raises `OSError`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as handle:
            np.savez_compressed(handle, nll_nats=scores.nll_nats.numpy(), targets=scores.targets.numpy())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
