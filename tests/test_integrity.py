"""Each way in which a dataset can be wrong is found by the check that is named after it."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.datasets.wikitext2 import SPEC
from data_prep.layout import METADATA_DIGEST, TENSOR_NAMES, tensor_sha256, write_dataset
from fixtures.dataset.batches import TokenizedDataset
from fixtures.dataset.folder import DatasetFolder, IntegrityError
from fixtures.dataset.integrity import verify
from fixtures.tasks.language_modeling import TASK
from tests.json_values import json_values
from tests.tiny import ORIGINAL_METADATA, tiny_tensors


def failed(folder: Path) -> set[str]:
    return {
        name for name, finding in verify(DatasetFolder(folder, SPEC), TASK.checks).items() if finding.passed is False
    }


def edit(folder: Path, name: str, change) -> None:
    tensor = torch.load(folder / f"{name}.pt")
    torch.save(change(tensor), folder / f"{name}.pt")


def set_metadata(folder: Path, **changes: object) -> None:
    path = folder / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def put(row: int, column: int, value: float):
    def change(tensor: torch.Tensor) -> torch.Tensor:
        tensor[row, column] = value
        return tensor

    return change


def test_a_folder_with_the_seven_original_keys_passes(tiny_dataset):
    findings = verify(DatasetFolder(tiny_dataset, SPEC), TASK.checks)
    assert list(findings) == list(TASK.checks)
    assert not failed(tiny_dataset)
    not_made = {name for name, finding in findings.items() if finding.passed is None}
    assert not_made == {"token_totals_agree", "recorded_digests_agree", "published_digests_agree"}
    assert all("does not apply" in findings[name].message for name in not_made)


def ids_above_vocabulary(folder: Path) -> None:
    for name in ("input_ids", "labels"):
        edit(folder, name, put(0, 3, 50_257))


def negative_id(folder: Path) -> None:
    for name in ("input_ids", "labels"):
        edit(folder, name, put(0, 3, -1))


def other_padding(folder: Path) -> None:
    for name in ("input_ids", "labels"):
        edit(folder, name, put(1, 15, 0))


def labels_are_a_pipe(folder: Path) -> None:
    (folder / "labels.pt").unlink()
    os.mkfifo(folder / "labels.pt")


def metadata_is_a_pipe(folder: Path) -> None:
    (folder / "metadata.json").unlink()
    os.mkfifo(folder / "metadata.json")


def nested(levels: int) -> list:
    return json.loads("[" * levels + "7" + "]" * levels)


def published_name(folder: Path) -> None:
    tensors = {"input_ids": torch.full((1940, 128), 7), "attention_mask": torch.ones(1940, 128, dtype=torch.int64)}
    for name in TENSOR_NAMES:
        torch.save(tensors.get(name, tensors["input_ids"]), folder / f"{name}.pt")
    set_metadata(folder, num_samples=1940, max_length=128, dataset_name="wikitext-2")


def published_name_with_a_row_missing(folder: Path) -> None:
    published_name(folder)
    for name in TENSOR_NAMES:
        edit(folder, name, lambda tensor: tensor[:-1].clone())
    set_metadata(folder, num_samples=1939)


@pytest.mark.parametrize(
    ("damage", "check"),
    [
        (lambda folder: edit(folder, "labels", put(0, 0, 5)), "labels_equal_input_ids"),
        (lambda folder: edit(folder, "attention_mask", put(1, 15, 1)), "mask_is_right_padded"),
        (lambda folder: edit(folder, "attention_mask", put(0, 0, 2)), "mask_is_binary"),
        (lambda folder: edit(folder, "attention_mask", put(1, 1, 0)), "sequences_have_a_target"),
        (ids_above_vocabulary, "ids_in_vocabulary"),
        (negative_id, "ids_in_vocabulary"),
        (other_padding, "padding_is_end_of_text"),
        (lambda folder: edit(folder, "input_ids", lambda t: t[:5]), "shapes_agree"),
        (lambda folder: [edit(folder, name, lambda t: t[:0]) for name in TENSOR_NAMES], "shapes_agree"),
        (lambda folder: edit(folder, "input_ids", lambda t: t.float()), "dtypes_are_int64"),
        (lambda folder: edit(folder, "input_ids", lambda t: t.float() * float("nan")), "dtypes_are_int64"),
        (lambda folder: edit(folder, "labels", lambda t: {"labels": t}), "tensors_load"),
        (lambda folder: (folder / "labels.pt").write_bytes(b""), "tensors_load"),
        (lambda folder: os.truncate(folder / "labels.pt", 700), "tensors_load"),
        (lambda folder: (folder / "labels.pt").unlink(), "files_exist"),
        (lambda folder: (folder / "metadata.json").write_text("{"), "metadata_complete"),
        (lambda folder: (folder / "metadata.json").write_text("[1]"), "metadata_complete"),
        (lambda folder: (folder / "metadata.json").write_text('{"seed": 42}'), "metadata_complete"),
        (lambda folder: set_metadata(folder, num_samples=7), "sample_count"),
        (lambda folder: set_metadata(folder, num_samples="6"), "sample_count"),
        (lambda folder: set_metadata(folder, max_length=128), "sequence_length"),
        (lambda folder: set_metadata(folder, task="translation"), "task_agrees"),
        (lambda folder: set_metadata(folder, model="bert"), "model_is_gpt2"),
        (lambda folder: set_metadata(folder, tokens_without_padding=61), "token_totals_agree"),
        (lambda folder: set_metadata(folder, tokens_with_padding=95), "token_totals_agree"),
        (lambda folder: set_metadata(folder, sha256={"labels": "0" * 64}), "recorded_digests_agree"),
        (lambda folder: set_metadata(folder, sha256=[]), "recorded_digests_agree"),
        (lambda folder: set_metadata(folder, sha256={}), "recorded_digests_agree"),
        (lambda folder: set_metadata(folder, dataset_name="two\nlines"), "metadata_complete"),
        (lambda folder: set_metadata(folder, dataset_name="\x1b[31mred"), "metadata_complete"),
        (lambda folder: set_metadata(folder, dataset_name="\ud800"), "metadata_complete"),
        (lambda folder: set_metadata(folder, dataset_name=7), "metadata_complete"),
        (lambda folder: set_metadata(folder, tokenizer="x" * 300), "metadata_complete"),
        (lambda folder: set_metadata(folder, stand_in="false"), "metadata_complete"),
        (lambda folder: set_metadata(folder, seed="42"), "metadata_complete"),
        (lambda folder: set_metadata(folder, seed=True), "metadata_complete"),
        (lambda folder: set_metadata(folder, note=nested(900)), "metadata_complete"),
        (metadata_is_a_pipe, "metadata_complete"),
        (lambda folder: edit(folder, "labels", torch.Tensor.to_sparse), "tensors_load"),
        (lambda folder: edit(folder, "labels", lambda t: t.to("meta")), "tensors_load"),
        (lambda folder: edit(folder, "labels", lambda t: t[:1, :1].clone().expand(6, 16)), "tensors_load"),
        (labels_are_a_pipe, "tensors_load"),
        (published_name, "published_digests_agree"),
        (lambda folder: set_metadata(folder, dataset_name="wikitext-2", max_length=128), "sequence_length"),
        (published_name_with_a_row_missing, "published_digests_agree"),
    ],
)
def test_damage_is_found_by_its_check(tiny_dataset, damage, check):
    damage(tiny_dataset)
    assert check in failed(tiny_dataset)
    message = verify(DatasetFolder(tiny_dataset, SPEC), TASK.checks)[check].message
    assert "found" in message or "without" in message
    assert "expected" in message


@pytest.mark.parametrize(
    ("metadata", "is_prepared_again"),
    [({"dataset_name": "wikitext-2"}, True), ({"stand_in": True}, True), ({"seed": "42"}, True), ({}, False)],
)
def test_only_what_data_preparation_makes_is_to_be_prepared_again(tiny_dataset, metadata, is_prepared_again):
    set_metadata(tiny_dataset, **metadata)
    (tiny_dataset / "labels.pt").unlink()
    message = verify(DatasetFolder(tiny_dataset, SPEC), TASK.checks)["files_exist"].message
    prepare = f"`python -m data_prep --output {tiny_dataset}` writes the dataset again."
    put_back = "Put back the files that it was made with, or name another folder with --dataset-dir."
    assert message.endswith(prepare if is_prepared_again else put_back)


@pytest.mark.parametrize("value", ["x" * 10_000, 10**4000, "\x1b[31m"])
def test_an_odd_value_is_shown_shortly_and_in_one_line(tiny_dataset, value):
    set_metadata(tiny_dataset, num_samples=value)
    message = verify(DatasetFolder(tiny_dataset, SPEC), TASK.checks)["sample_count"].message
    assert message.isprintable()
    assert len(message) < 600 + len(str(tiny_dataset))


def test_totals_and_digests_that_agree_pass(tiny_dataset):
    digests = {name: tensor_sha256(torch.load(tiny_dataset / f"{name}.pt")) for name in TENSOR_NAMES}
    set_metadata(tiny_dataset, tokens_with_padding=96, tokens_without_padding=60, sha256=digests)
    assert failed(tiny_dataset) == set()
    findings = verify(DatasetFolder(tiny_dataset, SPEC), TASK.checks)
    assert findings["token_totals_agree"].passed is True
    assert findings["recorded_digests_agree"].passed is True


class Payload:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("way", ["torch.save", "pickle"])
def test_a_pickle_that_wants_to_run_code_does_not(tiny_dataset, tmp_path, way):
    payload = Payload(tmp_path / "executed")
    if way == "torch.save":
        torch.save(payload, tiny_dataset / "labels.pt")
    else:
        (tiny_dataset / "labels.pt").write_bytes(pickle.dumps(payload))
    assert "tensors_load" in failed(tiny_dataset)
    assert "code, which is not run" in verify(DatasetFolder(tiny_dataset, SPEC), TASK.checks)["tensors_load"].message
    assert not (tmp_path / "executed").exists()


def test_a_small_file_that_unpacks_to_much_is_not_unpacked(tiny_dataset, monkeypatch):
    path = tiny_dataset / "labels.pt"
    with zipfile.ZipFile(path) as stored:
        members = {name: stored.read(name) for name in stored.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as compressed:
        for name, content in members.items():
            compressed.writestr(name, content)
    assert torch.equal(torch.load(path, weights_only=True), tiny_tensors()["labels"])  # PyTorch would unpack it
    unpacked = []
    monkeypatch.setattr(zipfile.ZipFile, "testzip", lambda archive: unpacked.append(Path(archive.filename).name))
    assert failed(tiny_dataset) == {"tensors_load"}
    assert "compressed (" in verify(DatasetFolder(tiny_dataset, SPEC), TASK.checks)["tensors_load"].message
    assert set(unpacked) == {"input_ids.pt", "attention_mask.pt"}


def test_checks_that_cannot_be_made_are_neither_passed_nor_failed(tiny_dataset):
    (tiny_dataset / "labels.pt").write_bytes(b"nothing")
    findings = verify(DatasetFolder(tiny_dataset, SPEC), TASK.checks)
    assert failed(tiny_dataset) == {"tensors_load"}
    assert findings["mask_is_binary"].passed is None
    assert findings["dtypes_are_int64"].passed is None


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=400), data=st.data())
def test_no_bytes_in_a_tensor_file_escape_as_another_error(tmp_path_factory, content, data):
    folder = tmp_path_factory.mktemp("fuzz")
    torch.save(torch.arange(4), folder / "whole.pt")
    whole = (folder / "whole.pt").read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    mixed = data.draw(
        st.sampled_from([content, whole[:start] + content, whole[:start] + content + whole[start + len(content) :]])
    )
    (folder / "input_ids.pt").write_bytes(mixed)
    try:
        loaded = DatasetFolder(folder, SPEC).tensor("input_ids")
    except IntegrityError:
        return
    assert isinstance(loaded, torch.Tensor)


keys = st.sampled_from([*ORIGINAL_METADATA, "stand_in", "sha256", "min_chars", METADATA_DIGEST, "tokens_with_padding"])


@settings(max_examples=150, deadline=None)
@given(changes=st.dictionaries(keys, json_values, max_size=4))
def test_no_value_in_the_metadata_escapes_as_another_error(tmp_path_factory, changes):
    folder = tmp_path_factory.mktemp("fuzz")
    write_dataset(folder, tiny_tensors(), ORIGINAL_METADATA)
    (folder / "metadata.json").write_text(json.dumps(ORIGINAL_METADATA | changes))
    findings = verify(DatasetFolder(folder, SPEC), TASK.checks)
    if any(finding.passed is False for finding in findings.values()):
        return
    dataset = TokenizedDataset(DatasetFolder(folder, SPEC), findings, torch.device("cpu"))
    assert dataset.name.isprintable()
    assert dataset.stand_in in (True, False)
