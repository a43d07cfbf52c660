"""What differs between runs is said."""

from __future__ import annotations

from analysis.comparison.comparability import other_commands


def test_commands_that_differ_are_given():
    started = [("a", {"command_line": "pytest benchmarks"}), ("b", {"command_line": "pytest benchmarks --rounds=9"})]
    assert other_commands(started) == [
        "the command differs: `pytest benchmarks` in a; `pytest benchmarks --rounds=9` in b."
    ]
    assert other_commands([*started[:1], ("c", {"command_line": "pytest benchmarks"}), ("older", {})]) == []
