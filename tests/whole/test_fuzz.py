"""Whatever others may have written: a corpus of small changes, seeds that once failed, and a minute of random ones."""

from __future__ import annotations

import json
import random

import pytest

from core.metrics import Metric, lookup
from tests.fuzz import fuzz, own_folder, tried
from tests.support import fuzzed
from tests.support.fuzzed import TARGETS, FuzzError
from tests.support.mutations import STEERING, changed, damaged, random_changes
from tests.support.tiny import REPOSITORY

#: What is changed, in places of an input that is whole, and what has to become of it.
CORPUS = json.loads((REPOSITORY / "tests" / "data" / "fuzz.json").read_text())
#: Of inputs that once failed, as long as the run that they change stays as it is.
SEEDS = ("0-337",)


@pytest.mark.parametrize("target", TARGETS)
def test_an_input_that_nobody_changed_is_read(target):
    with own_folder():
        assert TARGETS[target](random.Random(0), []) in ("read", "recovered")


@pytest.mark.parametrize("entry", CORPUS, ids=lambda entry: f"{entry['of']}: {entry['what']}")
def test_each_of_the_corpus_is_read_or_refused(entry, monkeypatch):
    monkeypatch.setattr(fuzzed, "COMMANDS", fuzzed.COMMANDS[:7:2])
    with own_folder():
        assert TARGETS[entry["of"]](random.Random(0), entry["changes"]) == entry["outcome"]


@pytest.mark.parametrize("seed", SEEDS)
def test_each_seed_that_once_failed_has_an_answer(seed):
    assert tried(seed)[2] is None


@pytest.mark.slow
def test_a_minute_of_random_inputs_has_no_uncaught_error_no_steering_character_and_no_impossible_value():
    tallies, failed = fuzz(60, seed=1)
    assert not failed, "\n".join(f"seed {seed}:\n{report}" for seed, report in failed)
    assert all(tallies[target].total() for target in TARGETS)


def test_a_seed_makes_the_same_input_again():
    document = {"a": [1, {"b": "c"}], "d": 2.5}
    made = [
        (changed(document, random_changes(one, document)), damaged(one, b"abcdef" * 10))
        for one in (random.Random(7), random.Random(7))
    ]
    assert repr(made[0]) == repr(made[1])
    assert document == {"a": [1, {"b": "c"}], "d": 2.5}


def test_places_are_changed_and_taken_away():
    document = {"a": [1, 2], "b": {"c": 3}}
    assert changed(document, [[["a", 0], -1], [["b", "c"], "DELETED"], [["x", "y"], 1]]) == {"a": [-1, 2], "b": {}}


REASONS = [[["benchmarks", 0, "extra_info", "validity", "reasons"], [STEERING]]]
LATENCY = [[["benchmarks", 0, "extra_info", "latency", "median_ms"], -1.0]]


def test_markup_that_is_left_is_seen(monkeypatch):
    monkeypatch.setattr(fuzzed, "COMMANDS", [["report", "new.json"], ["noise", "new.json"]])
    monkeypatch.setattr("analysis.report.writer.markdown_block", str)
    with own_folder(), pytest.raises(FuzzError, match="holds markup"):
        fuzzed.of_run(random.Random(0), REASONS)


def test_a_character_that_is_left_is_seen(monkeypatch):
    monkeypatch.setattr("core.guards.one_line", lambda text, most=None: text)
    monkeypatch.setattr(fuzzed, "COMMANDS", [["report", "new.json"], ["noise", "new.json"]])
    with own_folder(), pytest.raises(FuzzError, match="holds"):
        fuzzed.of_run(random.Random(0), REASONS)


def test_an_impossible_value_that_is_accepted_is_seen(monkeypatch):
    monkeypatch.setattr(Metric, "impossible", lambda *_: None)
    monkeypatch.setattr(Metric, "value", lambda metric, info: lookup(info, metric.path))
    with own_folder(), pytest.raises(FuzzError, match="is accepted"):
        fuzzed.of_run(random.Random(0), LATENCY)


def test_an_error_that_nobody_catches_is_seen(monkeypatch):
    monkeypatch.setitem(TARGETS, "run", lambda _: [][0])
    outcomes = [tried(str(number)) for number in range(40)]
    assert {outcome for name, outcome, _ in outcomes if name == "run"} == {"failed: IndexError"}
    assert all("IndexError" in str(report) for name, _, report in outcomes if name == "run")
