"""The real WikiText-2 text and GPT-2 tokenizer, served on loopback to the ordinary clients.

Skipped where there is no hub replica beside the checkout. The files are not part of this project.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from data_prep import text, tokens
from data_prep.datasets import sst2
from data_prep.datasets.wikitext2 import SPEC
from data_prep.layout import ALL_FILE_NAMES, tensor_sha256
from data_prep.tokenizer import load_tokenizer
from fixtures.dataset.whole_text import read_whole_text
from tests.support.hub import SERVER, SHARED, run_python, served
from tests.support.made_tokenizers import FAMILIES
from tests.support.tiny import REPOSITORY, tiny_gpt2

PARQUET = SHARED / "hub/datasets/Salesforce/wikitext/wikitext-2-raw-v1/test-00000-of-00001.parquet"
TOKENIZER = SHARED / "hub/models/openai-community/gpt2"
#: As from the repository's root, which the tests leave so that nothing is written into it.
CONFIGURATION = (f"--rootdir={REPOSITORY}", f"--config-file={REPOSITORY / 'pyproject.toml'}")

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not SERVER.exists(), reason=f"no hub replica at {SERVER}"),
]


@pytest.fixture
def python(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python in this test's folder."""
    return partial(run_python, tmp_path)


@dataclass(frozen=True)
class Prepared:
    """How data preparation ended, where it ran, and the hub's address."""

    done: subprocess.CompletedProcess[str]
    folder: Path
    endpoint: str


@pytest.fixture(scope="module")
def delayed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Prepared]:
    """Data prepared from hubs that wait so many seconds before every answer, at the same time: they wait, mostly."""

    def prepare(seconds: str, folder: Path) -> Prepared:
        with served("--delay", seconds) as endpoint:
            return Prepared(run_python(folder, endpoint, "-m", "data_prep", "--stand-in", "never"), folder, endpoint)

    with ThreadPoolExecutor() as pool:
        running = {seconds: pool.submit(prepare, seconds, tmp_path_factory.mktemp("hub")) for seconds in ("0.3", "4")}
    return {seconds: future.result() for seconds, future in running.items()}


@pytest.fixture(scope="module")
def wiki_test_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test text as its authors published it: the hub's rows, with their blank lines as they were."""
    rows = pd.read_parquet(PARQUET)["text"]
    path = tmp_path_factory.mktemp("text") / "wiki.test.raw"
    path.write_bytes("".join(row or " \n" for row in rows).encode())
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SPEC.text_sha256
    return path


def digests(folder: Path) -> dict[str, str]:
    return {name: tensor_sha256(torch.load(folder / f"{name}.pt")) for name in SPEC.published_sha256}


@pytest.mark.parametrize("fault", [(), ("--cut", "100000")], ids=["whole", "cut-and-resumed"])
def test_the_hubs_text_gives_the_published_tensors(python, tmp_path, fault):
    with served(*fault) as endpoint:
        done = python(endpoint, "-m", "data_prep")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "datasets" / "gpt2_tokenized_data"
    assert digests(folder) == SPEC.published_sha256
    metadata = json.loads((folder / "metadata.json").read_text())
    assert (metadata["dataset_name"], metadata["tokenizer"], metadata["stand_in"]) == ("wikitext-2", "gpt2", False)
    assert (metadata["tokens_with_padding"], metadata["tokens_without_padding"]) == (248_320, 197_913)
    assert metadata["revision"]
    for shown in ("1,940 x 128", "248,320", "197,913", "20.3%", "79.7%", SPEC.published_sha256["input_ids"]):
        assert shown in done.stdout
    # The cache serves the second time, when nobody answers any more.
    again = python("http://127.0.0.1:9", "-m", "data_prep", "--output", "again", "--stand-in", "never")
    assert again.returncode == 0, again.stderr
    assert digests(tmp_path / "again") == SPEC.published_sha256


