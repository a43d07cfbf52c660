"""Classification: its data, its figures against a plain loop, paired answers, and what is refused."""

from __future__ import annotations

import csv
import json
import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from benchmarks.instruments.numerics import numerics, require_products
from core.errors import InputError
from core.statistics.paired_shares import difference_interval, mcnemar_p, share_interval
from data_prep.datasets.sst2 import FIRST_ID, LAST_ID, PADDING_ID, SPEC, read_file
from data_prep.layout import write_dataset
from data_prep.prepare import prepare
from fixtures.dataset.batches import ShapedDataset
from fixtures.dataset.folder import DatasetFolder
from fixtures.dataset.integrity import verify
from fixtures.executions import EXECUTIONS
from fixtures.models.checkpoint import find_checkpoint, read_checkpoint
from fixtures.models.loading import load_model
from fixtures.precisions import PRECISIONS, PrecisionError, baseline
from fixtures.tasks.classification import MODEL, TASK, answers
from fixtures.tasks.labelled_answers import Answers, figures_of
from fixtures.tasks.task import Scored, ScoredRows
from tests.test_suite import extra_info
from tests.tiny import tiny_gpt2

CPU = torch.device("cpu")
LENGTHS = (5, 16, 3, 9, 16, 12)
METADATA = {
    "num_samples": len(LENGTHS),
    "max_length": 16,
    "dataset_name": "tiny",
    "num_labels": 2,
    "seed": 42,
    "tokenizer": "distilbert-base-uncased",
}


def tensors() -> dict[str, torch.Tensor]:
    """Six sequences of 3 to 16 tokens between the special ones, with labels."""
    ids = torch.randint(999, 1099, (len(LENGTHS), 16), generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor(LENGTHS)
    mask = (torch.arange(16) < lengths[:, None]).long()
    ids[:, 0] = FIRST_ID
    ids.scatter_(1, lengths[:, None] - 1, LAST_ID)
    ids[mask == 0] = PADDING_ID
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([0, 1, 1, 0, 1, 0])}


def tiny_classifier(**changes: object) -> transformers.PreTrainedModel:
    """A DistilBERT of two layers, seeded, whose answers are not all one class."""
    torch.manual_seed(1)
    sizes = {"n_layers": 2, "dim": 16, "n_heads": 2, "hidden_dim": 32, "vocab_size": 1100, "initializer_range": 0.5}
    config = transformers.DistilBertConfig(**{**sizes, **changes})
    return transformers.DistilBertForSequenceClassification(config).eval()


@pytest.fixture
def dataset(tmp_path) -> Path:
    """A folder with the six published metadata keys alone."""
    write_dataset(tmp_path / "sst2", tensors(), METADATA)
    return tmp_path / "sst2"


@pytest.fixture(scope="module")
def classifier(tmp_path_factory) -> Path:
    """A folder with a tiny classifier's checkpoint."""
    folder = tmp_path_factory.mktemp("classifier") / "tiny"
    tiny_classifier().save_pretrained(folder)
    return folder


@pytest.fixture
def run_classification(run_suite, dataset, classifier):
    """Run the benchmarks of classification on them."""
    return partial(run_suite, "--task=classification", f"--model={classifier}", f"--dataset-dir={dataset}")


def scored(model: transformers.PreTrainedModel) -> Scored:
    return Scored(model, partial(baseline().running, CPU))


