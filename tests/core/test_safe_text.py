"""What anybody has written is shown as text: no character is obeyed, and no markup but code is left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError, first_line
from core.safe_text import escape_formula, markdown, markdown_block, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ± 3 °C, 模型", "plain ± 3 °C, 模型"),
        ("a\nb\tc\u2028d\xa0e", "a b c d e"),
        ("\x1b]0;PWNED\x07\x1b[2J", "\ufffd]0;PWNED\ufffd\ufffd[2J"),
        ("\u202eevil\u202c\u200b\ufeff", "\ufffdevil\ufffd\ufffd\ufffd"),
        ("\udc80\x9b", "\ufffd\ufffd"),
    ],
)
def test_a_line_holds_printable_characters_alone(text, shown):
    assert one_line(text) == shown


def test_a_line_may_have_an_end():
    assert one_line("12345", 5) == "12345"
    assert one_line("123456", 5) == "12345…"


@given(st.text())
def test_any_text_becomes_a_line(text):
    assert one_line(text).isprintable()
    assert markdown(text).isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
        ("<img src=x> & [x](javascript:1)", "&lt;img src=x> &amp; \\[x\\](javascript:1)"),
        ("**bold** _it_ ~~no~~", "\\*\\*bold\\*\\* \\_it\\_ \\~\\~no\\~\\~"),
        ("kl_vs_fp32_nats", "kl_vs_fp32_nats"),
        ("a | b", "a \\| b"),
        ("back\\slash", "back\\\\slash"),
        ("run `python -m x '.[dev]'`", "run `python -m x '.[dev]'`"),
        ("`<b>` but <b>", "`<b>` but &lt;b>"),
        ("`a|b`", "\\`a\\|b\\`"),
        ("one ` and ``two``", "one \\` and \\`\\`two\\`\\`"),
        ("a\n\n# b", "a  # b"),
    ],
)
def test_markdown_has_no_markup_but_code(text, shown):
    assert markdown(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("# big", "\\# big"),
        ("  > quoted", "\\> quoted"),
        ("- item", "\\- item"),
        ("12. item", "12\\. item"),
        ("3) item", "3\\) item"),
        ("5 visits", "5 visits"),
        ("fp16-eager: noisy", "fp16-eager: noisy"),
    ],
)
def test_a_block_of_markdown_begins_no_heading_quotation_or_list(text, shown):
    assert markdown_block(text) == shown


def test_errors_are_one_line():
    assert str(InputError("no\x1b[2J\nfile")) == "no\ufffd[2J file"
    assert first_line(ValueError("\n\x1b[2J\nsecond")) == "\ufffd[2J"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\n"])
def test_text_that_a_spreadsheet_would_compute_gets_an_apostrophe(start):
    assert escape_formula(f"{start}1+1") == f"'{start}1+1"


@pytest.mark.parametrize("cell", ["1=1", "", -1.5, None, True])
def test_other_cells_stay_as_they_are(cell):
    assert escape_formula(cell) is cell
