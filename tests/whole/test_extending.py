"""The samples of docs/extending/ are each one file, and what they add is then everywhere, as the pages say."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from core.metrics.figures import Figure
from data_prep.layout import write_dataset
from tests.support.checkout import copy_code
from tests.support.documented import PAGES, add, module, samples, words_of
from tests.support.extended import Measured, measured, run
from tests.support.tiny import ORIGINAL_METADATA, tiny_tensors

FILES = tuple(dict.fromkeys(sample.file for sample in samples()))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the suite's code, to which things are added."""
    return copy_code(tmp_path / "tree")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Measured:
    """One session with what is measured on a language model: precisions, executions, workloads, metrics, pictures."""
    folder = tmp_path_factory.mktemp("extended")
    tree = copy_code(folder / "tree")
    add(tree, *(file for file in FILES if not file.startswith(("data_prep", "fixtures/tasks", "benchmarks/meters"))))
    write_dataset(folder / "dataset", tiny_tensors(), ORIGINAL_METADATA)
    names = ("--precisions=fp32,bf16_head32,fp8_weights", "--executions=eager,inference", "--rounds=100")
    return measured(tree, folder / "dataset", tiny_model, *names, "--workloads=forward,next_token")


def contents(tree: Path) -> dict[Path, bytes]:
    """Every file of the copy."""
    return {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}


def test_every_sample_is_one_file_and_listed(tree):
    before = contents(tree)
    add(tree, *FILES)
    assert {str(path.relative_to(tree)) for path, text in contents(tree).items() if before.get(path) != text} == {
        *FILES
    }
    listed = run(tree, "pytest", "benchmarks", "--list", "--device=cpu")
    for name in (
        *("fp8_weights", "bf16_head32", "inference", "autotuned", "next_token", "last_token", "lambada"),
        *("wikitext-2-validation", "roberta", "sparsity", "cpu_clock", "wall_plug", "tail_latency"),
        *("fastest_ms", "p90_ms", "p90_ci95_low_ms", "zero_share", "cpu_clock_mhz", "last_token_accuracy"),
    ):
        assert f"  {name} " in listed
    columns = [line.split()[0] for line in listed.splitlines() if line.startswith("  ")]
    assert columns[columns.index("rounds") :][:5] == [
        "rounds",
        "fastest_ms",
        "p90_ms",
        "p90_ci95_low_ms",
        "p90_ci95_high_ms",
    ]
    helped = run(tree, "pytest", "benchmarks", "--help")
    for name in ("fp8_weights", "inference", "next_token", "last_token"):
        assert name in helped
    assert "fp32_again" not in listed + helped  # there to test the suite


def test_links_between_the_pages_lead_somewhere():
    for page in PAGES.glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (PAGES / target).exists(), (page.name, target)


@pytest.mark.slow
def test_every_sample_passes_the_checks_of_the_suite(tree):
    add(tree, *FILES)
    run(tree, "ruff", "check", *FILES)
    run(tree, "ruff", "format", "--check", *FILES)
    run(tree, "mypy", "--cache-dir=mypy_cache", *FILES)


def test_precisions_are_compared_with_fp32(session):
    names = [f"{precision}-eager-b1x16" for precision in ("fp32", "bf16_head32", "fp8_weights")]
    assert [name for name in session.rows if name in names] == names
    fp32, head32, fp8 = (session.info[name] for name in names)
    assert head32["numerics"]["logits_dtype"] == "torch.float32"
    assert fp8["numerics"]["logits_dtype"] == "torch.bfloat16"
    assert fp8["numerics"]["parameter_dtypes"]["torch.float8_e4m3fn"] == 8  # four matrices in each of two layers
    assert fp8["size"]["model_size_mb"] < fp32["size"]["model_size_mb"] < head32["size"]["model_size_mb"]  # not tied
    assert fp8["quality"]["kl_vs_fp32_nats"] > head32["quality"]["kl_vs_fp32_nats"] > 0


def test_an_execution_gives_the_logits_of_eager(session):
    inference = session.info["bf16_head32-inference-b1x16"]
    assert inference["numerics"]["same_bits_as_eager"] is True
    assert session.machine["executions"]["inference"]["rank"] == 5
    page = (session.tree / "results" / "report.html").read_text()
    assert "<dt>inference</dt><dd>As eager, but under torch.inference_mode" in page


