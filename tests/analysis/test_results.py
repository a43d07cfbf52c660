"""Tables: the numbers a reader divides are the numbers that are there."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from analysis.report.marks import marks_text, row_marks
from analysis.report.summary import RunSummary
from analysis.report.text_tables import summary_table, terminal_table, with_half_width
from analysis.report.writer import summary
from tests.support.described import CATALOGUE, described, table
from tests.support.saved_runs import benchmark, in_visits, measured, with_floor
from tests.support.tiny import REPOSITORY


def test_ratios_have_the_interval_of_a_repeat_over_the_visits_that_both_sides_made():
    rows = [in_visits(benchmark("fp32", 6.0, 400.0)), in_visits(benchmark("fp16", 3.0, 100.0)), benchmark("mixed", 4.0)]
    del rows[0]["extra_info"]["visits"][4]
    rows[1]["extra_info"]["visits"][4]["median_ms"] = 300.0  # has no partner
    frame = table(rows, with_floor(math.log(1.1))).set_index("name")
    assert frame.loc["fp16-eager", ["speedup_vs_fp32", "speedup_repeat95_low", "speedup_repeat95_high"]].tolist() == [
        pytest.approx(2.0),
        pytest.approx(2 / 1.1),
        pytest.approx(2 * 1.1),
    ]
    saving = ["energy_reduction_vs_fp32", "energy_saving_repeat95_low", "energy_saving_repeat95_high"]
    assert frame.loc["fp16-eager", saving].tolist() == pytest.approx([0.75, 1 - 0.25 * 1.1, 1 - 0.25 / 1.1])
    assert frame.loc["fp32-eager", "speedup_vs_fp32"] == 1
    assert frame.loc["mixed-eager", "speedup_vs_fp32"] == 6 / 4  # measured in one piece
    assert frame.loc["mixed-eager"].filter(like="repeat95").isna().all()
    text = terminal_table(frame.reset_index(), CATALOGUE, {})
    assert text["speed vs FP32"].tolist() == ["1.00x", "2.00x ± 10.0%", "1.50x"]
    assert text["energy mJ"].tolist() == ["400.0 ± 10.0%", "100.0 ± 10.0%", "-"]


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
    text = summary_table(frame, CATALOGUE, {})
    assert text["energy mJ"].tolist() == ["-", "9.0"]


def test_the_summary_says_why_a_figure_or_a_benchmark_is_missing():
    benchmarks = [benchmark("fp32", 5.0)]
    text = summary(RunSummary(benchmarks, described({"torch": "2"}), {"fp16-eager": "was not run: not native here"}))
    assert "no energy for fp32-eager: no meter." in text
    assert "fp16-eager was not run: not native here." in text


def test_benchmarks_of_another_suite_are_passed_over():
    assert len(table([{"name": "test_sort", "extra_info": {}}, {"name": "x"}, benchmark("fp32", 1.0)])) == 1


@pytest.mark.parametrize("module", ["analysis.report.writer", "analysis.__main__", "conftest"])
def test_results_and_the_root_conftest_load_nothing_heavy(module):
    code = f"import sys, {module}; print({{'torch', 'matplotlib', 'scipy.stats'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_an_interval_wider_than_its_figure_is_given_by_its_ends():
    speedup = CATALOGUE["speedup_vs_fp32"]
    assert with_half_width(speedup, 1.0, 0.5, 1.9) == "1.00x ± 90.0%"
    assert with_half_width(speedup, 1.0, 0.4, 2.6) == "1.00x (0.40x to 2.60x)"
    assert with_half_width(speedup, 1.0, 1e-7, 5e6) == "1.00x (not known to a factor of 10)"


def test_a_figure_that_is_missing_has_no_interval_either():
    refused = in_visits(benchmark("fp16", 3.0, 100.0))
    refused["extra_info"]["energy"]["energy_per_sample_mj"] = None  # the visits scattered, and keep what they found
    frame = table([in_visits(benchmark("fp32", 6.0, 400.0)), refused], with_floor(math.log(1.1))).set_index("name")
    energies = [column for column in frame.columns if column.startswith("energy") and "repeat95" in column]
    assert len(energies) == 6
    assert frame.loc["fp16-eager", energies].isna().all()
    assert frame.loc["fp16-eager", ["latency_repeat95_low_ms", "speedup_repeat95_low"]].notna().all()


@pytest.mark.parametrize(
    ("scored", "held", "mark"), [(64, 1940, "quality of 64 of 1,940 rows"), (1940, 1940, ""), (None, 1940, "")]
)
def test_quality_of_fewer_rows_than_there_are_is_marked_in_every_table(scored, held, mark):
    made = measured("fp32", "graph", 2.0)
    made["extra_info"]["quality"]["samples"] = scored
    made["extra_info"]["provenance"]["num_samples"] = held
    frame = table([made], with_floor(0.01, "graph"))
    assert marks_text(row_marks(frame.iloc[0], None)) == mark
    for shown in (summary_table(frame, CATALOGUE, {}), terminal_table(frame, CATALOGUE, {})):
        assert (mark in shown.to_string()) is True


@pytest.mark.parametrize(
    ("visits", "environment", "promise"),
    [
        (
            5,
            with_floor(0.01, "graph"),
            "holds the figure of another session on this machine 19 times in 20 (checked on",
        ),
        (5, {}, "is assumed, or of a figure that is invalid: how often it holds that of another session nobody knows"),
        (1, {}, "was not made: there is no noise floor of this machine, and too few visits"),
    ],
)
def test_only_an_interval_that_was_measured_promises_anything(visits, environment, promise):
    made = measured("fp32", "graph", 2.0)
    made["extra_info"]["visits"] = made["extra_info"]["visits"][:visits]
    run = RunSummary([made], described(environment), {})
    (said,) = [line for line in run.conditions if line.startswith("an interval of a repeat ")]
    assert said.startswith(f"an interval of a repeat {promise}")
    assert ("19 times in 20" in summary(run)) is promise.startswith("holds")
