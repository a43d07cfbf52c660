"""The published perplexity protocol on request, through the whole suite."""

from __future__ import annotations

import pytest

from core.errors import InputError
from data_prep import stand_in, tokens
from fixtures.dataset.whole_text import read_whole_text
from tests.test_suite import extra_info

STRIDED = ("--quality-protocol=strided", "--quality-context=16", "--quality-stride=8", "--precisions=fp32")


@pytest.fixture
def text_file(tmp_path, monkeypatch):
    """A text of 40 rows, and a tokenizer that needs no hub."""
    rows = stand_in.text(0).rows.select(range(40))
    path = tmp_path / "wiki.test.raw"
    path.write_text(" \n".join(f"{row}\n" for row in rows["text"]))
    tokenizer = stand_in.tokenizer(rows, 50_256)
    monkeypatch.setattr(tokens, "load_tokenizer", lambda name: tokenizer)
    monkeypatch.setattr("fixtures.dataset.whole_text.unreachable_reason", lambda: "nobody answers")
    read_whole_text.cache_clear()
    yield path
    read_whole_text.cache_clear()


def test_the_strided_figure_stands_beside_the_other(run_suite, saved_run, text_file, tmp_path):
    assert run_suite("--benchmark-autosave", *STRIDED, f"--quality-text={text_file}").ret == 0
    quality = extra_info(saved_run(), "fp32-eager-b1x16")["quality"]
    strided = quality["strided"]
    assert (strided["context"], strided["stride"]) == (16, 8)
    assert strided["targets"] == len(read_whole_text(text_file).ids) - 1
    assert strided["words"] == len(text_file.read_text().split())
    assert strided["perplexity"] != quality["perplexity"]
    assert "strided_perplexity" in (tmp_path / "results" / "gpt2_quantization_benchmark_results.csv").read_text()


def test_without_the_text_it_is_one_sentence_before_anything_is_timed(run_suite, monkeypatch, text_file):
    def refuse(*_: object) -> None:
        raise InputError("The text could not be loaded.")

    monkeypatch.setattr("data_prep.text.from_hub", refuse)
    result = run_suite(*STRIDED)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*--quality-protocol strided needs the text*(the hub cannot be reached: nobody *"])
    assert "Traceback" not in result.stdout.str()


def test_a_window_longer_than_the_model_reads_is_one_sentence(run_suite, text_file):
    result = run_suite(*STRIDED, "--quality-context=33", f"--quality-text={text_file}")
    result.stdout.fnmatch_lines(["*reads 32 positions, but sequences have 33; *--quality-context 32."])


def test_a_stride_beyond_the_window_is_a_usage_error(run_suite):
    result = run_suite(*STRIDED, "--quality-stride=17")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --quality-stride is 17; expected at most --quality-context, 16."])
