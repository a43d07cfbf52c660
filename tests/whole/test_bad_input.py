"""What a user may get wrong: one sentence and an exit code each, nothing written or lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from tests.support.tiny import REPOSITORY, tiny_gpt2

USAGE_ERROR = pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (
            "--precisions=fp32,fp7",
            "--precisions names 'fp7' (did you mean fp8*; expected some of auto, all, fp32, *, fp8*.",
        ),
        ("--precisions=fp32,,bf16", "*: error: argument --precisions: has nothing between two commas in 'fp32,,bf16'*"),
        ("--precisions=,", "*: error: argument --precisions: is empty; expected names separated by commas"),
        ("--executions=magic", "--executions names 'magic'; expected some of eager*"),
        ("--device=tpu", "--device is 'tpu'; expected auto, cpu, cuda or cuda:N."),
        ("--device=cuda:7", "--device is 'cuda:7', but PyTorch * finds * CUDA device(s) here; expected *"),
        ("--rounds=0", "*: error: argument --rounds: '0' is not a whole number from 1 to 1,000,000,000"),
        ("--rounds=many", "*: error: argument --rounds: 'many' is not a whole number from 1 to *"),
        ("--warmup-rounds=-1", "*: error: argument --warmup-rounds: '-1' is not a whole number from 0 to *"),
        ("--batch-size=0", "*: error: argument --batch-size: '0' is not a whole number from 1 to *"),
        (
            "--stand-in=perhaps",
            "*: error: argument --stand-in: invalid choice: 'perhaps' (* *always*)",
        ),
        (
            "--energy=solar",
            "*: error: argument --energy: invalid choice: 'solar' (* *require*)",
        ),
        ("--quality-samples=0", "*: error: argument --quality-samples: '0' is not a whole number from 1 to *"),
        ("--rounds=1" + "0" * 30, "*: error: argument --rounds: '1000*' is not a whole number from 1 to *"),
        ("--device=cuda:\u00b2", "--device is 'cuda:\u00b2'; expected auto, cpu, cuda or cuda:N."),
        ("--batch-size=65537", "*: error: argument --batch-size: '65537' is not a whole number from 1 to 65,536"),
        ("--executions=", "*: error: argument --executions: is empty; expected names separated by commas"),
        ("--dataset-dir=", "*: error: argument --dataset-dir: is empty; expected the path of a folder"),
        ("--results-dir=", "*: error: argument --results-dir: is empty; expected the path of a folder"),
        ("--stand-in=always", "--model is *, but --stand-in always uses seeded weights; leave one of them out."),
    ],
)
def test_a_bad_option_is_one_sentence_and_a_usage_error(run_suite, option, sentence):
    result = run_suite(option)
    assert result.ret == USAGE_ERROR
    result.stderr.fnmatch_lines([sentence if sentence.startswith("*: error") else f"ERROR: {sentence}"])


def test_a_results_folder_that_cannot_be_written_is_found_before_measuring(run_suite, tmp_path):
    (tmp_path / "file").touch()
    result = run_suite(f"--results-dir={tmp_path / 'file'}")
    assert result.ret == USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: The folder * cannot be written*--results-dir."])


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--dataset-dir=" + "x" * 300, "The dataset folder x* cannot be read (File name too long)"),
        ("--model=" + "x" * 300, "The model 'x*' is neither a folder nor a name on the hub"),
    ],
)
def test_a_name_too_long_for_a_folder_is_one_sentence(run_suite, option, sentence):
    result = run_suite(option)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"*{sentence}*"])
    assert "INTERNALERROR" not in result.stdout.str()


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_a_named_dataset_folder_must_be_there(run_suite, tmp_path, kind):
    folder = tmp_path / kind
    if kind == "empty":
        folder.mkdir()
    result = run_suite(f"--dataset-dir={folder}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert result.stdout.str().count(f"The dataset folder {folder} ") == 1
    result.stdout.fnmatch_lines([f"*python -m data_prep --output {folder}*"])
    assert not folder.exists() or not list(folder.iterdir())


def test_a_model_asked_for_by_name_is_not_replaced_by_seeded_weights(run_suite, monkeypatch):
    monkeypatch.setattr("fixtures.models.checkpoint.unreachable_reason", lambda: "nobody answers")
    result = run_suite("--model=nobody/nothing")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert result.stdout.str().count("The model hub cannot be reached (nobody answers) and nobody/nothing is not") == 1


def test_one_missing_file_is_named(run_suite, tiny_dataset):
    (tiny_dataset / "attention_mask.pt").unlink()
    result = run_suite()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*files_exist failed*without attention_mask.pt*"])


def bert(folder: Path) -> None:
    config = BertConfig(num_hidden_layers=1, hidden_size=16, num_attention_heads=2, intermediate_size=16)
    BertForMaskedLM(config).save_pretrained(folder)


def small_vocabulary(folder: Path) -> None:
    tiny_gpt2(vocab_size=100, bos_token_id=0, eos_token_id=0).save_pretrained(folder)


def few_positions(folder: Path) -> None:
    tiny_gpt2(n_positions=8).save_pretrained(folder)


def pickled(folder: Path) -> None:
    folder.mkdir()
    tiny_gpt2().config.save_pretrained(folder)
    torch.save({}, folder / "pytorch_model.bin")


def lacking_a_layer(folder: Path) -> None:
    tiny_gpt2(n_layer=1).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"n_layer": 2}))


def truncated(folder: Path) -> None:
    tiny_gpt2().save_pretrained(folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (bert, "is a BertForMaskedLM of type 'bert'; expected a causal language model"),
        (small_vocabulary, "has a vocabulary of 100, but the dataset holds id"),
        (few_positions, "reads 8 positions, but sequences have 16"),
        (pickled, "has no model.safetensors"),
        (lacking_a_layer, "lacks 12 weights"),
        (truncated, "could not be loaded"),
        (Path.mkdir, "has no readable config.json"),
    ],
)
def test_a_model_that_will_not_do_is_one_sentence(run_suite, tmp_path, make, sentence):
    folder = tmp_path / "model"
    make(folder)
    result = run_suite(f"--model={folder}", "--precisions=fp32")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert sentence in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


#: Options, each with the beginning of what is said of it.
JUDGED_AT_ONCE = {
    "--precisions=fp32,fp7": "ERROR: --precisions names 'fp7'",
    "--executions=magic": "ERROR: --executions names 'magic'",
    "--workloads=sleep": "ERROR: --workloads names 'sleep'",
    "--task=poetry": "ERROR: --task names 'poetry'",
    "--device=tpu": "ERROR: --device is 'tpu'",
    "--visits=0": "argument --visits: '0' is not a whole number",
    "--rounds=many": "argument --rounds: 'many' is not a whole number",
    "--batch-size=1,x": "argument --batch-size: 'x' is not a whole number",
    "--energy=solar": "argument --energy: invalid choice: 'solar'",
    "--quality-stride=2000": "ERROR: --quality-stride is 2000",
    "--quality-protocol=strided --task=classification": "ERROR: --quality-protocol strided scores",
    "--model=classification=x": "ERROR: --model names the task 'classification'",
    "--dataset-dir=classification=x": "ERROR: --dataset-dir names the task 'classification'",
    "--stand-in=always --model=x": "ERROR: --model is 'x', but --stand-in always",
    "--metric-fail=median_ms --benchmark-compare": "ERROR: --metric-fail: The limit 'median_ms' cannot be read",
    "--metric-fail=median_ms:3%": "ERROR: --metric-fail needs a saved run to compare with",
    "--benchmark-compare-fail=min:5%": "ERROR: --benchmark-compare-fail needs a saved run to compare with",
    "--results-dir=pyproject.toml": "ERROR: The folder pyproject.toml cannot be written",
    "-p no:benchmark": "ERROR: pytest-benchmark, which holds what is measured here, is switched off",
}
RUN_EACH = """
import sys, pytest
for options in sys.argv[1:]:
    code = pytest.main(["benchmarks", "-pno:cacheprovider", *options.split()])
    print(int(code), "torch" in sys.modules, file=sys.stderr)
"""


def test_options_are_judged_before_pytorch_is_imported():
    command = [sys.executable, "-c", RUN_EACH, *JUDGED_AT_ONCE]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert [line for line in lines if line[:1].isdigit()] == ["4 False"] * len(JUDGED_AT_ONCE)
    for sentence in JUDGED_AT_ONCE.values():
        assert any(sentence in line for line in lines), (sentence, done.stderr)


def test_a_histogram_without_what_draws_it_is_refused_before_measuring(run_suite, monkeypatch):
    monkeypatch.setattr("benchmarks.plugins.options.find_spec", {"pygal": object(), "pygaljs": None}.get)
    result = run_suite("--benchmark-histogram")
    assert result.ret == USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --benchmark-histogram needs pygaljs, not installed for *histogram*"])


def test_too_few_repeats_are_refused_before_measuring(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "--repeats=2", f"--benchmark-storage={tmp_path}"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 2  # a usage error, as argparse has it
    assert "error: --repeats is 2; expected 3 or more, for fewer make no noise floor." in done.stderr
    assert done.stdout == ""
