"""Any causal language model, and any classifier, in its own tokens: from a folder to the figures."""

from __future__ import annotations

import html
import json
import math
import platform
import shutil
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import datasets
import pytest
import torch
import transformers
from transformers import PreTrainedTokenizerFast

from core.errors import InputError
from core.safe_text import markdown_block
from data_prep import python_topics
from data_prep.datasets.spec import Text
from fixtures.dataset.location import dataset_folder
from fixtures.dataset.model_tokens import tokens_of_model
from fixtures.models.checkpoint import find_checkpoint
from tests.support.made_tokenizers import FAMILIES, GPT_LIKE, LINES, WORD_PIECE, byte_level, word_piece
from tests.support.terminal_lines import whole_lines

BRIEF = ("--precisions=fp32", "--visits=1", "--rounds=1", "--warmup-rounds=0", "--quality-samples=all")


@pytest.fixture
def published_text(monkeypatch, tmp_path):
    """The texts of the hub are a few lines, and datasets are written into an empty folder."""
    rows = {
        "wikitext-2": datasets.Dataset.from_dict({"text": [*LINES, "too short"]}),
        "sst2": datasets.Dataset.from_dict({"sentence": list(LINES), "label": [0, 1] * 4}),
    }
    monkeypatch.setattr(
        "data_prep.text.from_hub", lambda spec, protocol: Text(rows[spec.name], spec.name, "a few lines", None)
    )
    for module in ("data_prep.prepare", "fixtures.dataset.model_tokens"):
        monkeypatch.setattr(f"{module}.unreachable_reason", lambda: None)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("analysis.report.plots.write_plots", lambda *_: {})
    yield tmp_path / "here"
    for cached in (dataset_folder, tokens_of_model, find_checkpoint):  # by paths that are relative to this folder
        cached.cache_clear()


@torch.no_grad()
def plain_loop(folder, family) -> tuple[float, float]:
    """Return the mean loss in nats and the bits per byte of the lines, one at a time, by the tokenizer's own call.

    Of a text whose call adds no beginning the first token is not predicted, and its bytes do not count.
    """
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    losses, covered = [], 0
    for line in LINES:
        ids = tokenizer(line)["input_ids"]
        ids = torch.tensor(ids[: len(ids) - family.suffix])
        logits = model(input_ids=ids[None]).logits[0, :-1].double()
        first = max(1, family.prefix)
        losses.append(torch.nn.functional.cross_entropy(logits, ids[1:], reduction="none")[first - 1 :])
        covered += len(line.encode())
        if not family.prefix:  # a character that the first token begins and the second ends is the second's
            covered -= len(line[: tokenizer(line, return_offsets_mapping=True)["offset_mapping"][1][0]].encode())
    total = torch.cat(losses)
    return float(total.mean()), float(total.sum()) / math.log(2) / covered


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_measured_in_its_own_tokens(run_suite, saved_run, published_text, tmp_path, name):
    family, folder = FAMILIES[name], tmp_path / f"My {name}"
    family.save(folder)

    result = run_suite("--benchmark-autosave", *BRIEF, model=folder)
    assert result.ret == 0, result.stdout.str()

    (item,) = saved_run()["benchmarks"]
    quality, provenance = item["extra_info"]["quality"], item["extra_info"]["provenance"]
    loss, bits = plain_loop(folder, family)
    assert quality["perplexity"] == pytest.approx(math.exp(loss), rel=1e-5)
    assert quality["bits_per_byte"] == pytest.approx(bits, rel=1e-6)
    assert quality["bits_per_byte_ci95_low"] < quality["bits_per_byte"] < quality["bits_per_byte_ci95_high"]
    assert (quality["meaningful"], quality["meaningful_reason"]) == (True, None)
    (prepared,) = (published_text / "datasets").iterdir()
    digest = provenance["tokenizer_sha256"]
    assert prepared.name == f"my-{name}-{digest[:8]}_tokenized_data"
    assert "meaningless" not in result.stdout.str()


