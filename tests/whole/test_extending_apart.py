"""Samples of docs/extending/ that take a session of their own: what compiles, meters, prepares or has another model."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
import transformers

from data_prep.layout import write_dataset
from tests.support.checkout import copy_code
from tests.support.documented import add
from tests.support.extended import measured, run
from tests.support.tiny import ORIGINAL_METADATA, tiny_gpt2, tiny_tensors
from tests.support.tiny_classifier import METADATA, sentences


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the suite's code, to which things are added."""
    return copy_code(tmp_path / "tree")


@pytest.mark.slow
def test_a_compiled_execution_is_measured_with_its_traits(tree, tiny_dataset, tiny_model):
    add(tree, "fixtures/executions/autotuned.py")
    found = measured(tree, tiny_dataset, tiny_model, "--precisions=fp32,bf16", "--executions=eager,autotuned")
    assert "noise floor" in found.printed
    assert found.machine["executions"]["autotuned"] == {
        "words": "As compiled, but torch.compile times several kernels for each operation and keeps the fastest.",
        "rank": 30,
        "is_reference": False,
        "is_replayed": True,
        "is_compiled": True,
    }
    tuned = found.info["bf16-autotuned-b1x16"]
    assert tuned["seconds"]["compilation"] > 0
    assert tuned["numerics"]["difference_from_eager"] < 0.04
    page = (tree / "results" / "report.html").read_text()
    assert "<dt>autotuned</dt><dd>As compiled, but torch.compile times several kernels" in page
    assert "<dt>graph</dt>" not in page  # which this run has not


@contextmanager
def plugged_in(path: Path, watts: float) -> Iterator[None]:
    """Keep a file of joules up to date, as the program of a meter in the mains lead does."""
    begun_s, over = time.perf_counter(), threading.Event()

    def write() -> None:
        while not over.wait(0.005):
            unfinished = path.with_suffix(".new")
            unfinished.write_text(str(watts * (time.perf_counter() - begun_s)))
            unfinished.replace(path)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.slow
def test_a_meter_is_opened_before_the_others_or_says_why_not(tree, tiny_dataset, tiny_model, tmp_path):
    add(tree, "benchmarks/meters/wall_plug.py")
    with plugged_in(tmp_path / "joules", watts=80):
        options = ("--precisions=fp32", "--energy=auto", "--rounds=8")
        found = measured(tree, tiny_dataset, tiny_model, *options, WALL_PLUG=str(tmp_path / "joules"))
    ((name, info),) = found.info.items()
    # Each visit is looked at alone: whether visits agree with each other is the machine's doing.
    assert [visit["energy_code"] for visit in info["visits"]] == [None, None]
    assert [visit["power_w"] for visit in info["visits"]] == pytest.approx([80, 80], rel=0.5)
    if info["energy"]["energy_per_sample_mj"] is not None:
        assert found.rows[name]["energy_method"] == "wall_plug"
        assert info["energy"]["scope"] == "machine: everything behind the plug"
    listed = run(tree, "pytest", "benchmarks", "--list", "--device=cpu", WALL_PLUG=str(tmp_path / "nowhere"))
    (line,) = [line for line in listed.splitlines() if line.startswith("  wall_plug ")]
    assert line.split()[1] == "no"
    assert "nowhere holds no reading" in line


@pytest.mark.slow
def test_a_dataset_is_prepared_by_its_name_and_takes_no_place_of_another(tree):
    add(tree, "data_prep/datasets/wikitext2_validation.py")
    code = "from data_prep.datasets import DEFAULTS; print(DEFAULTS['language_modeling'].name)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tree, capture_output=True, text=True, check=True)
    assert done.stdout == "wikitext-2\n"
    prepared = run(tree, "data_prep", "--name", "wikitext-2-validation", "--stand-in", "always")
    assert "pytest benchmarks --dataset-dir=datasets/gpt2_validation_stand_in_data" in prepared
    options = ("-m", "integrity", "--dataset-dir=datasets/gpt2_validation_stand_in_data", "-pno:cacheprovider")
    assert "failed" not in run(tree, "pytest", "benchmarks", *options)


