"""Rows of text without padding, for sequences longer than a paragraph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core.errors import InputError
from data_prep import tokens
from data_prep.__main__ import main
from data_prep.datasets.wikitext2 import SPEC
from data_prep.layout import write_dataset
from data_prep.prepare import prepare
from fixtures.dataset.folder import DatasetFolder
from fixtures.dataset.integrity import verify
from fixtures.tasks.language_modeling import TASK
from tests.support.tiny import ORIGINAL_METADATA, tiny_tensors


class Letters:
    """A tokenizer whose ids are the letters' codes."""

    def __call__(self, texts: list[str], add_special_tokens: bool = True, **_: object) -> dict[str, list[list[int]]]:
        start = [ord("<")] if add_special_tokens else []
        return {"input_ids": [start + [ord(letter) for letter in text] for text in texts]}


def packed(texts: list[str], length: int, seed: int = 0) -> list[str]:
    tensors = tokens.packed(texts, Letters(), length, seed)
    assert torch.equal(tensors["labels"], tensors["input_ids"])
    assert tensors["attention_mask"].all()
    return ["".join(map(chr, row)) for row in tensors["input_ids"].tolist()]


def test_rows_are_joined_in_their_order_cut_and_then_shuffled():
    rows = packed(["abc", "defg", "hij", "k"], length=2)
    assert sorted(rows) == ["ab", "cd", "ef", "gh", "ij"]  # k is left over
    assert rows == packed(["abc", "defg", "hij", "k"], length=2)
    assert any(rows != packed(["abc", "defg", "hij", "k"], length=2, seed=seed) for seed in (1, 2, 3))


def test_many_rows_are_tokenized_as_few_are():
    assert sorted(packed(["ab"] * 600, length=4)) == ["abab"] * 300


def test_a_text_too_short_for_one_row_is_one_sentence():
    with pytest.raises(InputError, match="The text has 3 tokens, too few for one row of 4; expected a smaller"):
        packed(["abc"], length=4)


def test_a_packed_dataset_passes_every_check_and_says_that_it_is_packed(tmp_path):
    folder = prepare(SPEC, replace(SPEC.protocol, max_length=512, packed=True), tmp_path / "packed", "always")
    data = DatasetFolder(folder, SPEC)
    assert not [finding for finding in verify(data, TASK.checks).values() if finding.passed is False]
    loaded = data.loaded()
    assert loaded.metadata["packed"] is True
    assert loaded.metadata["padding_ratio"] == 0
    assert loaded.input_ids.shape[1] == 512
    assert len(loaded.input_ids) == loaded.metadata["num_samples"] > 300


@pytest.mark.parametrize(("is_packed", "passed"), [(False, False), (True, None)])
def test_packed_rows_of_the_default_length_are_not_held_against_the_published_digests(tmp_path, is_packed, passed):
    tensors = {name: torch.nn.functional.pad(tensor, (0, 112)) for name, tensor in tiny_tensors().items()}
    write_dataset(tmp_path, tensors, ORIGINAL_METADATA | SPEC.published_metadata | {"packed": is_packed})
    assert verify(DatasetFolder(tmp_path, SPEC), TASK.checks)["published_digests_agree"].passed is passed


def test_a_packed_dataset_takes_no_place_by_itself(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["data_prep", "--packed"])
    with pytest.raises(SystemExit):
        main()
    printed = capsys.readouterr().err
    assert "--packed makes another dataset than the published one; name its folder with --output" in printed


def test_a_dataset_whose_protocol_is_packed_is_packed_without_the_option(monkeypatch):
    packed = replace(SPEC, name="packed-text", protocol=replace(SPEC.protocol, packed=True))
    asked = []
    monkeypatch.setattr(
        "data_prep.prepare.prepare", lambda spec, protocol, *_: asked.append(protocol) or Path("nowhere")
    )
    monkeypatch.setattr("data_prep.__main__.chosen_dataset", lambda: packed)
    monkeypatch.setattr("data_prep.__main__.table", lambda folder, **_: "")
    monkeypatch.setattr("sys.argv", ["data_prep", "--max-length=64"])
    assert main() == 0
    assert (asked[0].packed, asked[0].max_length, asked[0].split) == (True, 64, SPEC.protocol.split)
