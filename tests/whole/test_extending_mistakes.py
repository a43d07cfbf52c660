"""The mistakes that pages of docs/extending/ list for what is measured have the errors that stand there."""

from __future__ import annotations

import dataclasses
import importlib
import sys

import pytest
import torch

from benchmarks.instruments import INSTRUMENTS, require_consistent
from benchmarks.instruments.quality.timed import require_same_predictions
from benchmarks.policies import Policies
from core.errors import DeclarationError, InputError
from core.metrics.figures import Figure
from core.registry import Registry, of_type
from data_prep.__main__ import chosen_dataset
from data_prep.datasets import DATASETS, DEFAULTS, by_task, require_own_folders, wikitext2
from fixtures.executions import EXECUTIONS, CaptureError, only_reference
from fixtures.families import FAMILIES, by_model_type, default_family
from fixtures.models.checkpoint import find_checkpoint
from fixtures.models.loading import load_model
from fixtures.precisions import Precision, PrecisionError
from fixtures.tasks import language_modeling, require_own_datasets
from fixtures.tasks.records import TimedRecord
from fixtures.workloads import WORKLOADS
from tests.support.documented import module, refused, values_of, words_of
from tests.support.registries import register
from tests.support.tiny import tiny_gpt2

FP8 = "fixtures/precisions/fp8_weights.py"
HEAD32 = "fixtures/precisions/bf16_head32.py"
INFERENCE = "fixtures/executions/inference.py"
NEXT_TOKEN = "fixtures/workloads/next_token.py"
LAMBADA = "data_prep/datasets/lambada.py"
LAST_TOKEN = "fixtures/tasks/last_token.py"
VALIDATION = "data_prep/datasets/wikitext2_validation.py"
ROBERTA = "fixtures/families/roberta.py"


@pytest.mark.parametrize(
    ("page", "file", "old", "new"),
    [
        ("precision", FP8, "    requires=(BF16,),\n", ""),
        ("precision", FP8, "    weights=FP8,\n", ""),
        ("precision", FP8, "    transform=with_fp8_weights,\n", ""),
        ("execution", INFERENCE, "As eager, but under torch.inference_mode, which keeps no record of views.", ""),
        ("execution", INFERENCE, "rank=5", "rank=5, is_compiled=True"),
        ("workload", NEXT_TOKEN, "    SAMPLE,\n", '    "sample",\n'),
        ("family", ROBERTA, '("roberta", "xlm-roberta")', '"roberta"'),
    ],
)
def test_a_declaration_that_contradicts_itself(page, file, old, new):
    refused(page, lambda: module(file, (old, new)))


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("my_own.py", "MY_OWN = dataclasses.replace(floating.FP32)"),
        ("my_own.py", "MY_OWN = dataclasses.replace(floating.FP32, name='My FP32')"),
        ("my_own.py", "MINE = [dataclasses.replace(floating.FP32, name='mine')]"),
        ("mine/my_own.py", ""),
    ],
)
def test_a_name_that_is_taken_or_a_thing_that_is_not_found(monkeypatch, tmp_path, file, code):
    package = importlib.import_module("fixtures.precisions")
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(f"import dataclasses\nfrom fixtures.precisions import floating\n{code}\n")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    try:
        with pytest.raises(DeclarationError) as error:
            Registry("precision", "fixtures.precisions", of_type(Precision), reserved=("auto", "all"))
    finally:
        sys.modules.pop("fixtures.precisions.my_own", None)
    folders = (f"{tmp_path}/", f"{package.__path__[0]}/")
    sentence = str(error.value).replace(folders[0], "…/").replace(folders[1], "…/")
    assert sentence in words_of("README")


def test_precisions_that_store_something_else(tiny_model):
    left_out = module(FP8, ("layers_to_quantize(model).items()", "list(layers_to_quantize(model).items())[1:]"))
    model = left_out.with_fp8_weights(tiny_gpt2().to(torch.bfloat16))
    refused("precision", lambda: left_out.FP8_WEIGHTS.verify(model, torch.zeros(1)), PrecisionError)
    checkpoint = find_checkpoint(language_modeling.TASK.model, str(tiny_model), "auto")
    forgetful = module(FP8, ("    return model\n", "")).FP8_WEIGHTS
    refused("precision", lambda: load_model(checkpoint, forgetful, torch.device("cpu")), PrecisionError)
    silent = module(HEAD32, ("    logits=torch.float32,\n", ""))
    stored = silent.with_float32_output(tiny_gpt2().to(torch.bfloat16))
    refused("precision", lambda: silent.BF16_HEAD32.verify(stored, torch.zeros(1)), PrecisionError)