def test_the_text_file_gives_the_published_tensors(python, tmp_path, wiki_test_raw):
    done = python(
        "http://127.0.0.1:9",
        "-m",
        "data_prep",
        "--text-file",
        str(wiki_test_raw),
        "--tokenizer",
        str(TOKENIZER),
        "--output",
        "out",
    )
    assert done.returncode == 0, done.stderr
    assert digests(tmp_path / "out") == SPEC.published_sha256
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(ALL_FILE_NAMES)
    checked = python(
        "http://127.0.0.1:9",
        "-m",
        "pytest",
        f"{REPOSITORY}/benchmarks",
        *CONFIGURATION,
        "-m",
        "integrity",
        "--dataset-dir=out",
    )
    assert "22 passed" in checked.stdout, checked.stdout


@pytest.mark.parametrize("rows_at_once", [1, 7, 5000])
def test_the_number_of_rows_in_memory_changes_nothing(wiki_test_raw, rows_at_once):
    rows = text.select_rows(text.from_file(SPEC, wiki_test_raw).rows, min_chars=50).shuffle(seed=42)
    found = tokens.padded(rows["text"], load_tokenizer(str(TOKENIZER)), 128, rows_at_once=rows_at_once)
    digests = {name: tensor_sha256(getattr(found, name)) for name in ("input_ids", "attention_mask")}
    assert digests == {name: SPEC.published_sha256[name] for name in ("input_ids", "attention_mask")}


def test_the_whole_text_is_that_of_the_published_protocol(wiki_test_raw, monkeypatch):
    monkeypatch.setattr("fixtures.dataset.whole_text.unreachable_reason", lambda: None)
    tokenizer = load_tokenizer(str(TOKENIZER))
    found = read_whole_text(wiki_test_raw, tokenizer)
    assert len(found.ids) == 287_644  # as the documentation of transformers prints it for this text
    rows = pd.read_parquet(PARQUET)["text"]
    assert found.ids.tolist() == tokenizer.backend("\n\n".join(rows), verbose=False)["input_ids"]
    assert found.words == 241_211


def test_the_hubs_sentences_and_the_tsv_give_the_published_tensors_and_are_checked_with_the_others(python, tmp_path):
    published, prepare = sst2.SPEC.published_sha256, ("-m", "data_prep", "--task", "classification")
    with served() as endpoint:
        done = python(endpoint, *prepare, "--stand-in", "never")
    assert done.returncode == 0, done.stderr
    assert digests(tmp_path / "datasets" / "sst2_tokenized_data") == published
    for shown in ("872 x 128", "428 + 444", "21,943", published["labels"]):
        assert shown in done.stdout
    again = python("http://127.0.0.1:9", *prepare, "--output", "again", "--stand-in", "never")  # from the cache
    assert digests(tmp_path / "again") == published, again.stderr
    rows = pd.read_parquet(SHARED / "hub/datasets/nyu-mll/glue/sst2/validation-00000-of-00001.parquet")
    lines = [f"{sentence}\t{label}\n" for sentence, label in zip(rows["sentence"], rows["label"], strict=True)]
    (tmp_path / "dev.tsv").write_text("".join(["sentence\tlabel\n", *lines]))
    assert hashlib.sha256((tmp_path / "dev.tsv").read_bytes()).hexdigest() == sst2.SPEC.text_sha256
    tokenizer = SHARED / "hub/models" / sst2.SPEC.protocol.tokenizer
    options = ("--text-file", "dev.tsv", "--tokenizer", str(tokenizer), "--output", "tsv")
    from_file = python("http://127.0.0.1:9", *prepare, *options)
    assert digests(tmp_path / "tsv") == published, from_file.stderr
    metadata = json.loads((tmp_path / "tsv" / "metadata.json").read_text())
    assert (metadata["dataset_name"], metadata["tokenizer"]) == ("sst2", "distilbert-base-uncased")
    checked = python(
        "http://127.0.0.1:9", "-m", "pytest", f"{REPOSITORY}/benchmarks", *CONFIGURATION, "-m", "integrity"
    )
    # Skipped: two digests for language modeling, whose dataset is generated here, and bytes of text for classification,
    # whose tokenizer drops spaces.
    assert "40 passed, 3 skipped" in checked.stdout, checked.stdout


