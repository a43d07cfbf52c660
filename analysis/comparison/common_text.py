"""Two models with different tokenizers on the same text: bits per byte of the characters that both predict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import first_line
from core.guards import UNREADABLE_ARRAYS
from core.metrics import lookup
from core.statistics.ratios import Floats, RatioChange, ratio_change

#: What the figure is called, and what heads it in tables.
COMMON, COMMON_HEADING = "bits_per_byte_common", "bits/byte of common text"
TOKENIZER, TOKENIZER_NAME = "provenance.tokenizer_sha256", "provenance.tokenizer"
ROWS, FIGURE = "provenance.rows_sha256", "quality.bits_per_byte"


@dataclass(frozen=True)
class CommonBits:
    """Bits per byte of two sides over the characters that both predict; None with the reason where unknown."""

    before: float | None
    after: float | None
    change: RatioChange | None
    reason: str | None = None


@dataclass(frozen=True)
class Targets:
    """The targets of one model: each one's loss in nats, the bytes that it completes, and the sequence it is in.

    `begin` and `end` int64 [targets]: the bytes of the sequence's text between which its characters lie.
    """

    nll_nats: Floats
    text_bytes: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    begin: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    #: int64 [sequences]: the bytes between which the model predicts all characters.
    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]


def have_other_tokens(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Tell whether two benchmarks, by their `extra_info`, are of texts in the tokens of different tokenizers.

    Generated tokens have no digest: where one side has none, the tokenizers' names tell.
    """
    digests, names = ([lookup(one, path) for one in (first, second)] for path in (TOKENIZER, TOKENIZER_NAME))
    known = names if None in digests else digests
    return None not in known and known[0] != known[1]


def is_told_in_bits(extra_info: Mapping[str, Any]) -> bool:
    """Tell whether a benchmark has, or misses with a reason, bits per byte: its figures of quality are of tokens."""
    return lookup(extra_info, FIGURE) is not None or lookup(extra_info, f"{FIGURE}_reason") is not None


def common_bits(before: Mapping[str, Any], after: Mapping[str, Any]) -> CommonBits:
    """Return bits per byte of two benchmarks, by their `extra_info`, over the characters that both predict.

    A target counts where all of its characters are predicted on the other side too, wherever its tokens begin and end.
    """
    for side in (before, after):
        if lookup(side, FIGURE) is None:
            return CommonBits(None, None, None, str(lookup(side, f"{FIGURE}_reason") or "a side has no bits per byte"))
    rows = [lookup(side, ROWS) for side in (before, after)]
    if None in rows or rows[0] != rows[1]:
        return CommonBits(None, None, None, "the sides are not known to have the same rows of text")
    try:
        sides = [read_targets(Path(str(lookup(side, "quality.per_target_file")))) for side in (before, after)]
    except UNREADABLE_ARRAYS as error:
        return CommonBits(None, None, None, f"the figures of each target cannot be read ({first_line(error)})")
    count = min(len(side.first) for side in sides)
    first, last = (
        reduce([getattr(side, name)[:count] for side in sides])
        for reduce, name in ((np.maximum.reduce, "first"), (np.minimum.reduce, "last"))
    )
    sums = [sums_within(side, first, last) for side in sides]
    if min(float(part.sum()) for side in sums for part in side) <= 0:
        return CommonBits(None, None, None, "the sides predict no characters in common")
    ratios = [float(above.sum() / below.sum()) for above, below in sums]
    return CommonBits(ratios[0], ratios[1], ratio_change(sums[0], sums[1]))


def read_targets(path: Path) -> Targets:
    """Read a file of each target's figures. Raises one of `UNREADABLE_ARRAYS`."""
    if path.suffix != ".npz" or not path.is_file():  # to read a pipe would wait for ever
        raise OSError(f"no such file: {path}")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        nll_nats, text_bytes, targets, before = (
            arrays[name] for name in ("nll_nats", "text_bytes", "targets", "bytes_before")
        )
    kinds = [nll_nats.dtype.kind, *(part.dtype.kind for part in (text_bytes, targets, before))]
    if kinds != ["f", "i", "i", "i"] or not np.isfinite(nll_nats).all() or min(text_bytes.min(), before.min()) < 0:
        raise ValueError(f"{path} holds something else than losses, bytes and numbers of targets")
    text_bytes, targets, before = (part.astype(np.int64) for part in (text_bytes, targets, before))
    if not len(nll_nats) == len(text_bytes) == targets.sum() or len(targets) != len(before) or targets.min() < 0:
        raise ValueError(f"{path} has {len(nll_nats)} losses for {targets.sum()} targets")
    row = np.repeat(np.arange(len(targets)), targets)
    ends_of_rows = np.cumsum(targets)
    total = np.concatenate([[0], np.cumsum(text_bytes)])
    origin = before - total[ends_of_rows - targets]  # of the bytes counted over all rows, those of other rows
    end = total[1:] + origin[row]
    begin = end - text_bytes
    # A token that completes no character belongs to one that a later token of its row completes, or that is cut off.
    completing = np.where(text_bytes > 0, np.arange(len(text_bytes)), len(text_bytes))
    following = np.minimum.accumulate(completing[::-1])[::-1]
    is_open = (following == len(text_bytes)) | (following >= ends_of_rows[row])
    end = np.where(is_open, np.iinfo(np.int64).max, end[np.minimum(following, len(end) - 1)])
    return Targets(nll_nats.astype(np.float64), text_bytes, row, begin, end, before, total[ends_of_rows] + origin)


def sums_within(side: Targets, first: npt.NDArray[np.int64], last: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the bits and the bytes of the targets that lie within `first` and `last` of their rows, float64 [rows]."""
    is_compared = side.row < len(first)
    row = np.where(is_compared, side.row, 0)
    is_within = is_compared & (side.begin >= first[row]) & (side.end <= last[row])
    chosen = side.row[is_within]
    bits, text_bytes = np.zeros(len(first)), np.zeros(len(first))
    np.add.at(bits, chosen, side.nll_nats[is_within] / math.log(2))
    np.add.at(text_bytes, chosen, side.text_bytes[is_within])
    return bits, text_bytes