def test_executions_that_are_no_reference_or_compute_something_else(run_suite, monkeypatch):
    second = module(INFERENCE, ("rank=5", "rank=5, is_reference=True")).INFERENCE
    refused("execution", lambda: only_reference([EXECUTIONS["eager"], second]))
    register(monkeypatch, EXECUTIONS, module(INFERENCE, ("eager.run()", "2 * eager.run()")).INFERENCE)
    output = run_suite("--precisions=fp32", "--executions=inference").stdout.str()
    predicts = "What fp32-inference-b1x16 predicts while it is timed differs from what was scored by"
    for part in (predicts, "expected at most 1.0e-06. Its latency and its quality would be those of two computations."):
        assert part in output
        assert part in words_of("execution")


def test_an_execution_whose_logits_have_another_dtype_than_eager_ones(run_suite, monkeypatch):
    register(monkeypatch, EXECUTIONS, module(INFERENCE, ("eager.run()", "eager.run().half()")).INFERENCE)
    output = run_suite("--precisions=fp32", "--executions=inference").stdout.str()
    sentence = (
        "fp32-inference-b1x16 gives logits of torch.float16 where an eager forward gives torch.float32: what is timed"
    )
    assert sentence in output


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            'return Step(logits, inputs, changing=lambda _: ("input_ids",))',
            "return None",
            "the workload next_token starts with None; expected a Step",
        ),
        ('{"input_ids": batch', '{"ids": batch', "got an unexpected keyword argument 'ids'"),
    ],
)
def test_workloads_whose_step_cannot_be_called(run_suite, monkeypatch, old, new, sentence):
    register(monkeypatch, WORKLOADS, module(NEXT_TOKEN, (old, new)).NEXT_TOKEN)
    output = run_suite("--precisions=fp32", "--workloads=next_token").stdout.str()
    assert sentence in words_of("workload")
    assert sentence in output


def test_tasks_without_a_dataset_of_their_own(monkeypatch):
    spec = module(LAMBADA).SPEC
    monkeypatch.setitem(sys.modules, "data_prep.datasets.lambada", module(LAMBADA))
    task = module(LAST_TOKEN).TASK
    monkeypatch.setitem(DEFAULTS, spec.task, spec)
    refused("task", lambda: require_own_datasets([dataclasses.replace(task, dataset=wikitext2.SPEC)]))
    refused("task", lambda: by_task([*DATASETS.values(), dataclasses.replace(spec, is_default=False)]))


def test_tasks_whose_words_name_no_column(monkeypatch):
    monkeypatch.setitem(sys.modules, "data_prep.datasets.lambada", module(LAMBADA))
    misspelt = ('headline="last_token_accuracy"', 'headline="last_token_acuracy"')
    task = module(LAST_TOKEN, misspelt).TASK
    instruments = [instrument(Policies()) for instrument in INSTRUMENTS.values()]
    refused("task", lambda: require_consistent(instruments, [task]))


def test_scorings_that_leave_something_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "data_prep.datasets.lambada", module(LAMBADA))
    record = module(LAST_TOKEN).LastTokenRecord
    fields = values_of(record)
    incomplete = {name: value for name, value in fields.items() if name != "last_token_error_rate"}
    refused("task", lambda: record(**incomplete), TypeError)
    reasons = {
        "delta_points": Figure(None, reason="none"),
        "verdict": Figure(None, reason="FP32 is what the others are compared with"),
    }
    refused("task", lambda: record(**fields | reasons))
    refused("task", lambda: record(**fields | {"verdict": Figure("same")}))
    with pytest.raises(CaptureError) as differs:
        require_same_predictions(
            TimedRecord(kl_nats=Figure(1.0), kl_trimmed_nats=1.0, tolerated_nats=1e-6), "last_token-fp32-eager-b1x16"
        )
    assert str(differs.value).partition(" by ")[0] in words_of("task")


def test_datasets_that_are_not_the_one_that_is_meant(monkeypatch):
    second = module(VALIDATION, ("is_default=False", "is_default=True")).VALIDATION
    refused("dataset", lambda: by_task([*DATASETS.values(), second]))
    same = dataclasses.replace(module(VALIDATION).VALIDATION, folder=wikitext2.SPEC.folder)
    refused("dataset", lambda: require_own_folders([*DATASETS.values(), same]))
    register(monkeypatch, DATASETS, module(VALIDATION).VALIDATION)
    refused("dataset", lambda: DATASETS.named("wikitext-2-validatoin"), InputError)
    named = ["--name=wikitext-2-validation", "--task=classification"]
    refused("dataset", lambda: chosen_dataset(named), InputError)


def test_families_that_claim_what_is_anothers():
    taken = module(ROBERTA, ('"xlm-roberta"', '"gpt2"')).ROBERTA
    refused("family", lambda: by_model_type([*FAMILIES.values(), taken]))
    none = module(ROBERTA, ('    ("roberta", "xlm-roberta"),\n', "")).ROBERTA
    refused("family", lambda: default_family([*FAMILIES.values(), none]))
