"""Several batch sizes and sequence lengths in one session: each compared within its own shape."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
import torch

from analysis.comparison.changes import changes
from analysis.comparison.comparability import differences
from analysis.comparison.noise import noise_floor
from analysis.report.diagnosis import explanations
from analysis.report.plots.bars import bars
from analysis.report.plots.frontier import frontier
from analysis.report.recommendation import dominated, recommendations
from analysis.report.summary import RunSummary
from analysis.report.table import table
from analysis.runs.saved import Run, load
from core.case import Case
from core.errors import InputError
from core.metrics import first_edition
from core.tasks import first_edition as first_edition_tasks
from data_prep.datasets.wikitext2 import SPEC
from fixtures.dataset.batches import ShapedDataset, require_shape
from fixtures.dataset.folder import DatasetFolder
from tests.test_recommendation import measured
from tests.test_suite import extra_info
from tests.tiny import LENGTHS, tiny_tensors

CPU = torch.device("cpu")
SHAPES = ["b1x8", "b1x16", "b4x8", "b4x16"]


def of_shape(batch_size: int, sequence_length: int, precision: str, execution: str, median_ms: float) -> dict:
    made = measured(precision, execution, median_ms)
    case = Case(precision, execution, batch_size=batch_size, sequence_length=sequence_length)
    made["name"], made["extra_info"]["case"] = case.id, case.as_json()
    return made


@pytest.fixture
def two_shapes() -> list[dict]:
    """FP16 is twice as fast as FP32 at batch 1 and half as fast at batch 8, in a graph."""
    rows = [of_shape(*shape, "fp32", "graph", 4.0) for shape in ((1, 128), (8, 64))]
    return [*rows, of_shape(1, 128, "fp16", "graph", 2.0), of_shape(8, 64, "fp16", "graph", 8.0)]


def test_all_combinations_run_in_one_session_and_each_ratio_is_of_its_shape(run_suite, saved_run, tmp_path):
    options = ("--batch-size=1,4", "--sequence-length=8,16", "--precisions=fp32,fp16", "--benchmark-autosave")
    assert run_suite(*options).ret == 0
    saved = saved_run()
    names = [f"{precision}-eager-{shape}" for shape in SHAPES for precision in ("fp32", "fp16")]
    assert [item["param"] for item in saved["benchmarks"]] == names
    assert {item["group"] for item in saved["benchmarks"]} == {f"eager-{shape}" for shape in SHAPES}
    with (tmp_path / "results" / "gpt2_quantization_benchmark_results.csv").open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    for shape in SHAPES:
        fp32, fp16 = (float(rows[f"{name}-eager-{shape}"]["median_latency_ms"]) for name in ("fp32", "fp16"))
        assert float(rows[f"fp16-eager-{shape}"]["speedup_vs_fp32"]) == pytest.approx(fp32 / fp16)
    assert (rows["fp16-eager-b4x8"]["batch_size"], rows["fp16-eager-b4x8"]["sequence_length"]) == ("4", "8")
    # The quality is that of the rows' beginnings, and the same for every batch size.
    short = [extra_info(saved, f"fp16-eager-b{size}x8")["quality"] for size in (1, 4)]
    assert short[0]["targets"] == sum(min(length, 8) - 1 for length in LENGTHS)
    assert short[0]["perplexity"] == short[1]["perplexity"]
    assert short[0]["perplexity"] != extra_info(saved, "fp16-eager-b1x16")["quality"]["perplexity"]
    (path,) = (tmp_path / "saved").rglob("*.json")
    run = load(path)
    assert differences((str(run.path), item["extra_info"]) for item in run.benchmarks) == []


def test_models_are_loaded_once_for_all_shapes(run_suite, monkeypatch):
    from fixtures.models import resident

    loaded, load_model = [], resident.load_model
    monkeypatch.setattr(resident, "load_model", lambda *args: loaded.append(args[1].name) or load_model(*args))
    assert run_suite("--batch-size=1,2,3").ret == 0
    assert len(loaded) == 2  # mixed precision has FP32's weights
    assert "fp16" in loaded


def test_models_that_do_not_fit_together_are_loaded_again_for_each_visit(run_suite, monkeypatch, saved_run):
    from fixtures.models import resident

    loaded, load_model = [], resident.load_model
    monkeypatch.setattr(resident, "load_model", lambda *args: loaded.append(args[1].name) or load_model(*args))
    monkeypatch.setattr(resident, "free_and_total_bytes", lambda device: (0, 1000))
    assert run_suite("--benchmark-autosave", "--precisions=fp32,fp16").ret == 0
    assert len(loaded) > 4  # at least one of the two in each of four visits
    saved = saved_run()
    assert [len(item["extra_info"]["visits"]) for item in saved["benchmarks"]] == [2, 2]
    assert [item["extra_info"]["quality"]["verdict"] for item in saved["benchmarks"]] == [None, "equal"]


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--batch-size=", "*: error: argument --batch-size: is empty; expected names separated by commas"),
        ("--batch-size=1,0", "*: error: argument --batch-size: '0' is not a whole number from 1 to 65,536"),
        ("--batch-size=2,02", "*: error: argument --batch-size: has '2' more than once; expected each once"),
        ("--sequence-length=1", "*: error: argument --sequence-length: '1' is not a whole number from 2 to 65,536"),
        ("--sequence-length=8,8", "*: error: argument --sequence-length: has '8' more than once; expected each once"),
        ("--precisions=fp32,fp32", "*: error: argument --precisions: has 'fp32' more than once; expected each once"),
    ],
)
def test_a_list_that_cannot_be_is_one_sentence(run_suite, option, sentence):
    result = run_suite(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([sentence])


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--batch-size=1,7", "--batch-size is 7, but the dataset in * has 6 rows; expected no more than that."),
        (
            "--sequence-length=8,17",
            "--sequence-length is 17, but the rows of * have 16 tokens; make longer ones with `python -m data_prep "
            "--max-length 17 --packed --output FOLDER` and name them with --dataset-dir=FOLDER.",
        ),
    ],
)
def test_a_shape_that_the_dataset_lacks_is_one_sentence_before_anything_is_timed(run_suite, option, sentence):
    result = run_suite(option, "--precisions=fp32")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"*Exit: {sentence}*"])


def test_a_shape_that_fits_no_memory_is_one_failed_benchmark_and_the_others_go_on(run_suite, saved_run, monkeypatch):
    from benchmarks.run import BenchmarkRun

    prepare = BenchmarkRun.prepare

    def short_of_memory(run: BenchmarkRun, number: int = 1) -> None:
        if run.case.batch_size == 4:
            torch.empty(2**50)
        prepare(run)

    monkeypatch.setattr(BenchmarkRun, "prepare", short_of_memory)
    result = run_suite("--batch-size=1,4,2", "--precisions=fp32", "--benchmark-autosave")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["Out of memory in test_forward?fp32-eager-b4x16?: *Lower --batch-size, *"])
    assert [item["param"] for item in saved_run()["benchmarks"]] == ["fp32-eager-b1x16", "fp32-eager-b2x16"]


def test_a_shape_that_fits_without_the_other_models_runs(run_suite, monkeypatch):
    from benchmarks.run import BenchmarkRun

    prepare = BenchmarkRun._prepare

    def short_of_memory(run: BenchmarkRun, number: int = 1) -> None:
        if len(list(run.models)) > 1:
            torch.empty(2**50)
        prepare(run)

    monkeypatch.setattr(BenchmarkRun, "_prepare", short_of_memory)
    assert run_suite("--precisions=fp32,fp16").ret == 0


def test_a_batch_is_of_the_beginnings_and_wraps_around():
    tensors = tiny_tensors()
    data = ShapedDataset(*tensors.values(), 4, 8, CPU)
    assert data.is_cut
    assert [tuple(batch.input_ids.shape) for batch in data.batches] == [(4, 8), (4, 8)]
    assert all(batch.input_ids.is_contiguous() for batch in data.batches)
    assert torch.equal(data.batches[1].input_ids[2:], tensors["input_ids"][:2, :8])
    assert data.lengths == [min(length, 8) for length in LENGTHS]
    assert [batch.text_tokens for batch in data.batches] == [8 + 2 + 8 + 8, 5 + 8 + 8 + 2]
    assert not ShapedDataset(*tensors.values(), 1, 16, CPU).is_cut


def test_a_dataset_has_the_rows_and_the_tokens_it_has():
    folder = DatasetFolder(Path("folder"), SPEC)
    require_shape(folder, 6, 16, 6, 16)
    with pytest.raises(InputError, match="has 6 rows"):
        require_shape(folder, 6, 16, 7, 16)
    with pytest.raises(InputError, match="have 16 tokens"):
        require_shape(folder, 6, 16, 6, 17)


def test_each_shape_has_its_own_sentence(two_shapes):
    assert recommendations(table(two_shapes), first_edition(), first_edition_tasks()) == [
        "Use fp16-graph: 2.00x the speed of fp32, perplexity equal within 0.1%.",
        "Stay with fp32-graph-b8x64: no other precision is over 1% faster here (the fastest, fp16-graph-b8x64: "
        "0.50x the speed of fp32).",
    ]
    assert dominated(table(two_shapes), first_edition()) == {
        "fp32-graph": "fp16-graph",
        "fp16-graph-b8x64": "fp32-graph-b8x64",
    }
    eager = [of_shape(*shape, name, "eager", 9.0) for shape in ((1, 128), (8, 64)) for name in ("fp32", "fp16")]
    sentences = explanations(table([*two_shapes, *eager]))
    assert [sentence.partition(" is ")[0] for sentence in sentences] == [
        "FP16 in eager at 1 x 128",
        "FP16 in eager at 8 x 64",
    ]
    assert "78% of an eager FP16 forward is waiting" in sentences[0]
    assert "launches are only 11% of an eager FP16 forward" in sentences[1]


def test_the_launch_bound_share_is_of_eager_and_graph_of_one_shape(two_shapes):
    rows = [*two_shapes, of_shape(8, 64, "fp16", "eager", 10.0), of_shape(8, 64, "fp16", "compiled", 5.0)]
    shares = table(rows).set_index("name")["launch_bound_share"]
    assert shares["fp16-graph-b8x64"] == shares["fp16-eager-b8x64"] == pytest.approx(0.2)
    assert math.isnan(shares["fp16-graph"])
    assert math.isnan(shares["fp16-compiled-b8x64"])


def test_pictures_have_a_group_and_a_panel_for_each_shape(two_shapes):
    run = RunSummary(two_shapes, {}, {})
    figure = bars(run, "t", "median_latency_ms", "{:.1f}")
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["graph\nb1x128", "graph\nb8x64"]
    figure = frontier(run, "t", "median_latency_ms", "perplexity")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["1 x 128", "8 x 64"]
    written = " ".join(text.get_text() for text in figure.texts)
    assert "frontier, what no other of its shape beats in both: fp16-graph, fp32-graph-b8x64" in written.replace(
        "\n", " "
    )


def test_runs_are_compared_shape_by_shape(two_shapes):
    before, after = (Run(Path(name), tuple(two_shapes), {}) for name in ("a", "b"))
    compared = {(one.benchmark, one.metric): one for one in changes([before], [after])}
    assert compared["fp16-graph-b8x64", "median_latency_ms"].before == 8.0
    assert compared["fp16-graph", "speedup_vs_fp32"].after == pytest.approx(2.0)
    assert compared["fp16-graph-b8x64", "speedup_vs_fp32"].after == pytest.approx(0.5)
    names = noise_floor([before, after]).set_index(["name", "metric"])["mean"]
    assert names["fp16-graph-b8x64", "median_latency_ms"] == 8.0
