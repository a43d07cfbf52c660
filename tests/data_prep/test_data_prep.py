"""Text to tokens on disk: the protocol, the files, and what happens when something breaks on the way."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from core.errors import InputError
from data_prep import hub, stand_in, text
from data_prep.__main__ import chosen_dataset, main
from data_prep.datasets.wikitext2 import PADDING_ID, SPEC, VOCABULARY_SIZE
from data_prep.layout import METADATA_DIGEST, metadata_sha256, tensor_sha256, write_dataset
from data_prep.prepare import prepare
from data_prep.stand_in import END_OF_TEXT
from data_prep.tokenizer import load_tokenizer
from fixtures.dataset.folder import DatasetFolder
from fixtures.dataset.integrity import verify
from fixtures.tasks.language_modeling import TASK
from tests.support.tiny import ORIGINAL_METADATA, REPOSITORY, tiny_tensors


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(SPEC, None, tmp_path_factory.mktemp("generated") / "data", "always")


@pytest.fixture(scope="module")
def small_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    stand_in.tokenizer(stand_in.text(0).rows.select(range(5)), 50_256).save_pretrained(folder)
    return folder


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No hub answers and nothing is cached."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr("data_prep.hub.ask", lambda endpoint: "Name or service not known")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "no-cache")
    hub.unreachable_reason.cache_clear()
    yield
    hub.unreachable_reason.cache_clear()


def run_main(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["data_prep", *arguments])
    return main()


def test_generated_data_has_the_shape_of_the_real_data(generated):
    tensors = {name: torch.load(generated / f"{name}.pt") for name in ("input_ids", "attention_mask", "labels")}
    assert tensors["input_ids"].shape == (1940, 128)
    lengths = tensors["attention_mask"].sum(dim=1)
    assert int((lengths == 128).sum()) == 980
    assert int(lengths.min()) >= 10
    padding_ratio = 1 - int(lengths.sum()) / lengths.numel() / 128
    assert padding_ratio == pytest.approx(0.203, abs=0.01)
    assert int(tensors["input_ids"].max()) == PADDING_ID < VOCABULARY_SIZE
    assert not int((tensors["input_ids"][tensors["attention_mask"] == 1] == PADDING_ID).sum())
    assert [
        name for name, finding in verify(DatasetFolder(generated, SPEC), TASK.checks).items() if not finding.passed
    ] == [
        "tokenizer_is_the_models",  # do not apply
        "published_digests_agree",
    ]


def test_generated_data_says_so(generated):
    metadata = json.loads((generated / "metadata.json").read_text())
    assert metadata["stand_in"] is True
    assert metadata["dataset_name"] == "stand-in"
    assert metadata["tokenizer"] == "stand-in"
    assert metadata_sha256(metadata) == metadata[METADATA_DIGEST]


def test_generated_text_depends_on_its_seed_alone():
    assert stand_in.text(1).rows["text"][:9] == stand_in.text(1).rows["text"][:9]
    assert stand_in.text(1).rows["text"][:9] != stand_in.text(2).rows["text"][:9]


def test_only_a_newline_ends_a_row_and_stays_in_it(tmp_path):
    file = tmp_path / "lines.txt"
    file.write_bytes("one\u2028still one\x0b\x85here\r\n \ntwo".encode())
    assert text.from_file(SPEC, file).rows["text"][:] == ["one\u2028still one\x0b\x85here\r\n", " \n", "two"]


def test_rows_are_kept_by_their_length_without_surrounding_space():
    rows = text.datasets.Dataset.from_dict({"text": [" " * 60, "x" * 51 + "\n", "y" * 50 + "  \n"]})
    assert text.select_rows(rows, min_chars=50)["text"][:] == ["x" * 51 + "\n"]


def test_digest_is_of_little_endian_int64_bytes_in_c_order():
    expected = hashlib.sha256(bytes([1, *[0] * 7, 2, *[0] * 7, 3, *[0] * 7, 4, *[0] * 7])).hexdigest()
    assert tensor_sha256(torch.tensor([[1, 2], [3, 4]])) == expected
    assert tensor_sha256(torch.tensor([[1, 3], [2, 4]]).T) == expected


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--max-length", "1"], "'1' is not a whole number from 2 to 65,536"),
        (["--max-length", "1" + "0" * 30], "is not a whole number from 2 to 65,536"),
        (["--seed", "-1"], "'-1' is not a whole number from 0 to"),
        (["--seed", "\u00b2"], "is not a whole number from 0 to"),
        (["--stand-in", "always", "--text-file", "x"], "leave --text-file out"),
        (["--stand-in", "always", "--tokenizer", "x"], "leave --tokenizer out"),
        (["--dataset", ""], "argument --dataset: is empty; expected a name"),
    ],
)
def test_options_that_make_no_sense_are_usage_errors(monkeypatch, capsys, arguments, sentence):
    with pytest.raises(SystemExit) as ended:
        run_main(monkeypatch, *arguments)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("vocab.json", b'{"a": "b"}'),
        ("merges.txt", b"\xff\xfe"),
        ("tokenizer_config.json", b"[]"),
        ("tokenizer.json", b"{}"),
        ("tokenizer.json", b"null"),
        ("tokenizer.json", b"[" * 100_000),
        ("tokenizer_config.json", b'{"tokenizer_class": "MarianTokenizer"}'),
    ],
)
def test_a_damaged_tokenizer_is_one_sentence(tmp_path, file, content):
    (tmp_path / "vocab.json").write_text(json.dumps({"a": 0, "b": 1, "ab": 2, END_OF_TEXT: 3}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GPT2Tokenizer"}))
    assert load_tokenizer(str(tmp_path)).padding_id == 3
    (tmp_path / file).write_bytes(content)
    with pytest.raises(InputError, match=r"^The tokenizer \S+ could not be loaded: \w+: \S"):
        load_tokenizer(str(tmp_path))


@pytest.mark.parametrize("endpoint", ["hello", "http://", "http://a b", "http://x:99999", "http://[::1"])
def test_an_endpoint_that_is_no_address_is_a_reason_and_no_traceback(endpoint):
    assert isinstance(hub.ask(endpoint), str)


@pytest.mark.parametrize("endpoint", ["hello", "", "http://", "http://[", "ftp://x", "data:,", "http://x:99999"])
def test_a_hub_that_is_set_to_no_web_address_is_one_sentence(monkeypatch, tmp_path, capsys, offline, endpoint):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    assert run_main(monkeypatch) == 1
    assert f"error: HF_ENDPOINT is {endpoint!r}; expected an address" in capsys.readouterr().err
    with pytest.raises(InputError, match="HF_ENDPOINT"):
        hub.unreachable_reason()
    assert not list(tmp_path.iterdir())


def test_an_address_with_which_the_hubs_clients_cannot_be_imported_is_one_sentence(tmp_path):
    environment = os.environ | {"HF_ENDPOINT": "http://x:99999", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-m", "data_prep"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: HF_ENDPOINT is 'http://x:99999'")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--text-file", "missing.txt"], "The text file missing.txt cannot be read (No such file or directory)."),
        (["--text-file", "latin.txt"], "The text file latin.txt is not UTF-8: byte 1 is 0xe9."),
        (["--text-file", "short.txt"], "None of the 2 rows has more than 50 characters; lower --min-chars."),
        (["--text-file", "short.txt", "--tokenizer", "empty"], "The folder empty holds no tokenizer"),
        (["--text-file", "two\nlines.txt"], r"The dataset's dataset_name would be 'two\nlines'; expected one line"),
        (
            ["--text-file", "one.txt", "--min-chars", "0"],
            "1 of 2 rows have fewer than 2 tokens and nothing to predict; expected no such row: raise --min-chars",
        ),
        (["--text-file", "rows.jsonl"], """The text file rows.jsonl is JSON (it begins with '{"text": "a"}');"""),
        (["--text-file", "rows.json"], "The text file rows.json is JSON (it begins with '[');"),
        (["--text-file", "object.json"], "The text file object.json is JSON (it begins with '{');"),
        (["--text-file", "page.txt"], "The text file page.txt is a page of HTML (it begins with '<!DOCTYPE html>');"),
        (["--text-file", "old.txt"], "The text file old.txt is a page of HTML (it begins with '<HTML><HEAD>');"),
        (["--text-file", "denied.txt"], "The text file denied.txt is XML (it begins with '<?xml version="),
        (["--text-file", "lfs.txt"], "The text file lfs.txt is a pointer of Git LFS (it begins with 'version https://"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(
    monkeypatch, tmp_path, capsys, small_tokenizer, arguments, sentence
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latin.txt").write_bytes(b"h\xe9las")
    (tmp_path / "short.txt").write_text("a\nb\n")
    (tmp_path / "two\nlines.txt").write_text("one row that is long enough to be kept, with its 60 characters\n")
    (tmp_path / "one.txt").write_text("more than one token\na")
    (tmp_path / "rows.jsonl").write_text(f"\n{json.dumps({'text': 'a'})}\n{json.dumps({'text': 60 * 'b'})}\n")
    (tmp_path / "rows.json").write_text("\ufeff" + json.dumps([{"text": 60 * "b"}], indent=1))
    (tmp_path / "object.json").write_text(json.dumps({"rows": [60 * "b"]}, indent=1))
    (tmp_path / "page.txt").write_text(f"\n <!DOCTYPE html>\n<p>{60 * 'b'}</p>\n")
    (tmp_path / "old.txt").write_text(f"<HTML><HEAD>\n<P>{60 * 'b'}</P>\n")
    (tmp_path / "denied.txt").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>'
    )
    (tmp_path / "lfs.txt").write_text(
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{64 * '0'}\nsize 12345\n"
    )
    (tmp_path / "empty").mkdir()
    with_tokenizer = arguments if "--tokenizer" in arguments else [*arguments, "--tokenizer", str(small_tokenizer)]
    assert run_main(monkeypatch, *with_tokenizer, "--output", "out") == 1
    assert f"error: {sentence}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("beginning", ["[1] A reference", "{a} brace", "<unk> tokens", "[]", "{}", "12", '"quoted"'])
def test_a_text_that_only_begins_like_something_else_is_text(tmp_path, beginning):
    content = f"{beginning}\nand a row behind it"
    (tmp_path / "file.txt").write_text(content)
    assert "".join(text.from_file(SPEC, tmp_path / "file.txt").rows["text"]) == content


@pytest.mark.parametrize("end", ["\r", " ", "\x0b"])
def test_tokens_behind_the_end_of_a_row_are_counted_in_metadata_and_table(
    monkeypatch, tmp_path, capsys, small_tokenizer, end
):
    """Forty paragraphs that no newline separates are one row, of whose tokens 128 are used."""
    (tmp_path / "one.txt").write_bytes(
        end.join(f"Paragraph {number} of a text of forty" for number in range(40)).encode()
    )
    options = ("--tokenizer", str(small_tokenizer), "--output", str(tmp_path / "out"))
    assert run_main(monkeypatch, "--text-file", str(tmp_path / "one.txt"), *options) == 0
    (encoded,) = load_tokenizer(str(small_tokenizer)).encode([(tmp_path / "one.txt").read_bytes().decode()])
    metadata = json.loads((tmp_path / "out" / "metadata.json").read_text())
    cut_off = len(encoded.ids) - 128
    assert cut_off > 100
    assert (metadata["num_samples"], metadata["tokens_without_padding"]) == (1, 128)
    assert metadata["tokens_truncated"] == cut_off
    shown = " ".join(capsys.readouterr().out.split())
    assert f"tokens cut off {cut_off:,} ({cut_off / len(encoded.ids):.1%} of the text)" in shown


@pytest.mark.parametrize(
    ("earlier", "named"),
    [
        ({"dataset_name": "my text"}, "holds the dataset 'my text', and generated data would take its place"),
        ({"dataset_name": "stand-in", "stand_in": False}, "and generated data would take its place"),
    ],
)
def test_another_dataset_is_not_replaced(monkeypatch, tmp_path, capsys, offline, earlier, named):
    write_dataset(tmp_path / "data", tiny_tensors(), ORIGINAL_METADATA | earlier)
    before = {path: path.read_bytes() for path in (tmp_path / "data").iterdir()}
    assert run_main(monkeypatch, "--output", str(tmp_path / "data")) == 1
    assert named in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (tmp_path / "data").iterdir()} == before
    for damaged in ("{", json.dumps(ORIGINAL_METADATA | {"stand_in": True}), "[]"):
        (tmp_path / "data" / "metadata.json").write_text(damaged)
        assert run_main(monkeypatch, "--output", str(tmp_path / "data")) == 0


def test_without_a_hub_data_is_generated_beside_the_place_of_the_real_data(monkeypatch, tmp_path, capsys, offline):
    monkeypatch.chdir(tmp_path)
    assert run_main(monkeypatch) == 0
    assert [folder.name for folder in (tmp_path / "datasets").iterdir()] == ["gpt2_stand_in_data"]
    printed = capsys.readouterr()
    assert "cannot be reached" in printed.err
    assert "GENERATED" in printed.out


def test_without_a_hub_and_with_generated_data_forbidden_it_is_an_error(monkeypatch, tmp_path, capsys, offline):
    monkeypatch.chdir(tmp_path)
    assert run_main(monkeypatch, "--stand-in", "never") == 1
    assert "The model hub cannot be reached" in capsys.readouterr().err
    assert not (tmp_path / "datasets").exists()


@pytest.mark.parametrize("option", ["--dataset", "--config", "--split", "--tokenizer"])
def test_without_a_hub_what_was_asked_for_by_name_is_not_replaced(monkeypatch, tmp_path, capsys, offline, option):
    monkeypatch.chdir(tmp_path)
    assert run_main(monkeypatch, option, "nobody/nothing") == 1
    assert "The model hub cannot be reached" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_missing_text_file_is_not_blamed_on_the_hub(monkeypatch, tmp_path, capsys, offline):
    monkeypatch.chdir(tmp_path)
    assert run_main(monkeypatch, "--text-file", "missing.txt") == 1
    assert capsys.readouterr().err.startswith("error: The text file missing.txt cannot be read")


def test_a_hub_out_of_order_is_an_error_not_a_reason_to_generate(monkeypatch, tmp_path, capsys, offline):
    monkeypatch.setattr("data_prep.hub.ask", lambda endpoint: 503)
    monkeypatch.chdir(tmp_path)
    assert run_main(monkeypatch) == 1
    assert "answers HTTP 503 (expected 200)" in capsys.readouterr().err


def test_a_hub_that_never_answers_is_given_up_in_three_seconds(monkeypatch, offline):
    given_up = threading.Event()
    monkeypatch.setattr("data_prep.hub.PROBE_SECONDS", 0.05)
    monkeypatch.setattr("data_prep.hub.ask", lambda endpoint: given_up.wait(60))
    assert "no answer from" in hub.unreachable_reason()
    given_up.set()


@pytest.mark.parametrize("other", [("--seed", "7"), ("--max-length", "64"), ("--min-chars", "9"), ("--text-file", "t")])
def test_other_rows_in_another_tokenizers_tokens_need_a_folder_of_their_own(monkeypatch, capsys, other):
    """By itself the folder of a tokenizer holds the published rows, which every model of it is measured on."""
    with pytest.raises(SystemExit):
        run_main(monkeypatch, "--tokenizer", "somebody/tokenizer", *other)
    said = f"{other[0]} makes another dataset than the published one; name its folder with --output"
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ([], "wikitext-2"),
        (["--task", "classification"], "sst2"),
        (["--name", "sst2"], "sst2"),
        (["--name=sst2", "--task=classification"], "sst2"),
    ],
)
def test_a_dataset_is_named_by_itself_or_by_its_task(arguments, name):
    assert chosen_dataset(arguments).name == name


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--name", "wikitext2"],
            r"no dataset .wikitext2. \(did you mean wikitext-2\?\); expected one of wikitext-2",
        ),
        (["--name=sst2", "--task=language_modeling"], "of the task classification, and --task is language_modeling"),
    ],
)
def test_a_name_that_fits_no_dataset_or_another_task_is_one_sentence(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        chosen_dataset(arguments)