def test_a_classifier_is_measured_in_its_own_tokens(run_suite, saved_run, published_text, tmp_path):
    folder = tmp_path / "reader"
    WORD_PIECE.save(folder)

    assert run_suite("--benchmark-autosave", "--task=classification", *BRIEF, model=folder).ret == 0

    (item,) = saved_run()["benchmarks"]
    quality, provenance = item["extra_info"]["quality"], item["extra_info"]["provenance"]
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        logits = torch.cat([model(torch.tensor([tokenizer(line)["input_ids"]])).logits for line in LINES])
    labels = torch.tensor([0, 1] * 4)
    assert quality["accuracy"] == float((logits.argmax(dim=1) == labels).double().mean())
    loss = torch.nn.functional.cross_entropy(logits.double(), labels)
    assert quality["avg_loss_nats"] == pytest.approx(float(loss), rel=1e-5)
    assert (quality["meaningful"], quality["per_target_file"]) == (True, None)
    (prepared,) = (published_text / "datasets").iterdir()
    assert prepared.name == f"sst2-reader-{provenance['tokenizer_sha256'][:8]}_tokenized_data"
    ids = torch.load(prepared / "input_ids.pt")
    mask = torch.load(prepared / "attention_mask.pt")
    assert set(ids[:, 0].tolist()) == {tokenizer.cls_token_id}
    assert {int(row[length - 1]) for row, length in zip(ids, mask.sum(dim=1), strict=True)} == {tokenizer.sep_token_id}


def test_models_of_one_tokenizer_share_a_dataset_which_is_prepared_once(run_suite, published_text, tmp_path):
    for name in ("first", "second"):
        FAMILIES["gpt2"].save(tmp_path / name)
        assert run_suite(*BRIEF, model=tmp_path / name).ret == 0
    (prepared,) = (published_text / "datasets").iterdir()
    assert prepared.name.startswith("first-")


def test_a_tokenizer_that_was_named_takes_the_place_of_the_models(run_suite, saved_run, published_text, tmp_path):
    FAMILIES["qwen"].save(tmp_path / "model")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "model" / name).unlink()
    FAMILIES["gpt2"].save(tmp_path / "other")
    option = f"--tokenizer={tmp_path / 'other'}"
    assert run_suite("--benchmark-autosave", option, *BRIEF, model=tmp_path / "model").ret == 0
    assert saved_run()["benchmarks"][0]["extra_info"]["provenance"]["tokenizer"] == "other"


@pytest.fixture
def no_hub(monkeypatch):
    """No hub answers and no text is cached."""

    def refuse(*_: object) -> None:
        raise InputError("There is no such text.")

    monkeypatch.setattr("data_prep.text.from_hub", refuse)
    monkeypatch.setattr("data_prep.prepare.unreachable_reason", lambda: "nobody answers")


def test_without_a_hub_the_text_is_english_that_is_at_hand_and_every_output_says_that_it_is_not_wikitext(
    run_suite, saved_run, published_text, tmp_path, no_hub
):
    FAMILIES["llama"].save(tmp_path / "llama")
    result = run_suite("--benchmark-autosave", *BRIEF, "--quality-samples=2", model=tmp_path / "llama")
    assert result.ret == 0
    said = f"the text is Python {platform.python_version()}'s documentation, not WikiText-2: no hub could be reached"
    result.stdout.fnmatch_lines([f"note: {said}"])
    result.stdout.no_fnmatch_line("*STAND-IN*")
    info = saved_run()["benchmarks"][0]["extra_info"]
    assert info["provenance"]["dataset"] == "python-topics"
    assert info["provenance"]["tokenizer"] == "llama"
    assert info["quality"]["meaningful"] is True
    for output in ("gpt2_benchmark_summary.md", "report.html"):
        text = html.unescape((tmp_path / "results" / output).read_text())
        assert said in text
        assert "python-topics" in text
    (prepared,) = (published_text / "datasets").iterdir()
    assert prepared.name.endswith("_python-topics_data")
    metadata = json.loads((prepared / "metadata.json").read_text())
    assert metadata["revision"] == python_topics.text().revision


