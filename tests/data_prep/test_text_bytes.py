"""Which bytes of a text a token completes, by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.text_bytes import text_bytes, utf8_lengths


def spans(*pairs: tuple[int, int]) -> np.ndarray:
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def completed(text: str, *pairs: tuple[int, int], lossless: bool = False) -> tuple[list[int], list[int]]:
    found = text_bytes(text, spans(*pairs), lambda: lossless)
    return found.completed.tolist(), found.dropped.tolist()


def test_a_byte_belongs_to_the_token_that_completes_its_character():
    """The space and the first byte of the character are one token, its last two bytes another."""
    assert completed("a \u6771.", (0, 1), (1, 3), (2, 3), (3, 4)) == ([1, 1, 3, 1], [])


def test_a_character_of_four_tokens_is_the_last_ones():
    assert completed("\U0001d11e", (0, 1), (0, 1), (0, 1), (0, 1)) == ([0, 0, 0, 4], [])


@pytest.mark.parametrize(
    ("text", "pairs", "of_tokens"),
    [
        (" a b", [(1, 2), (3, 4)], [2, 2]),  # a space in front of its word's token
        ("a  b", [(0, 1), (2, 2), (3, 4)], [1, 1, 2]),  # a token of one space, whose span is empty
        ("a \u00e9 ", [(0, 1), (2, 3), (4, 4)], [1, 3, 1]),
    ],
)
def test_spaces_that_spans_leave_out_belong_to_the_token_that_holds_them(text, pairs, of_tokens):
    assert completed(text, *pairs, lossless=True) == (of_tokens, [])


def test_a_character_without_a_token_is_dropped_before_the_next_one():
    assert completed(" a b ", (1, 2), (3, 4)) == ([1, 1], [0, 1, 2])


def test_a_text_without_tokens_is_dropped_as_a_whole():
    assert completed("ab") == ([], [0, 0])


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_lengths_are_those_of_utf8(text):
    assert utf8_lengths(text).tolist() == [len(character.encode()) for character in text]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30), st.data())
def test_tokens_that_cover_a_text_complete_all_of_its_bytes(text, data):
    cuts = sorted({0, len(text), *data.draw(st.lists(st.integers(0, len(text))))})
    pairs = list(pairwise(cuts))
    found = text_bytes(text, spans(*pairs), lambda: False)
    assert found.completed.tolist() == [len(text[begin:end].encode()) for begin, end in pairs]
