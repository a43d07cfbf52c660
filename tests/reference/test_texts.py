"""Figures as text, and figures that are not there."""

from __future__ import annotations

import math

import pytest

from core.errors import InputError
from reference import runs, texts
from reference.figures.other_tools import printed


def test_a_figure_that_a_session_lacks_is_counted():
    assert texts.span([2.0, math.nan, 1.0], "{:.1f}", " ms") == "1.0 to 2.0 ms (1 of 3 missing)"
    assert texts.span([2.0, 1.0], "{:.1f}", " ms") == "1.0 to 2.0 ms"
    assert texts.span([math.nan], "{:.1f}", " ms") == "-"


def test_a_percent_sign_stands_once_and_alone_where_both_ends_are_alike():
    assert texts.span([0.013, 0.065], "{:.1%}") == "1.3 to 6.5%"
    assert texts.span([0.0131, 0.0133], "{:.1%}") == "1.3%"
    assert texts.span([-0.02, 0.03], "{:+.0%}") == "-2 to +3%"


def test_an_empty_cell_is_markdown():
    assert texts.grid(["", "a"], [["x", ""]]) == "| | a |\n| --- | --- |\n| x | |"


def test_a_benchmark_that_no_run_has_and_a_mean_with_a_gap_are_errors():
    with pytest.raises(InputError, match="cpu_xeon/default has no benchmark fp8-eager; expected one in every run"):
        runs.values("cpu_xeon/default", "fp8-eager", "median_latency_ms")
    with pytest.raises(InputError, match="cpu_xeon/default has no benchmark fp8-eager"):
        runs.details("cpu_xeon/default", "fp8-eager", "latency.median_ms")
    with pytest.raises(InputError, match="5 of 5 sessions lack a figure"):
        runs.mean("cpu_xeon/default", "fp32-eager", "energy_per_sample_mj")


def test_what_other_tools_print_is_read_by_line_and_unit():
    lines = (
        "tool fp32 prefill 1: median 7.955 ms, GPU 1243.6 mJ, CPU 58.1 mJ, 18.8 s",
        "tool fp32 prefill 2: median 8.000 ms, GPU 1250.0 mJ, CPU 58.2 mJ, 18.9 s",
        "tool fp16: perplexity 43849.8, 3.0 s",
    )
    assert printed("\n".join(lines)) == {
        "tool fp32 prefill": {"ms": [7.955, 8.0], "mJ": [1243.6, 1250.0], "s": [18.8, 18.9]},
        "tool fp16": {"perplexity": [43849.8], "s": [3.0]},
    }
