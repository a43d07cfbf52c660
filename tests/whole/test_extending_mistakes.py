"""The mistakes that the pages of docs/extending/ list have the errors that stand there, word for word."""

from __future__ import annotations

import dataclasses
import importlib
import sys
import typing

import pytest
import torch

from analysis.report.page import pictures
from analysis.report.plots import PLOTS
from benchmarks.instruments import INSTRUMENTS, in_order
from benchmarks.instruments.quality.timed import require_same_predictions
from benchmarks.instruments.size import SizeRecord
from benchmarks.meters import METERS, MeterSource, open_meter, require_ranks
from benchmarks.meters.meter import MeterError
from benchmarks.policies import EnergyPolicy
from benchmarks.visit import Visit, add
from core.errors import DeclarationError, InputError
from core.metrics import CATALOGUE_KEY
from core.metrics.declarations import catalogue
from core.metrics.figures import Figure
from core.metrics.keys import keys_of
from core.registry import Registry, of_type
from data_prep.__main__ import chosen_dataset
from data_prep.datasets import DATASETS, DEFAULTS, by_task, wikitext2
from fixtures.executions import EXECUTIONS, CaptureError, only_reference
from fixtures.families import FAMILIES, by_model_type, default_family
from fixtures.models.checkpoint import find_checkpoint
from fixtures.models.loading import load_model
from fixtures.precisions import Precision, PrecisionError
from fixtures.tasks import language_modeling, require_own_datasets
from fixtures.tasks.task import TimedRecord
from fixtures.workloads import WORKLOADS
from tests.support.documented import module, words_of
from tests.support.registries import register
from tests.support.saved_runs import whole_run
from tests.support.tiny import tiny_gpt2

FP8, HEAD32 = "fixtures/precisions/fp8_weights.py", "fixtures/precisions/bf16_head32.py"
INFERENCE, NEXT_TOKEN = "fixtures/executions/inference.py", "fixtures/workloads/next_token.py"
LAMBADA, LAST_TOKEN = "data_prep/datasets/lambada.py", "fixtures/tasks/last_token.py"
VALIDATION, ROBERTA = "data_prep/datasets/wikitext2_validation.py", "fixtures/families/roberta.py"
LATENCY, WALL_PLUG = "benchmarks/instruments/latency/statistics.py", "benchmarks/meters/wall_plug.py"
SPARSITY, CPU_CLOCK = "benchmarks/instruments/sparsity.py", "benchmarks/instruments/cpu_clock.py"
TAIL = "analysis/report/plots/tail.py"


def refused(page: str, check: typing.Callable[[], object], kind: type[Exception] = DeclarationError) -> None:
    """Assert that a check raises an error that stands on a page."""
    with pytest.raises(kind) as error:
        check()
    assert str(error.value) in words_of(page)


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


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            'return Step(logits, inputs, changing=lambda _: ("input_ids",))',
            "return None",
            "AttributeError: 'NoneType' object has no attribute 'inputs'",
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
    refused("task", lambda: record(**fields | reasons).as_json())
    with pytest.raises(CaptureError) as differs:
        require_same_predictions(TimedRecord(kl_nats=Figure(1.0)), None, "last_token-fp32-eager-b1x16")
    assert str(differs.value).partition(" by ")[0] in words_of("task")


def test_datasets_that_are_not_the_one_that_is_meant(monkeypatch):
    second = module(VALIDATION, ("is_default=False", "is_default=True")).VALIDATION
    refused("dataset", lambda: by_task([*DATASETS.values(), second]))
    register(monkeypatch, DATASETS, module(VALIDATION).VALIDATION)
    refused("dataset", lambda: DATASETS.named("wikitext-2-validatoin"), InputError)
    named = ["--name=wikitext-2-validation", "--task=classification"]
    refused("dataset", lambda: chosen_dataset(named), InputError)


def test_families_that_claim_what_is_anothers():
    taken = module(ROBERTA, ('"xlm-roberta"', '"gpt2"')).ROBERTA
    refused("family", lambda: by_model_type([*FAMILIES.values(), taken]))
    none = module(ROBERTA, ('    ("roberta", "xlm-roberta"),\n', "")).ROBERTA
    refused("family", lambda: default_family([*FAMILIES.values(), none]))


def values_of(record: type) -> dict[str, object]:
    """A value of the right type for each field of a record."""
    annotations = typing.get_type_hints(record)
    return {
        part.name: Figure(1.0) if typing.get_origin(annotations[part.name]) is Figure else 1.0
        for part in dataclasses.fields(record)
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fastest_ms", torch.tensor(1.0)),
        ("p90_ms", 1.0),
    ],
)
def test_values_that_are_not_what_their_metric_declares(name, value):
    record = module(LATENCY).LatencyRecord
    record(**values_of(record))
    refused("metric", lambda: record(**values_of(record) | {name: value}))


