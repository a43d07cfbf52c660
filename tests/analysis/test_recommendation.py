"""The sentence that people act on."""

from __future__ import annotations

import math

import pytest

from analysis.report.page import page
from analysis.report.precisions import precision_sentences
from analysis.report.recommendation import dominated, recommendations
from analysis.report.text_tables import summary_table
from analysis.report.writer import summary
from core.executions import USUAL
from tests.support.described import CATALOGUE, TASKS, table
from tests.support.saved_runs import FIVE_PERCENT, measured, summary_of, with_floor

ALL = CATALOGUE


def test_the_fastest_of_the_graphs_with_its_gains_and_its_quality():
    rows = [
        measured("fp32", "eager", 5.0),
        measured("fp16", "eager", 6.0),
        measured("fp32", "graph", 3.0, 900.0),
        measured("fp16", "graph", 1.0, 250.0, size=250.0),
        measured("mixed", "graph", 1.2, 300.0),
    ]
    frame = table(rows, FIVE_PERCENT)
    assert recommendations(frame, ALL, TASKS, USUAL)[0] == (
        "Use fp16-graph: 3.00x the speed of fp32, 72% less energy, perplexity equal within 0.1%."
    )
    assert dominated(frame, ALL) == {
        "fp16-eager": "fp32-eager",
        "fp32-graph": "fp16-graph",
        "mixed-graph": "fp16-graph",
    }
    assert (
        "mixed-graph (dominated by fp16-graph)"
        in summary_table(frame, ALL, dominated(frame, ALL))["benchmark"].tolist()
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"verdict": "worse"}, "at the cost of +2.00% perplexity: yours to weigh."),
        ({"verdict": "undecided"}, "with a quality that is undecided: score more rows (--quality-samples all)."),
        ({"verdict": None}, "with a quality that was not compared with FP32's."),
        ({"verdict": "better"}, "Use fp16-graph: 2.00x the speed of fp32, perplexity no worse."),
        ({"stand_in": True}, "cannot be told on generated text or seeded weights."),
    ],
)
def test_quality_has_its_say(changes, sentence):
    frame = table([measured("fp32", "graph", 2.0), measured("fp16", "graph", 1.0, **changes)])
    assert recommendations(frame, ALL, TASKS, USUAL)[0].endswith(sentence)
    if changes.get("verdict") in ("worse", "undecided"):
        assert dominated(frame, ALL) == {}


def test_a_precision_that_is_no_faster_is_not_recommended():
    frame = table([measured("fp32", "eager", 2.0), measured("fp16", "eager", 2.0)])
    assert (
        recommendations(frame, ALL, TASKS, USUAL)[0]
        == "Stay with fp32-eager: no other precision is over 1% faster here (the fastest, fp16-eager: 1.00x the speed "
        "of fp32)."
    )


def test_a_precision_that_may_be_no_faster_is_not_recommended_nor_does_it_dominate():
    rows = [measured("fp32", "eager", 9.0), measured("fp16", "eager", 8.0, size=250.0)]
    frame = table(rows, with_floor(math.log(1.2)))
    assert recommendations(frame, ALL, TASKS, USUAL)[0] == (
        "Stay with fp32-eager or measure again: fp16-eager is not clearly faster (1.13x the speed of fp32; a repeat "
        "may find 0.94 to 1.35x)."
    )
    assert dominated(frame, ALL) == {}
    rows.append(measured("mixed", "eager", 6.0))
    frame = table(rows, with_floor(math.log(1.2)))
    assert recommendations(frame, ALL, TASKS, USUAL)[0].startswith("Use mixed-eager: 1.50x")
    assert dominated(frame, ALL) == {"fp32-eager": "mixed-eager"}


def test_what_was_measured_in_one_piece_has_a_ratio_and_no_verdict():
    rows = [measured("fp32", "eager", 9.0), measured("fp16", "eager", 3.0, size=250.0)]
    for item in rows:
        del item["extra_info"]["visits"]
    assert recommendations(table(rows), ALL, TASKS, USUAL) == [
        "fp16-eager was the fastest in this run (3.00x the speed of fp32); nothing says how far a repeat may differ, "
        "so nothing is recommended. Measure again, in two visits or more."
    ]
    assert dominated(table(rows), ALL) == {}