def test_a_hub_that_is_down_is_one_sentence(python, tmp_path):
    with served("--down", "--verbose", log=tmp_path / "log.txt") as endpoint:
        done = python(endpoint, "-m", "data_prep")
    assert len((tmp_path / "log.txt").read_text().splitlines()) == 1  # the clients alone would ask again and again
    assert done.returncode == 1
    assert done.stderr.startswith("error: The model hub at ")
    assert "HTTP 503" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "datasets").exists()


def test_a_hub_that_is_slow_is_waited_for(delayed):
    slow = delayed["0.3"]
    assert slow.done.returncode == 0, slow.done.stderr
    assert digests(slow.folder / "datasets" / "gpt2_tokenized_data") == SPEC.published_sha256


def test_a_hub_that_is_slower_than_the_deadline_is_one_sentence(delayed):
    slow = delayed["4"]
    assert slow.done.returncode == 1
    assert re.search(
        f"cannot be reached \\((no answer from {slow.endpoint} within 3 s|{slow.endpoint}: timed out)\\)",
        slow.done.stderr,
    )
    assert "Traceback" not in slow.done.stderr
    assert not (slow.folder / "datasets").exists()


def test_unknown_datasets_and_tokenizers_are_one_sentence(python, tmp_path):
    unknown = ["--dataset nobody/nothing", "--split evaluation", "--tokenizer nobody/nothing"]
    script = f"""
import sys
from data_prep.__main__ import main
for arguments in {unknown}:
    sys.argv = ["data_prep", *arguments.split(), "--output", "out"]
    print(main())
    print("---", file=sys.stderr)
"""
    with served() as endpoint:
        done = python(endpoint, "-c", script)
    assert done.stdout.split() == ["1", "1", "1"], done.stderr
    said = done.stderr.split("---\n")[:-1]
    assert len(said) == len(unknown)
    assert all("error: The " in sentence or "error: Salesforce" in sentence for sentence in said), said
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def downloaded(cache: Path) -> int:
    """The bytes of what is being downloaded; 0 when it has just been renamed, or its folder has just gone."""
    try:
        return sum(file.stat().st_size for file in cache.rglob("*.incomplete"))
    except FileNotFoundError:
        return 0


def test_a_hub_that_dies_in_mid_download_is_one_sentence(python, tmp_path, tiny_dataset):
    weights = tmp_path / "weights"
    weights.mkdir()
    with (weights / "model.safetensors").open("wb") as handle:
        handle.truncate(400_000_000)
    suite = ("-m", "pytest", str(REPOSITORY / "benchmarks"), *CONFIGURATION, "--device=cpu")
    with ThreadPoolExecutor() as pool, served("--weights", str(weights)) as endpoint:
        running = pool.submit(python, endpoint, *suite, f"--dataset-dir={tiny_dataset}")
        cache = tmp_path / "cache"
        while not running.done() and downloaded(cache) < 1e6:
            time.sleep(0.01)
    done = running.result()
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "The model openai-community/gpt2 could not be downloaded" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not list(cache.rglob("model.safetensors"))


def test_the_main_job_takes_text_tokenizer_and_weights_from_the_hub(python, tmp_path):
    weights = tmp_path / "weights"
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config()).save_pretrained(weights)
    suite = ("-m", "pytest", str(REPOSITORY / "benchmarks"), *CONFIGURATION, "--precisions=fp32", "--rounds=2")
    suite += ("-k", "not drift")  # 20 more rounds of the whole model, which say nothing about where it came from
    with served("--weights", str(weights)) as endpoint:
        done = python(
            endpoint, *suite, "--device=cpu", "--warmup-rounds=1", "--quality-samples=2", "--benchmark-json=run.json"
        )
    assert done.returncode == 0, done.stdout + done.stderr
    info = json.loads((tmp_path / "run.json").read_text())["benchmarks"][0]["extra_info"]
    assert info["provenance"]["stand_in"] is False
    assert info["provenance"]["num_samples"] == 1940
    assert info["provenance"]["parameters"] == 124_439_808
    assert (
        info["provenance"]["weights_sha256"] == hashlib.sha256((weights / "model.safetensors").read_bytes()).hexdigest()
    )
    assert info["size"]["model_size_mb"] == pytest.approx(497.76, abs=0.01)
    assert info["quality"]["meaningful"] is True
    assert "STAND-IN" not in done.stdout


