"""Figures beside published ones: only where weights and protocol are the same."""

from __future__ import annotations

import pytest

from analysis.report.published import published_sentences
from core.errors import InputError
from core.tasks import TASKS_KEY, as_json, tasks_of
from fixtures.tasks import TASKS
from fixtures.tasks.language_modeling.task import PUBLISHED_WEIGHTS
from tests.support.saved_runs import benchmark

WORDS = {name: task.words for name, task in TASKS.items()}


def strided(perplexity: float, weights: str, stride: int = 512) -> dict:
    made = benchmark("fp32", 1.0)
    made["extra_info"]["provenance"]["weights_sha256"] = weights
    made["extra_info"]["quality"]["strided"] = {"perplexity": perplexity, "context": 1024, "stride": stride}
    return made


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (strided(25.17, PUBLISHED_WEIGHTS), "by strides of 512 is 25.17, published 25.19 ("),
        (strided(29.9, PUBLISHED_WEIGHTS, 1024), "by strides of 1024 is 29.9, published 29.94 ("),
        (strided(26.0, PUBLISHED_WEIGHTS), "they differ by +3.2%, expected 1.0% at most."),
        (
            strided(60521.0, "a" * 64),
            "strides of 512 is 25.19 (documentation of Hugging Face transformers",
        ),
    ],
)
def test_the_published_perplexity_stands_beside_that_of_the_same_protocol(item, expected):
    (sentence,) = published_sentences([item, item], WORDS)
    assert expected in sentence


def test_of_another_protocol_or_precision_nothing_is_said():
    assert published_sentences([strided(25.17, PUBLISHED_WEIGHTS, 256), benchmark("fp32", 1.0)], WORDS) == []
    fp16 = strided(25.17, PUBLISHED_WEIGHTS)
    fp16["extra_info"]["case"]["precision"] = "fp16"
    assert published_sentences([fp16], WORDS) == []


def test_accuracy_stands_beside_794_of_872():
    item = benchmark("fp32", 1.0)
    info = item["extra_info"]
    info["case"] |= {"task": "classification"}
    info["quality"] = {"accuracy": 794 / 872, "samples": 872}
    assert "of other weights" in published_sentences([item], WORDS)[0]
    info["provenance"]["model"] = TASKS["classification"].model.default
    assert published_sentences([item], WORDS)[0].endswith("they agree.")


def test_words_are_read_again_as_they_were_saved_and_odd_ones_are_refused():
    saved = as_json(WORDS)
    assert tasks_of({TASKS_KEY: saved}) == WORDS
    for change in ({"published": 1}, {"published": [{"name": "x"}]}, {"headline": "No column"}, {"change_form": "{}"}):
        with pytest.raises(InputError, match="The run"):
            tasks_of({TASKS_KEY: {"language_modeling": saved["language_modeling"] | change}})
    for odd in ([], {}, "text"):
        with pytest.raises(InputError, match="The run's tasks are"):
            tasks_of({TASKS_KEY: odd})
