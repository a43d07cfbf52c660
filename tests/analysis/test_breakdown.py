"""The tables and the picture of where the time of a forward goes, and the table of what the GPU did meanwhile."""

from __future__ import annotations

import pytest

from analysis.report.breakdown import breakdown_table, fused_table, group_names
from analysis.report.page import page
from analysis.report.plots.breakdown import stacked
from tests.support.saved_runs import benchmark, summary_of


def part(name: str, ms: float, share: float, count: float = 1.0) -> dict:
    return {"name": name, "ms": ms, "share": share, "count": count}


FP32 = {"groups": [part("matrix products", 1.5, 0.75), part("gaps", 0.5, 0.25)]}
FP16 = {
    "groups": [part("gaps", 0.3, 0.6), part("fused kernels", 0.2, 0.4), part("other", 0.0, 0.0)],
    "fused": [part("triton_poi_fused_<add>", 0.2, 0.4, 12.0)],
}
RUN = summary_of(benchmark("fp32", 2.0, breakdown=FP32), benchmark("fp16", 0.5, breakdown=FP16), benchmark("bf16", 0.5))


def test_the_table_has_a_column_for_each_group_by_the_time_that_all_spend_in_it():
    assert group_names(RUN) == ["matrix products", "gaps", "fused kernels"]
    assert breakdown_table(RUN).values.tolist() == [
        ["fp32-eager", "2.000", "1.500 (75.0%)", "0.500 (25.0%)", "-"],
        ["fp16-eager", "0.500", "-", "0.300 (60.0%)", "0.200 (40.0%)"],
    ]


def test_fused_kernels_stand_by_name():
    assert fused_table(RUN).values.tolist() == [["fp16-eager", "triton_poi_fused_<add>", "12", "0.2000", "40.0%"]]


def test_the_page_has_both_tables_and_without_figures_neither():
    document = page(RUN, {})
    assert "1.500 (75.0%)" in document
    assert "triton_poi_fused_&lt;add&gt;" in document
    assert "groups of kernels of" not in page(summary_of(benchmark("fp32", 2.0)), {})


def test_a_bar_is_as_long_as_its_forward_and_its_parts_add_up():
    figure = stacked(RUN, "t")
    (axes,) = figure.axes
    widths = {}
    for bar in axes.patches:
        if bar.get_width() > 0:
            place = round(bar.get_y() + bar.get_height() / 2)
            widths[place] = widths.get(place, 0.0) + bar.get_width()
    assert widths == {0: pytest.approx(2.0), 1: pytest.approx(0.5)}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["fp32-eager", "fp16-eager"]
    assert "75%" in [text.get_text() for text in axes.texts]
    assert stacked(summary_of(benchmark("bf16", 0.5)), "t") is None


@pytest.mark.parametrize("odd", [7, [7], [{"name": "a"}], [part("a", float("nan"), 1)], [part("a", -1, 1)], {"a": 1}])
def test_a_damaged_run_has_no_parts(odd):
    run = summary_of(benchmark("fp32", 2.0, breakdown={"groups": odd, "fused": odd}))
    assert (len(breakdown_table(run)), len(fused_table(run)), stacked(run, "t")) == (0, 0, None)


def test_what_the_counters_show_is_a_table_and_without_any_there_is_none():
    shown = {"sm_share": 0.39, "pipes": {"hmma": 0.04, "imma": 0.0}, "tensor_pipe": "hmma", "reason": None}
    other = {"sm_share": None, "reason": "its window failed"}
    document = page(summary_of(benchmark("fp16", 2.0, activity=shown), benchmark("fp32", 2.0, activity=other)), {})
    for words in ("How near the limits", "hmma: 0.04, imma: 0", "its window failed"):
        assert words in document
    assert "How near the limits" not in page(summary_of(benchmark("fp32", 2.0, activity=other)), {})
