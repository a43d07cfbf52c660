"""What differs between runs is said."""

from __future__ import annotations

import pytest

from analysis.comparison.comparability import have_other_texts, other_commands, same_rows, what_is_measured


def test_commands_that_differ_are_given():
    started = [("a", {"command_line": "pytest benchmarks"}), ("b", {"command_line": "pytest benchmarks --rounds=9"})]
    assert other_commands(started) == [
        "the command differs: `pytest benchmarks` in a; `pytest benchmarks --rounds=9` in b."
    ]
    places = "pytest benchmarks --results-dir=/a --benchmark-storage /b --benchmark-autosave -vv -p no:randomly"
    assert other_commands([*started[:1], ("d", {"command_line": places})]) == []
    assert other_commands([*started[:1], ("c", {"command_line": "pytest benchmarks"}), ("older", {})]) == []


def test_options_that_follow_a_place_are_kept():
    command = "pytest --benchmark-autosave benchmarks --results-dir /a --visits 3 'a b'"
    assert what_is_measured(command) == "pytest benchmarks --visits 3 'a b'"
    assert what_is_measured("pytest 'unfinished") == "pytest 'unfinished"


@pytest.mark.parametrize("odd", [[], {}, 3, None])
def test_a_digest_that_is_no_text_is_none(odd):
    found = [{"provenance": {"dataset_sha256": digest}} for digest in ("a", odd, "b")]
    assert have_other_texts(found)
    assert not have_other_texts(found[:2])
    rows = [{"provenance": {"rows_sha256": odd, "tokenizer_sha256": digest}} for digest in ("a", "b")]
    assert not same_rows(rows)
