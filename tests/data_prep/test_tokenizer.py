"""Tokenizers: which are the same one, what their call adds, and rows of their tokens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tokenizers
from tokenizers import Regex, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from core.errors import InputError
from data_prep import tokens
from data_prep.datasets.sst2 import SPEC as SST2
from data_prep.datasets.wikitext2 import SPEC
from data_prep.folders import folder_of, slug
from data_prep.tokenizer import Tokenizer, TokenizerError, load_tokenizer
from tests.support.made_tokenizers import FAMILIES, LINES, WORD_PIECE, around, byte_level


def made(name: str, **changes: object) -> Tokenizer:
    family = WORD_PIECE if name == "word_piece" else FAMILIES[name]
    return Tokenizer.of(name, PreTrainedTokenizerFast(tokenizer_object=family.tokenizer(), **family.special, **changes))


@pytest.mark.parametrize(
    ("name", "prefix", "suffix"),
    [("gpt2", 0, 0), ("opt", 1, 0), ("llama", 1, 0), ("unigram", 0, 1), ("word_piece", 1, 1), ("bytes", 0, 0)],
)
def test_what_a_call_adds_to_a_text_is_known(name, prefix, suffix):
    tokenizer = made(name)
    assert (len(tokenizer.prefix), len(tokenizer.suffix)) == (prefix, suffix)
    (encoded,) = tokenizer.encode(LINES[:1])
    assert [*tokenizer.prefix, *encoded.ids, *tokenizer.suffix] == tokenizer.backend(LINES[0])["input_ids"]


def test_the_digest_does_not_change_with_use():
    tokenizer = made("opt")
    before = Tokenizer.of("opt", tokenizer.backend).sha256
    tokenizer.backend.padding_side = tokenizer.backend.truncation_side = "left"
    tokenizer.backend(list(LINES), padding="max_length", truncation=True, max_length=20)
    assert Tokenizer.of("other name", tokenizer.backend).sha256 == before == made("opt").sha256


def test_tokenizers_that_make_other_ids_have_another_digest():
    end = ("<|endoftext|>",)
    with_beginning = byte_level(end, beginning="<|endoftext|>")
    swapped = byte_level(("<|padding|>", *end))
    named = {"eos_token": "<|endoftext|>"}
    variants = [
        Tokenizer.of("variant", PreTrainedTokenizerFast(tokenizer_object=trained, **of_special))
        for trained, of_special in (
            (byte_level(end), named),
            (byte_level(end), {}),
            (byte_level(end), {**named, "pad_token": "!"}),
            (with_beginning, named),
            (swapped, named),
        )
    ]
    assert len({variant.sha256 for variant in variants}) == len(variants)


def test_tokenizers_that_treat_texts_differently_have_another_digest():
    """Of one vocabulary, merges and special tokens: a space before every text, digits in groups from either end."""
    digits = {
        way: pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(pattern), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        for way, pattern in (("left", r"\d{1,3}"), ("right", r"\d{1,3}(?=(\d{3})*\b)"))
    }
    with_space = pre_tokenizers.ByteLevel(add_prefix_space=True)
    digests = set()
    for pre_tokenizer in (None, with_space, *digits.values()):
        trained = byte_level(("<|endoftext|>",))
        trained.pre_tokenizer = pre_tokenizer or trained.pre_tokenizer
        digests.add(Tokenizer.of("variant", PreTrainedTokenizerFast(tokenizer_object=trained)).sha256)
    assert len(digests) == 4


def test_an_unknown_token_that_transformers_was_not_told_of_is_one():
    words = tokenizers.Tokenizer(models.WordLevel({"[UNK]": 0, "The": 1, "dogs": 2}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = Tokenizer.of("words", PreTrainedTokenizerFast(tokenizer_object=words))
    assert tokenizer.backend.unk_token_id is None
    assert "(2 unknown tokens)" in tokens.padded(["The lazy dogs bark"], tokenizer, max_length=8).text_bytes_reason


@pytest.mark.parametrize(
    ("special", "padding_id"),
    [({"pad_token": "<pad>", "eos_token": "<end>"}, 0), ({"eos_token": "<end>"}, 1), ({}, 0)],
)
def test_padding_is_its_own_or_the_end_or_0(special, padding_id):
    trained = byte_level(("<pad>", "<end>"))
    tokenizer = Tokenizer.of("any", PreTrainedTokenizerFast(tokenizer_object=trained, **special))
    assert tokenizer.padding_id == padding_id
    assert bool(tokenizer.padding_note) is not bool(special)


def test_rows_are_cut_and_padded_at_the_right_whatever_the_tokenizer_prefers():
    tokenizer = made("opt", padding_side="left", truncation_side="left")
    ids = tokenizer.backend(LINES[1])["input_ids"]
    rows = tokens.padded([LINES[1], "a"], tokenizer, max_length=12)
    assert rows.input_ids[0].tolist() == ids[:12]
    assert rows.input_ids[1].tolist() == [*tokenizer.backend("a")["input_ids"], *[tokenizer.padding_id] * 10]
    assert rows.attention_mask[1].tolist() == [1, 1] + [0] * 10
    assert rows.text_bytes[1].tolist() == [0, 1] + [0] * 10


def test_an_end_that_is_left_out_makes_room_for_text_and_one_that_is_kept_takes_it():
    tokenizer = made("word_piece")
    ids = tokenizer.backend(LINES[0])["input_ids"]
    assert tokens.padded(LINES[:1], tokenizer, max_length=6).input_ids.tolist() == [ids[:6]]
    kept = tokens.padded(LINES[:1], tokenizer, max_length=6, keeps_suffix=True)
    assert kept.input_ids.tolist() == [tokenizer.backend(LINES[0], truncation=True, max_length=6)["input_ids"]]


@pytest.mark.parametrize(
    ("name", "keeps_suffix", "room"),
    [("gpt2", False, 8), ("opt", False, 7), ("word_piece", False, 7), ("word_piece", True, 6)],
)
def test_tokens_of_the_text_that_are_cut_off_are_counted(name, keeps_suffix, room):
    """What the tokenizer puts around a text takes room, and is none of its tokens."""
    tokenizer = made(name)
    lengths = [len(encoded.ids) for encoded in tokenizer.encode([*LINES, "a"])]
    rows = tokens.padded([*LINES, "a"], tokenizer, max_length=8, keeps_suffix=keeps_suffix)
    assert rows.tokens_truncated == sum(max(0, length - room) for length in lengths) > 0
    assert tokens.padded(LINES, tokenizer, max_length=500).tokens_truncated == 0


def test_bytes_of_a_row_that_is_cut_are_those_of_its_own_tokens():
    tokenizer = made("gpt2")
    rows = tokens.padded(LINES, tokenizer, max_length=10)
    for line, ids, text_bytes in zip(LINES, rows.input_ids, rows.text_bytes, strict=True):
        whole = tokenizer.backend.decode(ids.tolist()).rstrip("\ufffd")  # a character that is cut is not completed
        assert line.startswith(whole)
        assert int(text_bytes.sum()) == len(whole.encode())


def test_characters_that_are_dropped_behind_the_cut_are_no_reason():
    tokenizer = made("word_piece")
    assert tokens.padded(["fox  "], tokenizer, max_length=10).text_bytes_reason.startswith("the tokenizer drops 2 ")
    whole_words = tokens.padded(["The dogs"], tokenizer, max_length=2)  # [CLS] and the first token
    assert whole_words.text_bytes_reason is None


def test_unknown_tokens_are_a_reason():
    tokenizer = made("unigram")
    rows = tokens.padded([LINES[0], "\u4e00\u4e01"], tokenizer, max_length=128)
    assert rows.text_bytes is None
    assert "has no token for some characters (1 unknown tokens)" in rows.text_bytes_reason


def test_a_tokenizer_that_adds_other_ids_to_other_texts_is_refused():
    tokenizer = made("gpt2")
    other = Tokenizer("gpt2", tokenizer.backend, prefix=(5,), suffix=())
    with pytest.raises(TokenizerError, match=r"adds \[5\] and \[\] to one text and begins another as"):
        other.encode(LINES[:1])


def test_folders_are_named_after_model_and_digest_and_never_the_published_one(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    tokenizer = made("qwen")
    beginning = tokenizer.sha256[:8]
    assert folder_of(SPEC, tokenizer) == Path(f"datasets/qwen-{beginning}_tokenized_data")
    assert folder_of(SPEC, tokenizer, is_stand_in=True) == Path(f"datasets/qwen-{beginning}_stand_in_data")
    assert folder_of(SST2, tokenizer) == Path(f"datasets/sst2-qwen-{beginning}_tokenized_data")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Qwen2.5-0.5B", "qwen2.5-0.5b"), ("My run=1,2", "my-run-1-2"), ("\u6771\u4eac", "tokenizer")],
)
def test_names_of_folders(name, expected):
    assert slug(name) == expected


def test_a_folder_of_its_name_that_holds_something_else_is_refused(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    tokenizer = made("qwen")
    folder = folder_of(SPEC, tokenizer)
    folder.mkdir(parents=True)
    assert folder_of(SPEC, tokenizer) == folder
    protocol = {"max_length": 128, "seed": 42, "min_chars": 50, "packed": False}
    metadata = {
        "dataset_name": "wikitext-2",
        "task": "language_modeling",
        "tokenizer_sha256": tokenizer.sha256,
        **protocol,
    }
    (folder / "metadata.json").write_text(json.dumps(metadata))
    assert folder_of(SPEC, tokenizer) == folder
    for change in ({"seed": 7}, {"max_length": 64}, {"tokenizer_sha256": SPEC.tokenizer_sha256}, {"task": "other"}):
        (folder / "metadata.json").write_text(json.dumps(metadata | change))
        with pytest.raises(
            InputError, match=f"does not hold the WikiText-2 test set in the tokens of qwen.*Delete {folder}"
        ):
            folder_of(SPEC, tokenizer)


def test_a_template_around_a_text_is_read_from_its_call():
    trained = byte_level(("<a>", "<b>", "<c>"))
    trained.post_processor = around(trained, "<a>", "<c>")
    tokenizer = Tokenizer.of("any", PreTrainedTokenizerFast(tokenizer_object=trained))
    assert (tokenizer.prefix, tokenizer.suffix) == ((0,), (2,))


def test_a_folder_of_the_hubs_cache_names_its_snapshot(tmp_path):
    cached = tmp_path / "models--some--model"
    (cached / "snapshots" / "abc").mkdir(parents=True)
    with pytest.raises(
        TokenizerError, match=f"holds no tokenizer.* its snapshot with --tokenizer {cached}/snapshots/abc"
    ):
        load_tokenizer(str(cached))
    (cached / "snapshots" / "abc").rmdir()
    with pytest.raises(TokenizerError, match="Name the model's tokenizer with --tokenizer ID_OR_DIR"):
        load_tokenizer(str(cached))
