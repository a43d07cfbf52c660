"""How a precision looks: one colour and one hatch in every picture of every run."""

from __future__ import annotations

import pytest

from analysis.report.labels import axis_label, label
from analysis.report.plots.bars import bars
from analysis.report.plots.frontier import frontier
from analysis.report.plots.looks import NAMES, look_of
from core.metrics import Column
from fixtures.precisions import PRECISIONS
from tests.support.described import CATALOGUE
from tests.support.saved_runs import measured, summary_of


def test_each_precision_of_the_suite_has_a_look_of_its_own():
    listable = [name for name, precision in PRECISIONS.items() if not precision.is_hidden]
    assert {*NAMES} == {*listable}
    assert len({look_of(name).colour for name in NAMES}) == len({look_of(name).hatch for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize("name", ["int4", "nf4", "fp32_again", "posit16", "ternary", "ä"])
def test_an_added_precision_has_a_look_that_none_of_the_suite_has(name):
    pairs = {(look_of(own).colour, look_of(own).hatch) for own in NAMES}
    assert (look_of(name).colour, look_of(name).hatch) not in pairs
    assert look_of(name) == look_of(name)


def test_bars_of_a_precision_look_the_same_whatever_else_was_measured():
    def drawn(*precisions: str) -> tuple:
        run = summary_of(*(measured(name, "eager", 2.0) for name in precisions))
        figure = bars(run, "t", "median_latency_ms", "{:.3f}")
        (place,) = [number for number, name in enumerate(precisions) if name == "fp16"]
        bar = figure.axes[0].patches[place]
        return bar.get_facecolor(), bar.get_hatch()

    assert drawn("fp32", "fp16") == drawn("fp32", "bf16", "int8", "fp16") == drawn("fp16", "fp32")


def test_axes_are_called_in_words():
    run = summary_of(measured("fp32", "eager", 3.0, size=500.0), measured("fp16", "eager", 2.0, size=250.0))
    figure = frontier(run, "t", "median_latency_ms", "model_size_mb")
    assert figure.axes[0].get_xlabel() == "median latency (ms)"
    assert figure.axes[0].get_ylabel() == "model size (MB)"
    assert bars(run, "t", "median_latency_ms", "{:.3f}").axes[0].get_ylabel() == "median latency (ms)"


def test_a_frontier_of_one_point_is_no_line_in_the_legend():
    def legend(*sizes: float) -> list[str]:
        made = [measured("fp32", "eager", 3.0, size=sizes[0]), measured("fp16", "eager", 2.0, size=sizes[1])]
        figure = frontier(summary_of(*made), "t", "median_latency_ms", "model_size_mb")
        return [text.get_text() for text in figure.legends[0].get_texts()]

    assert "frontier" in legend(250.0, 500.0)
    assert "frontier" not in legend(500.0, 250.0)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("kl_vs_fp32_nats", "divergence vs FP32 (nats)"),
        ("kl_vs_fp32_median_nats", "divergence vs FP32 median (nats)"),
        ("kl_vs_fp32_ci95_low_nats", "divergence vs FP32, lower end (nats)"),
        ("energy_per_sample_mj", "energy per sample (mJ)"),
        ("top1_agreement_vs_fp32", "top-1 agreement vs FP32"),
        ("perplexity", "perplexity"),
        ("energy_delay_product_mj_ms", "energy delay product (mJ ms)"),
        ("tokens_per_sec", "tokens per second (tokens/s)"),
    ],
)
def test_a_metric_is_called_by_the_words_in_its_name(column, words):
    assert axis_label(CATALOGUE[column]) == words


def test_no_two_metrics_of_the_suite_are_called_the_same():
    named = [label(column) for column in CATALOGUE.metrics]
    assert len({*named}) == len(named)
    assert label(Column("letters", "", None, "")) == "letters"


def test_an_interval_without_end_leaves_the_bars_to_be_seen():
    run = summary_of(measured("fp32", "eager", 2.0), measured("fp16", "eager", 1.0))
    run.frame["latency_repeat95_low_ms"] = 1e-9
    run.frame["latency_repeat95_high_ms"] = 1e9
    axes = bars(run, "t", "median_latency_ms", "{:.3f}").axes[0]
    assert axes.get_ylim()[1] <= 1.3 * 10 * 2.0
    assert all(text.get_position()[1] <= axes.get_ylim()[1] for text in axes.texts)