def passages(guessed: int) -> dict[str, torch.Tensor]:
    """Rows of tokens, of which the first so many end in the token that the tiny model guesses."""
    tensors = tiny_tensors()
    ids, lengths = tensors["input_ids"], tensors["attention_mask"].sum(dim=1)
    for row in range(guessed):
        before = ids[row : row + 1, : lengths[row] - 1]
        ids[row, lengths[row] - 1] = tiny_gpt2()(input_ids=before).logits[0, -1].argmax()
    return tensors | {"labels": ids.clone()}


@pytest.mark.slow
def test_a_task_has_its_dataset_its_figures_and_its_words(tree, tmp_path, tiny_model):
    add(tree, "data_prep/datasets/lambada.py", "fixtures/tasks/last_token.py")
    prepared = run(tree, "data_prep", "--task", "last_token", "--stand-in", "always")
    assert "datasets/gpt2_lambada_stand_in_data" in prepared
    write_dataset(tmp_path / "passages", passages(guessed=3), ORIGINAL_METADATA | {"task": "last_token"})
    options = ("--task=last_token", "--precisions=fp32,bf16")
    found = measured(tree, tmp_path / "passages", tiny_model, *options, files="last_token")
    assert list(found.rows) == ["last_token-fp32-eager-b1x16", "last_token-bf16-eager-b1x16"]
    fp32, bf16 = (info["quality"] for info in found.info.values())
    assert (fp32["last_token_accuracy"], fp32["last_token_error_rate"], fp32["targets"]) == (0.5, 0.5, 6)
    assert fp32["last_token_accuracy_ci95_low"] == pytest.approx(0.118, abs=0.001)  # Clopper and Pearson, 3 of 6
    assert fp32["last_token_accuracy_ci95_high"] == pytest.approx(0.882, abs=0.001)
    assert fp32["delta_points"] is None
    assert fp32["delta_reason"] == "FP32 is what the others are compared with"
    assert bf16["delta_ci95_low_points"] <= bf16["delta_points"] <= bf16["delta_ci95_high_points"]
    assert all(quality["scored_vs_timed"]["kl_nats"] < 1e-6 for quality in (fp32, bf16))
    assert "| 50.00% (11.81% to 88.19%) |" in found.summary
    assert "last token" in found.printed
    assert (tree / "results" / "last_token_accuracy.png").is_file()
    (path,) = (tree / ".benchmarks").rglob("*.json")
    later = json.loads(path.read_text())
    for visit in (visit for item in later["benchmarks"] for visit in item["extra_info"]["visits"]):
        visit["median_ms"] *= 1.0001  # or it would be a copy
    (tmp_path / "later.json").write_text(json.dumps(later))
    compared = run(tree, "analysis", "compare", path, tmp_path / "later.json", "--fail", "last_token_accuracy:1%")
    assert "last_token_accuracy" in compared


@pytest.mark.slow
def test_a_family_has_its_classifiers_left_as_they_are(tree, tmp_path):
    write_dataset(tmp_path / "sentences", sentences(), METADATA)
    torch.manual_seed(1)
    sizes = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.RobertaConfig(**sizes, vocab_size=1100, max_position_embeddings=64, initializer_range=0.5)
    transformers.RobertaForSequenceClassification(config).eval().save_pretrained(tmp_path / "roberta")
    options = ("--task=classification", "--precisions=fp32,int8")
    roberta = (tree, tmp_path / "sentences", tmp_path / "roberta", *options)
    numerics = measured(*roberta, files="distilbert").info["classification-int8-eager-b1x16"]["numerics"]
    assert numerics["left_out_bytes"] == {"classifier.out_proj": 4 * 2 * 16}
    assert "output layer" not in numerics["not_counted_bytes"]
    shutil.rmtree(tree / ".benchmarks")
    add(tree, "fixtures/families/roberta.py")
    found = measured(*roberta, files="distilbert")
    assert list(found.rows) == ["classification-fp32-eager-b1x16", "classification-int8-eager-b1x16"]
    numerics = found.info["classification-int8-eager-b1x16"]["numerics"]
    assert numerics["parameter_dtypes"]["torch.int8"] > 0
    assert (numerics["quantized_share"], numerics["left_out_bytes"]) == (1, {})
    assert numerics["not_counted_bytes"]["output layer"] == 4 * 2 * (16 + 1)