def test_without_a_hub_and_english_the_text_is_generated_and_the_tokens_are_the_models_own(
    run_suite, saved_run, published_text, tmp_path, no_hub, monkeypatch
):
    monkeypatch.setattr("data_prep.python_topics.importlib.util.find_spec", lambda _: None)
    FAMILIES["llama"].save(tmp_path / "llama")
    result = run_suite("--benchmark-autosave", *BRIEF, "--quality-samples=2", model=tmp_path / "llama")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*STAND-IN: generated text. Latency and size are those of real ones*"])
    info = saved_run()["benchmarks"][0]["extra_info"]
    assert info["provenance"]["tokenizer"] == "llama"
    assert info["quality"]["meaningful"] is False
    (prepared,) = (published_text / "datasets").iterdir()
    assert prepared.name.endswith("_stand_in_data")


def test_what_a_reader_must_know_of_the_tokens_is_said(run_suite, published_text, tmp_path):
    FAMILIES["unigram"].save(tmp_path / "chat", chat_template="{{ messages }}")
    result = run_suite(*BRIEF, model=tmp_path / "chat")
    summary = (tmp_path / "results" / "gpt2_benchmark_summary.md").read_text()
    for said in (
        "a chat model, measured on plain text without its chat template",
        "without <eos> (id 1), which its tokenizer puts around every text",
    ):
        result.stdout.fnmatch_lines([f"note: {said}"])
        assert f"- {markdown_block(said)}" in summary
    assert "in the tokens of chat" in summary


def test_bits_per_byte_of_a_tokenizer_that_drops_characters_are_null_with_the_reason(
    run_suite, saved_run, published_text, tmp_path
):
    dropping = replace(FAMILIES["gpt2"], tokenizer=word_piece, special={"unk_token": "[UNK]", "eos_token": "[SEP]"})
    replace(dropping, prefix=1, suffix=0).save(tmp_path / "model")
    assert run_suite("--benchmark-autosave", *BRIEF, model=tmp_path / "model").ret == 0
    quality = saved_run()["benchmarks"][0]["extra_info"]["quality"]
    assert quality["perplexity"] > 1
    assert quality["bits_per_byte"] is None
    spaces = sum(character.isspace() for line in LINES for character in line)
    assert quality["bits_per_byte_reason"].startswith(f"the tokenizer drops {spaces} characters of the text")


def test_quality_in_another_tokenizers_tokens_is_meaningless_said_once_with_the_command(
    run_suite, published_text, tiny_dataset, tmp_path
):
    """The folder records no digest and names GPT-2's tokenizer, so that no check refuses it."""
    replace(FAMILIES["llama"], more_rows=50_257).save(tmp_path / "llama")
    result = run_suite(*BRIEF, f"--dataset-dir={tiny_dataset}", f"--model={tmp_path / 'llama'}")
    assert result.ret == 0
    (said,) = [line for line in whole_lines(result).lines if "uality is meaningless" in line]
    assert said.startswith(
        "*** Quality is meaningless: the text is in the tokens of gpt2, and the model's tokenizer is"
    )
    assert f"`pytest benchmarks --model {tmp_path / 'llama'}` without --dataset-dir" in said
    summary = (tmp_path / "results" / "gpt2_benchmark_summary.md").read_text()
    assert summary.count("uality is meaningless") == 1


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            transformers.GPTJConfig(n_layer=1, n_head=2, n_embd=16, rotary_dim=8, n_positions=128),
            "Quality rests on an assumption: the text is in the tokens of gpt2, assumed to be the model's own by its "
            "eos_token_id (50,256) and its 50,400 rows of embeddings, for no tokenizer of it could be loaded; name the "
            "model's tokenizer with --tokenizer to be sure.",
        ),
        (
            transformers.GPTNeoXConfig(
                **GPT_LIKE,
                intermediate_size=32,
                num_attention_heads=2,
                vocab_size=50_304,
                bos_token_id=0,
                eos_token_id=0,
            ),
            "Quality is meaningless: the text is in the tokens of gpt2, which have 50,256 for the eos_token_id that "
            "the model's configuration gives as 0; name the model's tokenizer with --tokenizer and leave "
            "--dataset-dir out.",
        ),
    ],
    ids=["gptj", "gpt_neox"],
)
def test_of_a_model_without_a_tokenizer_every_output_says_what_its_tokens_are_known_by(
    run_suite, saved_run, published_text, tiny_dataset, tmp_path, config, said
):
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "model")
    options = ("--benchmark-autosave", f"--dataset-dir={tiny_dataset}")
    result = run_suite(*options, *BRIEF, model=tmp_path / "model")
    assert result.ret == 0, result.stdout.str()
    quality = saved_run()["benchmarks"][0]["extra_info"]["quality"]
    assert quality["meaningful"] is said.startswith("Quality rests on an assumption")
    assert quality["meaningful_reason"] in said
    assert whole_lines(result).lines.count(f"*** {said}") == 1
    for output in ("gpt2_benchmark_summary.md", "report.html"):
        assert html.unescape((tmp_path / "results" / output).read_text()).count(said) == 1