def test_a_workload_is_timed_in_every_execution_and_precision(session):
    assert "fp8_weights-next_token-inference-b1x16" in session.rows
    quality = session.info["fp32-next_token-eager-b1x16"]["quality"]
    assert quality["scored_vs_timed"]["reason"].startswith("scoring is of whole sequences")


def test_metrics_have_their_value_or_their_reason(session):
    intervals = 0
    for name, row in session.rows.items():
        latency, count = session.info[name]["latency"], int(row["rounds"])
        assert 0 < float(row["fastest_ms"]) <= float(row["median_latency_ms"])
        if count < 36:
            assert row["p90_ms"] == row["p90_ci95_low_ms"] == row["p90_ci95_high_ms"] == ""
            assert latency["p90_reason"] == f"{count} rounds; a 90th percentile needs 36"
        else:
            intervals += 1
            assert latency["p90_ci95_low_ms"] <= latency["p90_ms"] <= latency["p90_ci95_high_ms"]
            assert latency["p90_reason"] is None
    columns = list(next(iter(session.rows.values())))
    assert columns[columns.index("rounds") :][:3] == ["rounds", "fastest_ms", "p90_ms"]
    assert "| fastest ms " in session.summary
    assert "| p90 ms " in session.summary
    assert ("p90 ms, of the percentile of rounds like these" in session.summary) is (intervals > 0)


def test_a_percentile_of_too_few_rounds_is_null_with_a_reason():
    p90 = module("benchmarks/instruments/latency/statistics.py").p90
    few = p90([1.0] * 8)
    assert few == Figure(None, reason="8 rounds; a 90th percentile needs 36")
    assert few.reason in words_of("metric")
    enough = p90([float(number) for number in range(36)])
    assert enough.low < enough.value < enough.high == 35
    assert p90([1.0] * 35).value is None


def test_instruments_have_columns_and_the_record_of_each_visit(session):
    assert all(0 < float(row["zero_share"]) < 1 for row in session.rows.values())
    assert "| zeros " in session.summary
    assert "| CPU MHz " in session.summary
    for info in session.info.values():
        case, visits = info["cpu_clock"], info["visits"]
        assert [visit["cpu_clock_mhz"] is None for visit in visits] == [psutil.cpu_freq() is None] * 2
        if case["cpu_clock_mhz"] is None:
            assert case["reason"] == "the operating system reports no clock"
        else:
            assert case["cpu_clock_mhz"] == pytest.approx(sum(visit["cpu_clock_mhz"] for visit in visits) / 2)
            assert case["cpu_clock_ci95_low_mhz"] <= case["cpu_clock_mhz"] <= case["cpu_clock_ci95_high_mhz"]
            assert case["reason"] is None


def test_a_picture_is_a_file_and_on_the_page(session):
    results = session.tree / "results"
    assert (results / "tail_latency.png").is_file()
    assert (results / "tail_latency.svg").is_file()
    assert "The time that 19 of 20 rounds keep: lower is better." in (results / "report.html").read_text()


@pytest.mark.parametrize(
    ("file", "copied_to", "sentence"),
    [
        ("fixtures/precisions/floating.py", "fixtures/precisions/my_own.py", "the precision 'fp32' is there twice"),
        ("fixtures/workloads/prefill.py", "fixtures/workloads/zprefill.py", "the workload 'prefill' is there twice"),
        ("data_prep/datasets/wikitext2.py", "data_prep/datasets/atext.py", "the dataset 'wikitext-2' is there twice"),
        ("benchmarks/meters/rapl.py", "benchmarks/meters/zrapl.py", "the meter 'rapl_powercap' is there twice"),
        ("benchmarks/instruments/size.py", "benchmarks/instruments/a_size.py", "the instrument 'size' is there twice"),
    ],
)
def test_a_second_name_is_refused_with_both_files(tree, file, copied_to, sentence):
    shutil.copy(tree / file, tree / copied_to)
    command = [sys.executable, "-m", "pytest", "benchmarks", "--list", "-pno:cacheprovider"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    printed = done.stdout + done.stderr
    assert sentence in printed
    assert "Traceback" not in printed
    assert file in printed
    assert copied_to in printed