@pytest.mark.parametrize(
    "changes",
    [
        [
            ('        interval=Interval(of="the percentile of rounds like these"),\n', ""),
            ('        reason=Reason("p90_reason"),\n', ""),
        ],
        [("    p90_ms: Figure[float]", "    p90_ms: float")],
    ],
)
def test_metrics_whose_type_is_not_that_of_their_parts(changes):
    refused("metric", lambda: keys_of(module(LATENCY, *changes).LatencyRecord))


def test_figures_with_undeclared_or_senseless_parts():
    record = module(LATENCY, ('        reason=Reason("p90_reason"),\n', "")).LatencyRecord
    refused("metric", lambda: record(**values_of(record) | {"p90_ms": Figure(None, reason="none")}))
    refused("metric", lambda: Figure(1.5, 2.0, 1.0))
    record = module(LATENCY).LatencyRecord
    missing = {name: value for name, value in values_of(record).items() if name != "fastest_ms"}
    refused("metric", lambda: record(**missing), TypeError)
    twice = module(LATENCY, ('"shortest round", ', '"shortest round", column="rounds", '))
    refused("metric", lambda: catalogue([twice.LatencyRecord]))


def test_instruments_that_write_what_is_anothers(monkeypatch):
    size = module(SPARSITY, ('= "sparsity"\n    zero_share', '= "size"\n    parameters')).SparsityRecord
    refused("instrument", lambda: add({"size": {"parameters": 1}}, size(parameters=0.5)))
    device = module(SPARSITY, ('= "sparsity"\n    zero_share', '= "device"\n    zero_share')).SparsityRecord
    refused("instrument", lambda: add({"device": "cpu"}, device(zero_share=0.5)))
    column = module(SPARSITY, ("zero_share: float", "model_size_mb: float")).SparsityRecord
    refused("instrument", lambda: catalogue([SizeRecord, column]))
    record = module(SPARSITY).SparsityRecord
    refused("instrument", lambda: record(zero_share=torch.tensor(0.5)))
    of_visit = module(
        CPU_CLOCK, ("cpu_clock_mhz: Figure[float] = figure(", "power_w: Figure[float] = figure(")
    ).VisitClock
    refused("instrument", lambda: add({"power_w": None}, of_visit(power_w=Figure(1.0))))
    imported = ("import AfterLastVisit, AfterVisits", "import AfterLastVisit, Instrument as AfterVisits")
    neither = module(SPARSITY, imported).Sparsity
    register(monkeypatch, INSTRUMENTS, neither)
    refused("instrument", lambda: in_order(INSTRUMENTS))


def test_a_visit_of_which_an_instrument_has_no_record():
    visit = Visit(number=1, position=1, started_s=0, timed=None, latency=None)
    refused("instrument", lambda: visit.of(module(CPU_CLOCK).VisitClock))


def test_meters_that_are_not_what_their_source_says(monkeypatch, tmp_path):
    (tmp_path / "joules").write_text("1")
    monkeypatch.setenv("WALL_PLUG", str(tmp_path / "joules"))
    source = module(WALL_PLUG).WALL_PLUG
    refused("meter", lambda: require_ranks([*METERS.values(), dataclasses.replace(source, rank=10)]))
    register(monkeypatch, METERS, MeterSource("plug", source.description, 0, source.devices, source.open))
    refused("meter", lambda: open_meter(torch.device("cpu"), EnergyPolicy()))
    meter = source.open(torch.device("cpu"), EnergyPolicy())
    with pytest.raises(MeterError, match="the meter says 0 mJ over"):
        meter.measure(0.001)
    assert "the meter says 0 mJ over" in words_of("meter")


def test_pictures_of_what_a_run_has_not(monkeypatch):
    hasty = module(TAIL, (" if COLUMN in run.frame else None", "")).TAIL_PLOT
    whole = whole_run()
    run = dataclasses.replace(whole, environment={**whole.environment, CATALOGUE_KEY: []})
    assert module(TAIL).TAIL_PLOT.draw(run, "tail") is None
    with pytest.raises(KeyError) as error:
        hasty.draw(run, "tail")
    assert f"KeyError: {error.value}" in words_of("picture")
    elsewhere = module(TAIL, ("    SPEED,\n", '    "speed",\n')).TAIL_PLOT
    register(monkeypatch, PLOTS, elsewhere)
    with pytest.raises(KeyError) as error:
        pictures(run, {elsewhere.title: b"<svg/>"})
    assert f"KeyError: {error.value}" in words_of("picture")