def test_a_dataset_that_records_another_tokenizer_is_refused_with_the_way_out(run_suite, published_text, tmp_path):
    FAMILIES["gpt2"].save(tmp_path / "gpt2")
    assert run_suite(*BRIEF, model=tmp_path / "gpt2").ret == 0
    (prepared,) = (published_text / "datasets").iterdir()
    FAMILIES["qwen"].save(tmp_path / "qwen")
    result = run_suite(*BRIEF, f"--dataset-dir={prepared}", f"--model={tmp_path / 'qwen'}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*Integrity check tokenizer_is_the_models failed in *; expected those of the model's own tokenizer*Leave "
            "--dataset-dir out, and a dataset in the model's own tokens is prepared.*"
        ]
    )


def no_tokenizer(folder) -> None:
    FAMILIES["llama"].save(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()


def an_empty_tokenizer(folder) -> None:
    """transformers makes one of config.json, and of this file, which says nothing."""
    FAMILIES["gpt2"].save(folder)
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "GPT2Tokenizer"}')


def a_slow_tokenizer(folder) -> None:
    FAMILIES["gpt2"].save(folder)
    (folder / "tokenizer.json").unlink()
    transformers.ByT5Tokenizer().save_pretrained(folder)


def code_of_its_own(folder) -> None:
    FAMILIES["gpt2"].save(folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    changes = {"tokenizer_class": "OwnTokenizer", "auto_map": {"AutoTokenizer": ["own.OwnTokenizer", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config | changes))
    (folder / "own.py").write_text("raise SystemExit('this code must not run')\n")


def an_encoder_decoder(folder) -> None:
    FAMILIES["gpt2"].save(folder)
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    transformers.BartConfig(**sizes, architectures=None).save_pretrained(folder)


def an_empty_folder(folder) -> None:
    folder.mkdir()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (no_tokenizer, "The folder * holds no tokenizer; expected *--tokenizer ID_OR_DIR."),
        (
            an_empty_tokenizer,
            "The tokenizer * has no token for text (*1 tokens*--tokenizer ID_OR_DIR.",
        ),
        (a_slow_tokenizer, "The tokenizer * is a ByT5Tokenizer, which is slow *; expected one with a tokenizer.json.*"),
        (code_of_its_own, "The tokenizer * is code of its own *, which is not run;*--tokenizer ID_OR_DIR."),
        (
            lambda folder: FAMILIES["gpt2"].save(folder, model_max_length=64),
            "The tokenizer * is for texts of 64 tokens at most (model_max_length), but rows have 128;*--max-length 64*",
        ),
        (an_encoder_decoder, "The model * of type 'bart' is an encoder-decoder; expected a causal language model*"),
        (an_empty_folder, "The model * has no readable config.json in */model*A folder goes before a name on the hub*"),
        (
            lambda folder: replace(FAMILIES["qwen"], more_rows=-30).save(folder),
            "The model * has a vocabulary of *, but the dataset holds id *; expected the tokens of the model's own*",
        ),
    ],
)
def test_a_model_that_cannot_be_measured_in_its_own_tokens_is_one_sentence_and_nothing_is_written(
    run_suite, published_text, make, sentence
):
    make(published_text / "model")
    result = run_suite(*BRIEF, model=Path("model"))
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (line,) = [line for line in result.stdout.lines if "!!!" in line or "_pytest.outcomes.Exit" in line]
    assert fnmatch(line, f"*{sentence.replace('[', '[[]')}*"), line
    assert "Traceback" not in result.stdout.str()
    assert not list(published_text.glob("datasets/*")) or "holds id" in sentence