@pytest.mark.parametrize("median_ms", [None, 0.0, -1.0])
def test_without_a_latency_there_is_nothing_to_choose_between_and_no_ratio(median_ms):
    for rows in (
        [measured("fp32", "graph", median_ms), measured("fp16", "graph", 1.0)],
        [measured("fp32", "graph", 1.0), measured("fp16", "graph", median_ms)],
    ):
        assert recommendations(table(rows), ALL, TASKS, USUAL) == []
        assert table(rows)["speedup_vs_fp32"].isna().any()
        assert table(rows).set_index("name").loc["fp16-graph"].filter(like="speedup").isna().all()


def test_an_energy_is_lower_only_where_its_interval_is():
    rows = [measured("fp32", "graph", 2.0, 250.0), measured("fp16", "graph", 2.0, 240.0)]
    rows[0] = measured("fp32", "graph", 4.0, 250.0)
    assert dominated(table(rows, with_floor(0.01, "graph")), ALL) == {"fp32-graph": "fp16-graph"}
    wide = table(rows, with_floor(0.05, "graph"))
    assert dominated(wide, ALL) == {}
    assert "2.00x the speed of fp32, no clear difference in energy" in str(recommendations(wide, ALL, TASKS, USUAL))


def test_an_invalid_measurement_recommends_nothing():
    rows = [measured("fp32", "graph", 2.0), measured("fp16", "graph", 1.0, status="invalid")]
    assert recommendations(table(rows), ALL, TASKS, USUAL) == []
    assert recommendations(table(rows[:1]), ALL, TASKS, USUAL) == []
    assert dominated(table(rows), ALL) == {}


def test_costs_below_one_count_like_others():
    rows = [measured("fp32", "graph", 0.9, 0.5, size=0.4), measured("fp16", "graph", 0.5, 0.3, size=0.2)]
    assert dominated(table(rows, FIVE_PERCENT), ALL) == {"fp32-graph": "fp16-graph"}
    rows[1] = measured("fp16", "graph", 0.5, 0.3, size=0.5)
    assert dominated(table(rows, FIVE_PERCENT), ALL) == {}


def nine_tenths(precision: str, median_ms: float, energy_mj: float, **changes: object) -> dict:
    made = measured(precision, "graph", median_ms, energy_mj, **changes)
    made["extra_info"]["quality"] |= {"kl_vs_fp32_nats": 0.00123, "top1_agreement_vs_fp32": 0.9}
    return made


def test_each_precision_is_told_what_it_gives_and_what_it_costs():
    rows = [
        measured("fp32", "eager", 9.0),
        measured("fp16", "eager", 9.0),
        measured("fp32", "graph", 3.0, 900.0),
        nine_tenths("fp16", 1.0, 250.0, size=250.0),
        nine_tenths("int8_weights", 1.7, 400.0, size=165.0, stand_in=True),
        nine_tenths("int8", 4.5, 1800.0, size=165.0),
        nine_tenths("tf32", 3.0, 900.0),
    ]
    assert precision_sentences(table(rows, FIVE_PERCENT), ALL, TASKS, USUAL) == [
        "fp16-graph: 3.00x the speed of fp32, 72% less energy, 50% of fp32's size, gives fp32's most likely token "
        "90.0% of the time (divergence 0.0012 nats).",
        "int8_weights-graph: 1.76x the speed of fp32, 56% less energy, 33% of fp32's size, 1.70 times the latency of "
        "fp16-graph.",
        "int8-graph: 0.67x the speed of fp32, 100% more energy, 33% of fp32's size, gives fp32's most likely token "
        "90.0% of the time (divergence 0.0012 nats), 4.50 times the latency of fp16-graph.",
        "tf32-graph: no clear difference in speed from fp32 (0.95 to 1.05x), no clear difference in energy, the same "
        "size, gives fp32's most likely token 90.0% of the time (divergence 0.0012 nats), 3.00 times the latency of "
        "fp16-graph.",
    ]


def test_a_precision_within_a_percent_of_fp32_is_as_fast():
    rows = [measured("fp32", "eager", 3.0, 900.0), measured("fp16", "eager", 3.012, 903.0)]
    (sentence,) = precision_sentences(table(rows, with_floor(math.log(1.0005))), ALL, TASKS, USUAL)
    assert sentence.startswith("fp16-eager: as fast as fp32, ")
    assert "times the latency" not in sentence