def test_a_session_measures_a_classifier_in_every_precision_and_execution(run_classification, saved_run, tmp_path):
    result = run_classification("--benchmark-autosave", "--precisions=fp32,bf16,int8", pictures=True)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*DistilBERT precision benchmark*", "benchmark*accuracy*marks"])
    quality = extra_info(saved_run(), "classification-fp32-eager-b1x16")["quality"]
    model, data = tiny_classifier(), tensors()
    with torch.no_grad():
        logits = [model(input_ids=row[None, :n]).logits[0] for row, n in zip(data["input_ids"], LENGTHS, strict=True)]
    right = [int(one.argmax()) == label for one, label in zip(logits, data["labels"].tolist(), strict=True)]
    losses = [-torch.log_softmax(one, 0)[label] for one, label in zip(logits, data["labels"].tolist(), strict=True)]
    assert quality["accuracy"] == sum(right) / 6
    assert quality["avg_loss_nats"] == pytest.approx(float(torch.stack(losses).mean()), abs=1e-6)
    assert quality["headline"] == "accuracy"
    with np.load(quality["per_sequence_file"], allow_pickle=False) as kept:
        assert kept["correct"].tolist() == right
    bf16 = extra_info(saved_run(), "classification-bf16-eager-b1x16")["quality"]
    assert bf16["kl_vs_fp32_nats"] > 0
    assert bf16["scored_vs_timed"]["kl_nats"] < 1e-4
    results = tmp_path / "results"
    with (results / "distilbert_quantization_benchmark_results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [f"classification-{name}-eager-b1x16" for name in ("fp32", "bf16", "int8")]
    assert "perplexity" not in rows[0]
    assert "perplexity" not in (results / "distilbert_benchmark_summary.md").read_text()
    assert (results / "accuracy.png").is_file()
    assert not (results / "gpt2_benchmark_summary.md").exists()


def test_both_tasks_are_one_session_one_table_and_a_csv_each(
    run_suite, dataset, classifier, tiny_dataset, tiny_model, saved_run, tmp_path
):
    result = run_suite(
        "--benchmark-autosave",
        "--task=language_modeling,classification",
        f"--model=language_modeling={tiny_model},classification={classifier}",
        f"--dataset-dir=language_modeling={tiny_dataset},classification={dataset}",
        "--precisions=fp32,bf16",
        pictures=True,
    )
    assert result.ret == 0
    names = [item["param"] for item in saved_run()["benchmarks"]]
    assert names == [
        *(f"{name}-eager-b1x16" for name in ("fp32", "bf16")),
        *(f"classification-{name}-eager-b1x16" for name in ("fp32", "bf16")),
    ]
    result.stdout.fnmatch_lines(["*GPT-2 and DistilBERT precision benchmark*", "benchmark*perplexity*accuracy*marks"])
    summary = (tmp_path / "results" / "gpt2_benchmark_summary.md").read_text()
    assert all(f"| {name} " in summary for name in names)
    pictured = (tmp_path / "results" / "accuracy.svg").read_text()
    assert "no figure" not in pictured  # of accuracy there are the classifier's rows alone
    for files in ("gpt2", "distilbert"):
        with (tmp_path / "results" / f"{files}_quantization_benchmark_results.csv").open() as file:
            assert len(list(csv.DictReader(file))) == 2


def test_padding_changes_no_answer_in_any_layout():
    data, model = tensors(), scored(tiny_classifier())
    whole = answers(model, data["input_ids"], data["attention_mask"])
    with torch.no_grad():
        padded = model.model(input_ids=data["input_ids"], attention_mask=data["attention_mask"]).logits
        single = [
            model.model(input_ids=row[None, :n]).logits[0] for row, n in zip(data["input_ids"], LENGTHS, strict=True)
        ]
    for other in (padded, torch.stack(single)):
        assert torch.allclose(torch.log_softmax(other, dim=-1), whole.log_p, atol=1e-5)


def test_paired_figures_are_those_computed_by_hand():
    def of(classes: list[int]) -> Answers:
        return Answers(torch.log_softmax(4.0 * torch.nn.functional.one_hot(torch.tensor(classes), 2), -1), 0)

    labels, fp32, other = [0, 0, 1, 1, 1, 0], [0, 0, 1, 1, 0, 1], [0, 1, 1, 0, 1, 1]
    found = figures_of(of(other), torch.tensor(labels), of(fp32), lambda row: {"text": str(row)}).fields
    assert (found["accuracy"], found["correct"]) == (3 / 6, 3)
    assert (found["flips_to_wrong"], found["flips_to_right"]) == (2, 1)
    assert found["delta_accuracy_points"] == pytest.approx(-100 / 6)
    assert found["mcnemar_p"] == 1.0  # 2 of 3 on one side or more: 4 of 8 outcomes, twice
    assert found["top1_agreement_vs_fp32"] == 3 / 6
    assert [(flip["sample"], flip["fp32"], flip["class"]) for flip in found["flipped"]] == [
        (1, 0, 1),
        (3, 1, 0),
        (4, 0, 1),
    ]
    assert found["flipped"][0]["text"] == "1"
    p = math.exp(4) / (math.exp(4) + 1)
    assert found["kl_vs_fp32_nats"] == pytest.approx(3 / 6 * (2 * p - 1) * 4)
    assert found["verdict"] == "undecided"


def test_intervals_and_test_are_the_published_ones():
    assert share_interval(794, 872) == pytest.approx((0.8896, 0.9286), abs=2e-4)
    assert share_interval(0, 10) == pytest.approx((0, 1 - 0.025**0.1))
    assert mcnemar_p(0, 0) == 1.0
    assert mcnemar_p(1, 7) == pytest.approx(2 * 9 / 256)
    # Tango (1998), his example of 44 pairs: 43 alike, one discordant.
    assert difference_interval(0, 1, 44) == pytest.approx((-0.118, 0.0603), abs=1e-3)
    low, high = difference_interval(0, 0, 872)  # z^2 / (n + z^2)
    assert (low, high) == pytest.approx((-3.8415 / 875.8415, 3.8415 / 875.8415), abs=1e-5)


@pytest.mark.parametrize(("gain", "loss"), [(0.01, 0.01), (0.002, 0.012), (0.05, 0.02)])
def test_the_interval_of_a_difference_covers_it(gain, loss):
    generator, hits, runs = np.random.default_rng(1), 0, 2000
    for gains, losses, _ in generator.multinomial(872, [gain, loss, 1 - gain - loss], size=runs):
        low, high = difference_interval(int(gains), int(losses), 872)
        hits += low <= gain - loss <= high
    assert hits / runs > 0.94


def test_nan_logits_leave_no_accuracy_and_a_reason():
    broken = Answers(torch.full((2, 2), math.nan), 4)
    found = figures_of(broken, torch.tensor([0, 1]), broken, lambda row: {}).fields
    assert found["accuracy"] is None
    assert found["reason"] == "4 logits are NaN or infinite"
    assert not {"delta_accuracy_points", "verdict"} & found.keys()  # None in the record


def test_one_pass_scores_every_precision_and_fp32_once():
    data = tensors()
    rows = ScoredRows(data["input_ids"], data["attention_mask"], data["labels"], lambda row: {})
    figures = TASK.scoring.score(rows, {"same": scored(tiny_classifier())}, scored(tiny_classifier()), "fp32")
    assert set(figures) == {"same", "fp32"}
    assert figures["same"].fields["delta_accuracy_points"] == 0
    assert "rounding of FP32" in figures["same"].fields["divergence_reason"]
    assert figures["fp32"].fields["delta_reason"] == "FP32 is what the others are compared with"


def test_what_is_timed_is_compared_with_what_is_scored_row_by_row():
    data, model = tensors(), tiny_classifier()
    shaped = ShapedDataset(data["input_ids"], data["attention_mask"], data["labels"], 4, 16, CPU)
    with torch.no_grad():
        parts = list(
            TASK.scoring.timed(
                lambda batch: model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits,
                model,
                shaped,
                shaped.batches,
            )
        )
    assert torch.cat([part.right for part in parts]).tolist() == [0, 1, 1, 0, 1, 0, 0, 1]  # the last batch is filled up
    for part in parts:
        assert torch.allclose(part.timed, part.scored, atol=1e-5)


def changed(name: str, change: object) -> dict[str, torch.Tensor]:
    made = tensors()
    made[name] = change(made[name])
    return made


def with_value(row: int, column: int, value: int):
    def change(tensor: torch.Tensor) -> torch.Tensor:
        tensor[row, column] = value
        return tensor

    return change


@pytest.mark.parametrize(
    ("check", "name", "change", "message"),
    [
        ("labels_are_classes", "labels", lambda labels: labels + 1, "3 labels such as 2; expected 0 to 1"),
        ("shapes_agree", "labels", lambda labels: labels[:5], "labels (5,); expected the shape (samples, tokens)"),
        ("padding_is_the_tokenizers", "input_ids", with_value(0, 15, 7), "1 padding ids such as 7; expected 0"),
        ("sequences_have_special_tokens", "input_ids", with_value(2, 0, 7), "the first, 2, with 7 and 102"),
        ("sequences_have_special_tokens", "input_ids", with_value(2, 2, 7), "the first, 2, with 101 and 7"),
        ("ids_in_vocabulary", "input_ids", with_value(1, 3, 40_000), "ids in [0, 30522)"),
    ],
)
def test_each_integrity_check_fails_on_what_it_is_for(tmp_path, check, name, change, message):
    write_dataset(tmp_path / "data", changed(name, change), METADATA | {"dataset_name": SPEC.name})
    finding = verify(DatasetFolder(tmp_path / "data", SPEC), TASK.checks)[check]
    assert finding.passed is False
    assert message in finding.message
    assert "python -m data_prep --task classification --output" in finding.message


def test_a_folder_with_the_six_published_keys_passes(dataset):
    findings = verify(DatasetFolder(dataset, SPEC), TASK.checks)
    assert [finding.message for finding in findings.values() if finding.passed is False] == []


def test_a_dataset_of_the_other_task_is_refused_with_the_option(run_suite, dataset, classifier, tiny_dataset):
    result = run_suite("--task=classification", f"--model={classifier}", f"--dataset-dir={tiny_dataset}", "-mintegrity")
    assert result.ret == 1
    assert "it is a dataset for --task language_modeling" in str(result.stdout)
    result = run_suite(f"--dataset-dir={dataset}", "-mintegrity")
    assert "it is a dataset for --task classification" in str(result.stdout)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("sentence\tgold\na film\t1\n", "has the columns ['sentence', 'gold']; expected sentence and label"),
        ("sentence\tlabel\na\tfilm\t1\n", "Line 2 of dev.tsv has 3 fields; expected 2"),
        ("sentence\tlabel\na film\tgood\n", "Line 2 of dev.tsv has the label 'good'"),
        ("sentence\tlabel\n\t1\n", "Row 0 of the text has an empty sentence"),
        ("sentence\tlabel\n", "The text has no row"),
    ],
)
def test_a_malformed_tsv_is_one_sentence(content, message):
    with pytest.raises(InputError) as raised:
        SPEC.select(SPEC.protocol, read_file(content.encode(), Path("dev.tsv")))
    assert message in str(raised.value)