@pytest.mark.parametrize("name", ["lr=1e-4,step=3", "classification=x", "language_modeling=a,b"])
def test_a_folder_is_one_value_whatever_signs_its_name_holds(run_suite, published_text, name):
    FAMILIES["gpt2"].save(published_text / name)
    assert run_suite(*BRIEF, model=Path(name)).ret == 0


def test_a_classifier_that_finds_the_last_token_by_its_padding_is_measured_with_its_own(
    run_suite, saved_run, published_text, tmp_path
):
    """Which token is the last one GPT-2 tells by `pad_token_id`: another padding would be read as text."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level(("<pad>", "<end>")), pad_token="<end>")
    tokenizer.save_pretrained(tmp_path / "reader")
    sizes = {"n_layer": 2, "n_embd": 16, "n_head": 2, "n_positions": 128, "num_labels": 2}
    config = transformers.GPT2Config(**sizes, vocab_size=420, pad_token_id=1, initializer_range=0.5)
    torch.manual_seed(1)
    model = transformers.GPT2ForSequenceClassification(config).eval()
    model.save_pretrained(tmp_path / "reader")

    assert run_suite("--benchmark-autosave", "--task=classification", *BRIEF, model=tmp_path / "reader").ret == 0

    with torch.no_grad():
        logits = torch.cat([model(torch.tensor([tokenizer(line)["input_ids"]])).logits for line in LINES])
    loss = torch.nn.functional.cross_entropy(logits.double(), torch.tensor([0, 1] * 4))
    quality = saved_run()["benchmarks"][0]["extra_info"]["quality"]
    assert quality["avg_loss_nats"] == pytest.approx(float(loss), rel=1e-5)


def test_a_padding_id_beyond_the_model_is_replaced_and_said(run_suite, saved_run, published_text, tmp_path):
    """A padding token that was added to the tokenizer and not to the model."""
    family, folder = FAMILIES["qwen"], tmp_path / "model"
    replace(family, more_rows=0).save(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.save_pretrained(folder)

    result = run_suite("--benchmark-autosave", *BRIEF, model=folder)
    assert result.ret == 0, result.stdout.str()
    info = saved_run()["benchmarks"][0]["extra_info"]
    loss, _ = plain_loop(folder, family)
    assert info["quality"]["perplexity"] == pytest.approx(math.exp(loss), rel=1e-5)
    assert info["provenance"]["token_notes"] == [
        "the id of its tokenizer's padding lies beyond the model: id 0 is under padding"
    ]


def test_a_chat_model_is_told_from_another_that_shares_its_dataset(run_suite, published_text, tmp_path):
    FAMILIES["gpt2"].save(tmp_path / "base")
    FAMILIES["gpt2"].save(tmp_path / "chat", chat_template="{{ messages }}")
    said = "note: a chat model, measured on plain text without its chat template"
    for name, is_chat in (("chat", True), ("base", False), ("chat", True)):
        result = run_suite(*BRIEF, model=tmp_path / name)
        assert (said in result.stdout.lines) is is_chat
        result.stdout.fnmatch_lines([f"dataset: wikitext-2 in *, tokens of {name}"])
    assert len(list((published_text / "datasets").iterdir())) == 1


def test_a_damaged_dataset_of_another_tokenizer_is_to_be_deleted_and_is_then_prepared_again(
    run_suite, published_text, tmp_path
):
    FAMILIES["gpt2"].save(tmp_path / "model")
    assert run_suite(*BRIEF, model=tmp_path / "model").ret == 0
    (prepared,) = (published_text / "datasets").iterdir()
    (prepared / "labels.pt").unlink()
    dataset_folder.cache_clear()
    result = run_suite(*BRIEF, model=tmp_path / "model")
    result.stdout.fnmatch_lines(
        ["*Delete datasets/model-*_tokenized_data and have it prepared again with the model's *"]
    )
    shutil.rmtree(prepared)
    dataset_folder.cache_clear()
    assert run_suite(*BRIEF, model=tmp_path / "model").ret == 0
