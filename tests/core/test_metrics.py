"""The catalogue that travels in a saved run, whatever it holds."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.comparison.changes import changes
from analysis.report.plots.bars import bars, missing_values
from analysis.report.summary import RunSummary
from analysis.report.table import known_interval, tables
from analysis.report.text_tables import formatted, interval_legend, summary_table, terminal_table
from analysis.report.writer import write_report
from analysis.runs.saved import Run
from core.errors import InputError
from core.metrics import RATIOS, READ_BY_NAME, Catalogue, Metric
from core.metrics.known import RANGES, REPEATS
from core.metrics.ranges import Range
from tests.support.described import CATALOGUE, METRICS, described, table
from tests.support.json_values import json_values
from tests.support.saved_runs import benchmark, in_visits, with_floor

DESCRIBED = {
    "column": "letters",
    "path": "words.letters",
    "unit": "",
    "better": "lower",
    "description": "letters of the id",
    "heading": "letters",
    "form": ",.0f",
}


def test_a_run_has_the_metrics_that_it_describes_and_those_read_by_name_are_empty():
    catalogue = Catalogue.of({"metrics": [DESCRIBED]})
    assert [metric.column for metric in catalogue.metrics] == ["letters"]
    assert Catalogue.of({}).metrics == ()
    assert {column.column for column in catalogue.undescribed} == READ_BY_NAME.keys()
    assert CATALOGUE.undescribed == ()
    frame = tables([Run(Path("a"), (benchmark("fp32", 4.0),), {"metrics": [DESCRIBED]})])
    assert all(pd.api.types.is_numeric_dtype(frame[column]) == is_number for column, is_number in READ_BY_NAME.items())
    assert frame[list(READ_BY_NAME)].isna().all(axis=None)


def test_what_is_read_by_name_and_not_described_is_in_no_file_for_people(tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.report.plots.rendered", lambda figure, form: b"<svg/>")
    run = RunSummary([benchmark("fp32", 1.0), benchmark("fp16", 2.0)], {"metrics": [DESCRIBED]}, {})
    csv, summary, *_ = write_report(tmp_path, run)
    assert not {*READ_BY_NAME} & {*csv.read_text().splitlines()[0].split(",")}
    headings = ("median ms", "energy mJ", "size MB", "perplexity")
    assert [name for name in (*headings, "letters") if f"| {name} " in summary.read_text()] == ["letters"]


def test_the_suite_describes_all_that_is_read_by_name_as_it_is_read():
    assert {name: CATALOGUE[name].is_number for name in READ_BY_NAME} == READ_BY_NAME


def test_a_run_that_does_not_say_how_repeats_differ_has_what_is_known_of_it():
    entry = {"column": "median_latency_ms", "path": "latency.median_ms", "unit": "ms", "description": "x"}
    (latency,) = Catalogue.of({"metrics": [entry]}).metrics
    assert (latency.repeat, latency.low_column) == ("latency", "latency_repeat95_low_ms")
    (said,) = Catalogue.of({"metrics": [entry | {"repeat": "same"}]}).metrics
    assert (said.repeat, said.low_column) == ("same", None)
    assert all(known == CATALOGUE[column].repeat for column, known in REPEATS.items())


SINCE = {
    "forward_span_ms",
    "kernel_gap_share",
    "kernel_other_share",
    "sm_active_share",
    "tensor_share",
    "tensor_share_of_peak",
    "memory_share",
    "memory_share_of_read",
    "memory_gb_per_s",
    "read_gb_per_s",
    "memory_power_w",
    "gpu_power_w",
}


def test_what_is_known_of_ranges_is_what_metrics_declare():
    declared = {metric["column"]: metric["within"] for metric in METRICS if metric["within"] is not None}
    assert {column: Range(*within) for column, within in declared.items() if column in RANGES} == {
        column: within for column, within in RANGES.items() if column in declared
    }
    # The first two can be any number; the others are in no run that does not say its ranges.
    assert declared.keys() - RANGES.keys() == {"delta_perplexity_vs_fp32", "temperature_c", *SINCE}


@pytest.mark.parametrize("within", [[0], [0, 1, 2], ["0", None], "01", [math.nan, None], 3, {}])
def test_a_range_is_a_list_of_two_ends(within):
    with pytest.raises(InputError, match="for within two ends"):
        Metric.from_json(DESCRIBED | {"within": within})


def test_a_value_outside_its_range_is_none():
    metric = Metric.from_json(DESCRIBED | {"within": [0, 1]})
    values = (-0.1, 0, 0.5, 1, 1.1)
    assert [metric.value({"words": {"letters": value}}) for value in values] == [None, 0, 0.5, 1, None]
    assert [metric.impossible({"words": {"letters": value}}) for value in values] == [-0.1, None, None, None, 1.1]
    assert metric.impossible({}) is None


def test_a_run_does_not_make_text_of_a_figure():
    described = DESCRIBED | {"column": "median_latency_ms", "is_number": False}
    with pytest.raises(InputError, match="changes what median_latency_ms is; expected a number"):
        Catalogue.of({"metrics": [described]})


def test_each_run_is_read_by_its_own_description():
    other = {"column": "median_latency_ms", "path": "timing.median_ms", "unit": "ms", "description": "x"}
    rows = [benchmark("fp32", 4.0), benchmark("fp32", None, timing={"median_ms": 5.0})]
    runs = [Run(Path("a"), (rows[0],), described()), Run(Path("b"), (rows[1],), {"metrics": [other]})]
    for order in (runs, runs[::-1]):
        assert sorted(tables(order)["median_latency_ms"]) == [4.0, 5.0]


def test_a_ratio_follows_its_figure():
    columns = [column.column for column in CATALOGUE]
    assert all(columns.index(ratio.column) == columns.index(ratio.of) + 1 for ratio in RATIOS)


def test_of_two_descriptions_the_last_one_counts():
    later = DESCRIBED | {"description": "others"}
    catalogue = Catalogue.joined(Catalogue.from_json([entry]) for entry in (DESCRIBED, later))
    assert [metric.description for metric in catalogue.metrics] == ["others"]


@pytest.mark.parametrize(
    "changes",
    [
        {"column": "=1+1"},
        {"column": "precision"},
        {"column": "sequence_length"},
        {"column": "speedup_vs_fp32"},
        {"column": "speedup_repeat95_low"},
        {"column": "validity"},
        {"column": None},
        {"path": "words..letters"},
        {"path": "a.b.c.d.e"},
        {"better": "sideways"},
        {"form": "1000000000d"},
        {"form": "{0.__class__}"},
        {"is_number": 1},
        {"description": "x" * 201},
        {"low_column": "../x"},
        {"repeat": "sometimes"},
        {"heading": 3},
        {"place": "first"},
        {"place": True},
        {"place": math.inf},
        {"place": math.nan},
        {"place": 1e300},
    ],
)
def test_a_description_that_could_do_harm_is_one_sentence(changes):
    with pytest.raises(InputError, match="The run's catalogue of metrics has"):
        Metric.from_json(DESCRIBED | changes)


OTHERS = {
    "is_number": st.booleans(),
    "reason_column": st.sampled_from(["energy_reason", "nowhere"]),
    "low_column": st.sampled_from(["quality_reason", "letters", "nowhere"]),
    "relative_column": st.sampled_from(["validity", "device", "letters"]),
}


@settings(max_examples=40)
@given(
    st.dictionaries(st.sampled_from([*DESCRIBED, *OTHERS]), json_values, max_size=3)
    | st.fixed_dictionaries({}, optional=OTHERS)
)
def test_any_description_is_a_metric_or_one_error(replaced):
    try:
        metric = Metric.from_json(DESCRIBED | replaced)
    except InputError:
        return
    assert formatted(1.5, metric)
    environment = {"metrics": [*METRICS, DESCRIBED | replaced]}
    run = RunSummary([benchmark("fp32", 1.0), benchmark("fp16", 2.0)], environment, {})
    assert metric.column in run.frame
    assert summary_table(run.frame, run.catalogue, {}).to_markdown()
    assert bars(run, "t", metric.column, "{}") is None  # no benchmark has it
    assert missing_values(run, metric.column)
    other = Run(Path("run.json"), tuple(run.benchmarks), environment)
    assert changes([other], [other])


@given(json_values)
def test_any_catalogue_is_one_or_one_error(value):
    try:
        Catalogue.from_json(value)
    except InputError:
        return
    assert isinstance(value, list)


def test_a_catalogue_has_a_thousand_metrics_at_most():
    entries = [DESCRIBED | {"column": f"letters_{number}"} for number in range(1001)]
    assert len(Catalogue.from_json(entries[:1000]).metrics) == 1000
    with pytest.raises(InputError, match="expected a list of metrics"):
        Catalogue.from_json(entries)


def test_a_run_with_a_catalogue_that_cannot_be_read_is_one_sentence(tmp_path):
    from analysis.runs.saved import load

    path = tmp_path / "run.json"
    path.write_text(json.dumps({"benchmarks": [benchmark("fp32", 1.0)], "machine_info": {"metrics": 3}}))
    with pytest.raises(InputError, match=r"run\.json cannot be read: The run's catalogue of metrics is 3"):
        load(path)


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        (1234.5, "tokens_per_sec", "1,234"),
        (2.0, "speedup_vs_fp32", "2.00x"),
        (0.5, "delta_perplexity_vs_fp32", "+0.5000"),
        (None, "perplexity", "-"),
        (math.nan, "perplexity", "-"),
        ("equal", "quality_verdict", "equal"),
        (None, "quality_verdict", "-"),
    ],
)
def test_a_figure_is_formatted_as_its_metric_says(value, column, text):
    assert formatted(value, CATALOGUE[column]) == text


def test_a_metric_with_a_heading_has_a_column_in_the_tables_and_its_interval_in_the_legend():
    rows = [benchmark("fp32", 4.0, 100.0), benchmark("fp16", 2.0)]
    in_visits(rows[0])
    rows[0]["extra_info"]["words"] = {"letters": 1234}
    environment = {"metrics": [*METRICS, DESCRIBED]}
    catalogue, frame = Catalogue.of(environment), table(rows, environment | with_floor(math.log(1.1)))
    summary = summary_table(frame, catalogue, {})
    assert summary["letters"].tolist() == ["1,234", "-"]
    assert summary["energy mJ"].tolist() == ["100.0 (90.9 to 110.0)", "-"]
    assert interval_legend(frame, catalogue) == (
        "In parentheses 95% intervals: median ms, of a repeat of this session; energy mJ, of a repeat of this session."
    )
    assert "letters" not in terminal_table(frame, catalogue, {})
    assert terminal_table(frame, catalogue, {})["energy mJ"].tolist() == ["100.0 ± 10.0%", "-"]
    assert interval_legend(table(rows[1:]), CATALOGUE) is None


def test_an_interval_that_does_not_hold_its_figure_is_none():
    rows = [benchmark("fp32", 4.0)]
    rows[0]["extra_info"]["latency"].update(ci95_low_ms=4.1, ci95_high_ms=5.0)
    low, high = known_interval(table(rows), "median_latency_ms", CATALOGUE)
    assert (low.isna().all(), high.isna().all()) == (True, True)
