"""One bit flipped in a dataset file, wherever it is, is noticed or changes nothing that is used."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from data_prep.datasets import sst2, wikitext2
from data_prep.datasets.spec import DatasetSpec
from data_prep.layout import (
    FILE_NAMES,
    METADATA_DIGEST,
    TENSOR_NAMES,
    metadata_sha256,
    tensor_sha256,
    write_dataset,
)
from fixtures.dataset.folder import DatasetFolder
from fixtures.dataset.integrity import verify
from fixtures.tasks import TASKS
from fixtures.tasks.task import Task
from tests.test_classification import METADATA
from tests.test_classification import tensors as sentences
from tests.tiny import ORIGINAL_METADATA, tiny_tensors

FLIPS = 200


@dataclass(frozen=True)
class Kind:
    """A tiny dataset of a task, as data preparation writes it."""

    spec: DatasetSpec
    task: Task
    tensors: Callable[[], dict[str, torch.Tensor]]
    original: dict[str, Any]

    @property
    def metadata(self) -> dict[str, Any]:
        """With digests of the tensors, and of itself."""
        digests = {name: tensor_sha256(tensor) for name, tensor in self.tensors().items()}
        facts = self.original | {"stand_in": True, "source": "generated", "padding_ratio": 0.375, "sha256": digests}
        return facts | {METADATA_DIGEST: metadata_sha256(facts)}


TEXT = Kind(wikitext2.SPEC, TASKS["language_modeling"], tiny_tensors, ORIGINAL_METADATA)
SENTENCES = Kind(sst2.SPEC, TASKS["classification"], sentences, METADATA)


def is_noticed(folder: Path, kind: Kind = TEXT) -> bool:
    return any(found.passed is False for found in verify(DatasetFolder(folder, kind.spec), kind.task.checks).values())


def used(folder: Path, kind: Kind) -> tuple[list[torch.Tensor], dict[str, Any]]:
    """What benchmarks and tables take from a folder: the tensors and every fact but the digest of the others."""
    *tensors, metadata = DatasetFolder(folder, kind.spec).loaded()
    return tensors, {key: metadata.get(key) for key in kind.metadata if key != METADATA_DIGEST}


def flips(content: bytes, seed: int) -> list[bytes]:
    """Copies of a file, each with one random bit flipped."""
    flipped = []
    for position in random.Random(seed).sample(range(8 * len(content)), FLIPS):
        changed = bytearray(content)
        changed[position // 8] ^= 1 << position % 8
        flipped.append(bytes(changed))
    return flipped


def unnoticed(folder: Path, file: str, kind: Kind) -> list[bytes]:
    """The flips in a file that no check notices; the file is as it was afterwards."""
    content, found = (folder / file).read_bytes(), []
    for changed in flips(content, seed=FILE_NAMES.index(file)):
        (folder / file).write_bytes(changed)
        if not is_noticed(folder, kind):
            found.append(changed)
    (folder / file).write_bytes(content)
    return found


@pytest.mark.parametrize("file", FILE_NAMES)
@pytest.mark.parametrize("kind", [TEXT, SENTENCES], ids=["text", "sentences"])
def test_a_flipped_bit_is_noticed_or_changes_nothing_that_is_used(tmp_path, kind, file):
    folder = tmp_path / "data"
    write_dataset(folder, kind.tensors(), kind.metadata)
    assert not is_noticed(folder, kind)
    tensors, facts = used(folder, kind)
    missed = unnoticed(folder, file, kind)
    assert len(missed) < FLIPS / 2  # the others lie in an archive's padding, dates and alike
    for changed in missed:
        (folder / file).write_bytes(changed)
        found, found_facts = used(folder, kind)
        assert [tensor_sha256(tensor) for tensor in found] == [tensor_sha256(tensor) for tensor in tensors]
        assert found_facts == facts


@pytest.mark.parametrize("name", TENSOR_NAMES)
def test_a_flipped_bit_in_a_tensor_is_noticed_in_a_folder_that_records_no_digests(tiny_dataset, name):
    path = tiny_dataset / f"{name}.pt"
    content = path.read_bytes()
    stored = tiny_tensors()[name].numpy().tobytes()
    start = content.index(stored)
    for bit in random.Random(5).sample(range(8 * len(stored)), FLIPS):
        changed = bytearray(content)
        changed[start + bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        assert is_noticed(tiny_dataset), bit


@pytest.mark.parametrize("key", ["stand_in", "dataset_name", "seed", "source", "padding_ratio"])
def test_a_fact_that_was_edited_is_noticed(tmp_path, key):
    for changed in (TEXT.metadata | {key: 7}, {name: value for name, value in TEXT.metadata.items() if name != key}):
        write_dataset(tmp_path / "data", tiny_tensors(), changed)
        assert is_noticed(tmp_path / "data")


def test_the_digest_of_metadata_depends_on_neither_the_order_of_keys_nor_itself():
    facts = TEXT.metadata
    backwards = dict(reversed(facts.items()))
    assert metadata_sha256(backwards) == metadata_sha256(facts) == facts[METADATA_DIGEST]
    # printf '{"a": "\\u00e9", "b": 1}' | sha256sum
    expected = "d73913efb309b5986cdc9592ec8697c5a024c2240ce3217cf777d396c4e383ad"
    assert metadata_sha256({"b": 1, METADATA_DIGEST: "x", "a": "\u00e9"}) == expected
