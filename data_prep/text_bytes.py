"""Which bytes of a text a token completes: what bits per byte are divided by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: The first characters that take two, three and four bytes. Source: RFC 3629, section 3.
FIRST_OF_MORE_BYTES = (0x80, 0x800, 0x10000)
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TextBytes:
    """The UTF-8 bytes of a text, token by token.

    `completed` int64 [tokens]: the bytes of the characters whose last token it is; several tokens may make up one
    character. `dropped` int64 [dropped characters]: for each character that no token stands for, the first token
    behind it, or the number of tokens where none is.
    """

    completed: Integers
    dropped: Integers


def text_bytes(text: str, spans: Integers, is_lossless: Callable[[], bool]) -> TextBytes:
    """Return the bytes of a text by tokens, whose characters are `spans`, int64 [tokens, 2], begin and end of each.

    Some tokenizers leave surrounding spaces out of the span of a token that holds them. Where `is_lossless` says that
    the ids give the text again, a character in no span belongs to the first token that ends behind it.
    """
    owners = np.full(len(text), -1, dtype=np.int64)
    for token, (begin, end) in enumerate(spans.tolist()):
        owners[begin:end] = token  # a later token of the same character completes it
    gaps = np.flatnonzero(owners < 0)
    following = np.searchsorted(np.maximum.accumulate(spans[:, 1]), gaps, side="right")
    if len(gaps) and is_lossless():
        owners[gaps] = np.minimum(following, len(spans) - 1)
        following = following[:0]
    has_owner = owners >= 0
    completed = np.bincount(owners[has_owner], weights=utf8_lengths(text)[has_owner], minlength=len(spans))
    return TextBytes(completed.astype(np.int64), following)


def utf8_lengths(text: str) -> Integers:
    """Return the number of UTF-8 bytes of each character of a text, int64 [characters]."""
    code_points = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    lengths: Integers = np.searchsorted(FIRST_OF_MORE_BYTES, code_points, side="right") + 1
    return lengths