def test_quotes_in_a_tsv_are_characters():
    rows = read_file(b'sentence\tlabel\n"a" \'film\t1\n', Path("dev.tsv"))
    assert (rows["sentence"][0], rows["label"][0]) == ('"a" \'film', 1)


def test_generated_sentences_pass_every_check_and_are_marked(tmp_path):
    folder = prepare(SPEC, None, tmp_path / "data", "always")
    findings = verify(DatasetFolder(folder, SPEC), TASK.checks)
    assert [name for name, finding in findings.items() if finding.passed is not True] == ["published_digests_agree"]
    metadata = json.loads((folder / "metadata.json").read_text())
    assert (metadata["stand_in"], metadata["num_samples"], metadata["num_labels"]) == (True, 872, 2)
    mean = metadata["tokens_without_padding"] / 872
    assert 23 < mean < 28


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (tiny_gpt2, "is a GPT2LMHeadModel of type 'gpt2'; expected a classifier of sequences"),
        (lambda: tiny_classifier(num_labels=1), "has 1 outputs for a regression; expected two classes or more"),
        (lambda: tiny_classifier(problem_type="multi_label_classification"), "for multi_label_classification"),
    ],
)
def test_models_of_another_kind_are_refused(tmp_path, make, message):
    make().save_pretrained(tmp_path / "model")
    with pytest.raises(InputError) as raised:
        read_checkpoint(MODEL, "other", tmp_path / "model")
    assert message in str(raised.value)


