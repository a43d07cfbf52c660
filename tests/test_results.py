"""Tables: the numbers a reader divides are the numbers that are there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from analysis.case import Case
from analysis.metrics import first_edition
from analysis.report.summary import RunSummary
from analysis.report.text_tables import summary_table, terminal_table
from analysis.report.writer import summary
from analysis.table import table
from tests.tiny import REPOSITORY


def benchmark(
    precision: str, median_ms: float | None, energy_mj: float | None = None, execution: str = "eager", **more: object
) -> dict:
    return {
        "name": f"{precision}-{execution}",
        "extra_info": {
            "case": Case(precision, execution).as_json(),
            "procedure": 1,
            "provenance": {
                "model": "m",
                "parameters": 1,
                "weights_sha256": "a" * 64,
                "dataset": "d",
                "dataset_sha256": "b" * 64,
                "num_samples": 3,
                "stand_in": False,
            },
            "latency": {"median_ms": median_ms, "mean_ms": median_ms, "rounds": 100, "warmup_rounds": 10},
            "energy": {"energy_per_sample_mj": energy_mj, "reason": None if energy_mj else "no meter"},
            "quality": {"perplexity": 30.0, "meaningful": True, "reason": None},
            "validity": {"native": True},
            **more,
        },
    }


def test_the_interval_of_a_ratio_reaches_from_one_pair_of_ends_to_the_other():
    rows = [benchmark("fp32", 6.0, 400.0), benchmark("fp16", 3.0, 100.0), benchmark("mixed", 4.0)]
    rows[0]["extra_info"]["latency"].update(ci95_low_ms=5.0, ci95_high_ms=8.0)
    rows[1]["extra_info"]["latency"].update(ci95_low_ms=2.5, ci95_high_ms=4.0)
    for item in rows[:2]:
        item["extra_info"]["energy"]["rel_u95"] = 0.2
    frame = table(rows).set_index("name")
    speedup = [f"speedup_vs_fp32{end}" for end in ("_ci95_low", "", "_ci95_high")]
    assert frame.loc["fp16-eager", speedup].tolist() == [5 / 4, 6 / 3, 8 / 2.5]
    assert frame.loc["mixed-eager", "speedup_vs_fp32"] == 6 / 4
    assert frame.loc["mixed-eager"].filter(like="speedup_vs_fp32_ci95").isna().all()  # its latency has no interval
    assert frame.loc["fp32-eager", speedup].tolist() == [1, 1, 1]
    saved = [f"energy_reduction_vs_fp32{end}" for end in ("_ci95_low", "", "_ci95_high")]
    assert frame.loc["fp16-eager", saved].tolist() == pytest.approx([1 - 120 / 320, 0.75, 1 - 80 / 480])
    assert frame.loc["mixed-eager", saved].isna().all()
    assert terminal_table(frame.reset_index(), first_edition(), {})["speed vs FP32"].tolist() == [
        "1.00x",
        "2.00x ± 60.0%",
        "1.50x",
    ]


def test_ratios_are_against_fp32_of_the_same_execution():
    graph = benchmark("fp16", 1.0, execution="graph")
    frame = table([benchmark("fp16", 2.0, 100.0), benchmark("fp32", 5.0, 400.0), graph]).set_index("name")
    assert frame.loc["fp16-eager", "speedup_vs_fp32"] == 2.5
    assert frame.loc["fp16-eager", "energy_reduction_vs_fp32"] == 0.75
    assert frame.loc["fp32-eager", "speedup_vs_fp32"] == 1
    assert frame["speedup_vs_fp32"].isna()["fp16-graph"]


def test_a_missing_figure_is_empty_and_never_zero():
    frame = table([benchmark("fp32", 5.0), benchmark("fp16", 2.0, 9.0)])
    assert frame["energy_per_sample_mj"].isna().tolist() == [True, False]
    assert frame["energy_reduction_vs_fp32"].isna().all()
    text = summary_table(frame, first_edition(), {})
    assert text["energy mJ"].tolist() == ["-", "9.0"]


def test_the_summary_says_why_a_figure_or_a_benchmark_is_missing():
    benchmarks = [benchmark("fp32", 5.0)]
    text = summary(RunSummary(benchmarks, {"torch": "2"}, {"fp16-eager": "was not run: not native here"}))
    assert "no energy for fp32-eager: no meter." in text
    assert "fp16-eager was not run: not native here." in text


def test_benchmarks_of_another_suite_are_passed_over():
    assert len(table([{"name": "test_sort", "extra_info": {}}, {"name": "x"}, benchmark("fp32", 1.0)])) == 1


@pytest.mark.parametrize("module", ["analysis.report.writer", "analysis.__main__", "conftest"])
def test_results_and_the_root_conftest_load_nothing_heavy(module):
    code = f"import sys, {module}; print({{'torch', 'matplotlib', 'scipy.stats'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
