"""Rows of text without padding, for sequences longer than a paragraph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import InputError
from data_prep import tokens
from data_prep.__main__ import main
from data_prep.datasets.wikitext2 import SPEC
from data_prep.layout import write_dataset
from data_prep.prepare import prepare
from data_prep.text_bytes import text_bytes
from data_prep.tokenizer import Encoded
from fixtures.dataset.folder import DatasetFolder
from fixtures.dataset.integrity import verify
from fixtures.tasks.language_modeling import TASK
from tests.support.tiny import ORIGINAL_METADATA, tiny_tensors


class Letters:
    """A tokenizer whose ids are the letters' codes, and which puts a sign before every text."""

    prefix, suffix = (ord("<"),), ()

    def encode(self, texts: list[str]) -> list[Encoded]:
        spans = [np.array([(place, place + 1) for place in range(len(text))]) for text in texts]
        bytes_of = [text_bytes(text, of_text, lambda: False) for text, of_text in zip(texts, spans, strict=True)]
        return [Encoded([ord(letter) for letter in text], one) for text, one in zip(texts, bytes_of, strict=True)]

    def unknown_tokens(self, ids: list[int]) -> int:
        return 0


def packed(texts: list[str], length: int, seed: int = 0) -> list[str]:
    rows = tokens.packed(texts, Letters(), length, seed)
    assert torch.equal(rows.labels, rows.input_ids)
    assert rows.attention_mask.all()
    assert rows.text_bytes.eq(1).all()
    return ["".join(map(chr, row)) for row in rows.input_ids.tolist()]


def test_rows_are_joined_in_their_order_cut_and_then_shuffled():
    rows = packed(["abc", "defg", "hij", "k"], length=2)
    assert sorted(rows) == ["ab", "cd", "ef", "gh", "ij"]  # k is left over
    assert rows == packed(["abc", "defg", "hij", "k"], length=2)
    assert any(rows != packed(["abc", "defg", "hij", "k"], length=2, seed=seed) for seed in (1, 2, 3))


@pytest.mark.parametrize(("length", "left_over"), [(2, 1), (3, 2), (11, 0), (6, 5)])
def test_tokens_behind_the_last_whole_row_are_counted(length, left_over):
    assert tokens.packed(["abc", "defg", "hij", "k"], Letters(), length, 0).tokens_truncated == left_over


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
    monkeypatch.setattr("data_prep.__main__.table", lambda *_: "")
    monkeypatch.setattr("sys.argv", ["data_prep", "--max-length=64"])
    assert main() == 0
    assert (asked[0].packed, asked[0].max_length, asked[0].split) == (True, 64, SPEC.protocol.split)