def test_a_classifier_as_a_language_model_is_told_the_option(run_suite, classifier):
    result = run_suite(f"--model={classifier}", "--precisions=fp32")
    assert "--task classification measures this one" in str(result.stdout) + str(result.stderr)


def test_a_model_with_other_classes_than_the_dataset_is_refused(run_suite, dataset, tmp_path):
    tiny_classifier(num_labels=3).save_pretrained(tmp_path / "three")
    result = run_suite(
        "--task=classification", f"--model={tmp_path / 'three'}", f"--dataset-dir={dataset}", "--precisions=fp32"
    )
    assert result.ret == 1
    assert "has 3 classes, but the dataset in" in str(result.stdout)


def test_a_classifier_that_reads_its_padding_is_refused(tmp_path):
    torch.manual_seed(0)
    config = transformers.GPT2Config(n_layer=1, n_embd=16, n_head=2, vocab_size=1100, pad_token_id=5, num_labels=2)
    transformers.GPT2ForSequenceClassification(config).save_pretrained(tmp_path / "gpt2")
    with pytest.raises(InputError, match="answers otherwise where padding"):
        load_model(find_checkpoint(MODEL, str(tmp_path / "gpt2"), "auto"), PRECISIONS["fp32"], CPU)


def test_a_layer_that_sees_one_token_needs_no_tensor_cores():
    data, model = tensors(), tiny_classifier()
    shaped = ShapedDataset(data["input_ids"], data["attention_mask"], data["labels"], 1, 16, CPU)
    with torch.no_grad():
        found = numerics(model, EXECUTIONS["eager"].prepare(model, shaped.examples), shaped.batches[0])
    assert found["single_row_products"] == 1  # the layer before the classifier; not the classifier itself
    kernel = "ampere_sgemm_tf32_128x64"
    require_products(PRECISIONS["tf32"], {kernel: 12, "gemv2T_kernel": 2}, layers=13 - found["single_row_products"])
    with pytest.raises(PrecisionError, match="2 are gemv2T_kernel"):
        require_products(PRECISIONS["tf32"], {"gemv2T_kernel": 2}, layers=0)


def test_other_families_of_classifiers_run(run_suite, dataset, tmp_path):
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    llama = transformers.LlamaConfig(**sizes, vocab_size=1100, pad_token_id=0, num_labels=2)
    bert = transformers.BertConfig(**sizes, vocab_size=1100, num_labels=2)
    for name, model in (
        ("llama", transformers.LlamaForSequenceClassification(llama)),
        ("bert", transformers.BertForSequenceClassification(bert)),
    ):
        model.save_pretrained(tmp_path / name)
        result = run_suite(
            "--task=classification", f"--model={tmp_path / name}", f"--dataset-dir={dataset}", "--precisions=fp32,int8"
        )
        assert result.ret == 0, name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--task=translation"], "--task names 'translation'; expected some of language_modeling, classification"),
        (["--task=classification", "--quality-protocol=strided"], "expected --task language_modeling with it"),
        (["--model=classification=x"], "--model names the task 'classification'; expected one that is measured"),
        (["--task=language_modeling,classification", "--model=x"], "expected TASK=VALUE"),
        (["--model=language_modeling=x,language_modeling=y"], "names language_modeling more than once"),
    ],
)
def test_options_for_tasks_are_checked(run_suite, options, message):
    result = run_suite(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in str(result.stderr)