def tiny_gpt2_folder(folder: Path) -> Path:
    """A tiny GPT-2 with GPT-2's tokenizer beside it, as a fine-tuned one or DistilGPT2 is stored."""
    tiny_gpt2(n_positions=128).save_pretrained(folder)
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        (folder / name).write_bytes((TOKENIZER / name).read_bytes())
    return folder


BRIEF = ("--device=cpu", "--precisions=fp32", "--visits=1", "--rounds=1", "--warmup-rounds=0", "--quality-samples=16")


def test_a_model_with_gpt2s_tokenizer_is_measured_on_gpt2s_dataset(python, tmp_path):
    model = tiny_gpt2_folder(tmp_path / "my-gpt2")
    suite = ("-m", "pytest", f"{REPOSITORY}/benchmarks", *CONFIGURATION, *BRIEF, f"--model={model}")
    with served() as endpoint:
        done = python(endpoint, *suite, "--benchmark-json=run.json")
    assert done.returncode == 0, done.stdout
    assert [path.name for path in (tmp_path / "datasets").iterdir()] == ["gpt2_tokenized_data"]
    assert digests(tmp_path / "datasets" / "gpt2_tokenized_data") == SPEC.published_sha256
    info = json.loads((tmp_path / "run.json").read_text())["benchmarks"][0]["extra_info"]
    assert {name for name, passed in info["integrity"]["checks"].items() if passed is not True} == set()
    assert info["provenance"]["tokenizer_sha256"] == SPEC.tokenizer_sha256
    assert (info["quality"]["meaningful"], info["quality"]["bits_per_byte_reason"]) == (True, None)


def test_the_digests_of_the_published_tokenizers():
    """Datasets are known by them, so they may change with no release of transformers."""
    for spec in (SPEC, sst2.SPEC):
        folder = SHARED / "hub/models" / spec.protocol.tokenizer
        assert load_tokenizer(str(folder)).sha256 == spec.tokenizer_sha256


def test_two_sessions_that_prepare_one_dataset_at_the_same_time_do_each_other_no_harm(python, tmp_path):
    FAMILIES["llama"].save(tmp_path / "llama")
    suite = ("-m", "pytest", f"{REPOSITORY}/benchmarks", *CONFIGURATION, *BRIEF, f"--model={tmp_path / 'llama'}")
    with served() as endpoint, ThreadPoolExecutor() as pool:
        running = [pool.submit(python, endpoint, *suite, f"--results-dir=results{number}") for number in (1, 2)]
        done = [future.result() for future in running]
    assert [one.returncode for one in done] == [0, 0], done[0].stdout + done[1].stdout
    (prepared,) = (tmp_path / "datasets").iterdir()
    assert sorted(path.name for path in prepared.iterdir()) == sorted(ALL_FILE_NAMES)


def test_a_model_on_the_hub_is_measured_in_the_tokens_of_its_repository(python, tmp_path):
    server = tmp_path / "shared" / "tools" / SERVER.name
    shutil.copytree(SHARED / "hub", tmp_path / "shared" / "hub")
    FAMILIES["qwen"].save(tmp_path / "shared" / "hub" / "models" / "somebody" / "qwen-tiny")
    server.parent.mkdir()
    shutil.copy(SERVER, server)
    suite = ("-m", "pytest", f"{REPOSITORY}/benchmarks", *CONFIGURATION, *BRIEF, "--model=somebody/qwen-tiny")
    with served(server=server) as endpoint:
        done = python(endpoint, *suite, "--benchmark-json=run.json")
    assert done.returncode == 0, done.stdout + done.stderr
    (prepared,) = (tmp_path / "datasets").iterdir()
    assert prepared.name.startswith("qwen-tiny-")
    info = json.loads((tmp_path / "run.json").read_text())["benchmarks"][0]["extra_info"]
    assert (info["provenance"]["model"], info["provenance"]["tokenizer"]) == ("somebody/qwen-tiny", "qwen-tiny")
