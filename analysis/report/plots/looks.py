"""How a precision looks: by its name alone, so that it is the same in every picture of every run."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from analysis.report.plots.style import COLOURS, HATCHES, MARKERS, pick

#: The precisions of the suite in the order of `COLOURS` and `HATCHES`.
NAMES = ("fp32", "fp16", "mixed", "bf16", "tf32", "int8", "mixed_bf16", "int8_weights", "fp8")


@dataclass(frozen=True)
class Look:
    """The colour of a precision, the hatch of its bars, and the marker of its points."""

    colour: str
    hatch: str
    marker: str


def look_of(precision: str) -> Look:
    """Return how a precision looks; one that was added has a colour and a hatch that no other of the suite has.

    They follow from its name: two that were added look alike once in ninety times.
    """
    if precision in NAMES:
        number = shift = NAMES.index(precision)
    else:
        digest = zlib.crc32(precision.encode())
        number = digest % len(COLOURS)
        # Colours and hatches of the suite's own have one number: another one is never theirs.
        shift = (number + 1 + digest // len(COLOURS) % (len(HATCHES) - 1)) % len(HATCHES)
    return Look(pick(COLOURS, number), pick(HATCHES, shift), pick(MARKERS, shift))