def test_energy_without_an_interval_is_not_claimed():
    rows = [measured("fp32", "graph", 3.0, 900.0), measured("fp16", "graph", 1.0, 250.0)]
    frame = table(rows)
    frame[["energy_saving_repeat95_low", "energy_saving_repeat95_high"]] = math.nan
    for text in (*recommendations(frame, ALL, TASKS, USUAL), *precision_sentences(frame, ALL, {}, USUAL)):
        assert "3.00x the speed of fp32" in text
        assert "energy" not in text


def test_summary_and_page_have_the_sentences(tmp_path):
    run = summary_of(measured("fp32", "graph", 3.0), measured("fp16", "graph", 1.0))
    (sentence,) = run.gains_and_costs
    assert f"- {sentence}" in summary(run)
    assert f"<li>{sentence}</li>" in page(run, {})


def test_compiled_is_looked_at_first():
    rows = [
        measured(precision, execution, 2.0 if precision == "fp32" else 1.0)
        for execution in ("graph", "compiled")
        for precision in ("fp32", "fp16")
    ]
    assert recommendations(table(rows), ALL, TASKS, USUAL)[0].startswith("Use fp16-compiled: 2.00x")


def test_rivals_that_a_repeat_may_find_as_fast_are_named_and_equal_quality_is_chosen():
    """An INT8 that is fastest by less than its interval is not advised at a cost where BF16 is equal."""
    rows = [
        measured("fp32", "eager", 195.0),
        measured("int8", "eager", 94.6, verdict="worse"),
        measured("bf16", "eager", 103.1),
        measured("fp16", "eager", 180.0),
    ]
    assert recommendations(table(rows, with_floor(math.log(1.207))), ALL, TASKS, USUAL)[0] == (
        "Use bf16-eager: 1.89x the speed of fp32, perplexity equal within 0.1%. A repeat may find int8-eager as fast."
    )


@pytest.mark.parametrize(
    ("energy_mj", "sizes", "first"),
    [
        ((250.0, 200.0), (250.0, 500.0), "bf16"),
        ((200.0, 250.0), (500.0, 250.0), "fp16"),
        (None, (500.0, 250.0), "bf16"),
    ],
)
def test_of_equal_quality_the_least_energy_is_chosen_and_then_the_smallest_size(energy_mj, sizes, first):
    energies = energy_mj or (None, None)
    halves = [
        measured(name, "graph", ms, mj, size=size)
        for name, ms, mj, size in zip(("fp16", "bf16"), (1.0, 1.001), energies, sizes, strict=True)
    ]
    frame = table([measured("fp32", "graph", 3.0, 900.0), *halves], with_floor(math.log(1.01), "graph"))
    other = {"bf16": "fp16", "fp16": "bf16"}[first]
    (said,) = recommendations(frame, ALL, TASKS, USUAL)
    assert said.startswith(f"Use {first}-graph: ")
    assert said.endswith(f" A repeat may find {other}-graph as fast.")


def test_doubtful_rivals_are_said_to_be_among_the_fastest():
    rows = [
        measured("fp32", "graph", 3.0),
        *(measured(name, "graph", 1.0, verdict="worse") for name in ("int8", "fp8")),
    ]
    (said,) = recommendations(table(rows, with_floor(math.log(1.01), "graph")), ALL, TASKS, USUAL)
    assert "is one of the fastest here (3.00x" in said
    assert said.endswith(" as fast.")


@pytest.mark.parametrize("said", [{"stand_in": True}, {"meaningful": False}])
def test_quality_of_stand_ins_is_judged_nowhere(said):
    rows = [measured("fp32", "graph", 3.0), measured("fp16", "graph", 1.0, size=250.0), measured("int8", "graph", 2.0)]
    for item in rows:
        item["extra_info"]["provenance"]["stand_in"] = said.get("stand_in", False)
        item["extra_info"]["quality"]["meaningful"] = said.get("meaningful", True)
    frame = table(rows)
    assert frame["quality_verdict"].isna().all()
    assert dominated(frame, ALL) == {}
    assert "equal" not in " ".join(recommendations(frame, ALL, TASKS, USUAL))
