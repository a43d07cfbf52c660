"""Several batch sizes and lengths, and whole replies: sentences, tables and lines."""

from __future__ import annotations

import pytest

from analysis.report.crossover import crossovers
from analysis.report.deployment import Tariff
from analysis.report.plots.bars import bars
from analysis.report.plots.lines import lines
from analysis.report.reply import ReplyLength, replies
from core.case import Case
from tests.support.described import table
from tests.support.saved_runs import measured, summary_of, with_floor

BATCHES = (1, 4, 16, 64)


def of_case(median_ms: float, energy_mj: float | None = None, **parts: object) -> dict:
    case = Case(**{"precision": "fp32", "execution": "graph"} | parts)
    made = measured(case.precision, case.execution, median_ms, energy_mj)
    made["name"], made["extra_info"]["case"] = case.id, case.as_json()
    return made


def sweep(speedups: tuple[float, ...], savings: tuple[float, ...] = (0.5,) * 4) -> list[dict]:
    """FP32 takes as many ms and J as there are sequences; FP8 less by these factors."""
    rows = []
    for batch, speedup, saving in zip(BATCHES, speedups, savings, strict=True):
        rows.append(of_case(float(batch), 1000.0, batch_size=batch))
        rows.append(of_case(batch / speedup, 1000 * (1 - saving), batch_size=batch, precision="fp8"))
    return rows


@pytest.mark.parametrize(
    ("speedups", "sentence"),
    [
        ((0.5, 0.9, 1.5, 2.0), "from batch 16 on (16 to 16)"),
        ((0.5, 1.001, 1.5, 2.0), "from batch 4 on (4 to 16)"),
        ((0.5, 0.999, 1.5, 2.0), "from batch 16 on (4 to 16)"),
        ((1.5, 0.5, 1.5, 2.0), "from batch 16 on (16 to 16)"),
        ((1.5, 1.5, 1.5, 2.0), "from batch 1 on, the smallest that was measured"),
        ((0.5, 0.5, 0.5, 0.6), "nowhere from batch 1 to 64"),
        ((0.5, 0.5, 0.5, 1.001), "from batch 64 on (64 to beyond 64)"),
        ((0.5, 0.5, 0.5, 0.999), "nowhere clearly from batch 1 to 64 (a repeat may find it from 64 on)"),
    ],
)
def test_a_precision_pays_from_the_batch_from_which_all_larger_gain(speedups, sentence):
    frame = table(sweep(speedups), with_floor(0.01, "graph"))
    found = crossovers(frame)
    assert found[0] == f"fp8, graph, 128 tokens, is faster {sentence}."
    assert found[1] == "fp8, graph, 128 tokens, saves energy from batch 1 on, the smallest that was measured."


def test_without_an_interval_nothing_is_certain_and_invalid_rows_do_not_count():
    rows = sweep((0.5, 0.9, 1.5, 2.0))
    for row in rows:
        row["extra_info"]["visits"] = row["extra_info"]["visits"][:1]
        del row["extra_info"]["visits"][0]["median_ms"]
    assert "is faster from batch 16 on (1 to beyond 64)" in crossovers(table(rows))[0]
    for row in rows[-4:]:
        row["extra_info"]["validity"]["status"] = "invalid" if row["name"].startswith("fp32") else "valid"
    assert "is faster nowhere clearly from batch 1 to 4" in crossovers(table(rows))[0]


def test_without_a_sweep_nothing_is_said_or_drawn():
    rows = sweep((1.0, 1.0, 1.0, 1.0))[:2]
    assert crossovers(table(rows)) == []
    assert lines(summary_of(*rows), "Latency", "median_latency_ms") is None


def test_a_sweep_is_drawn_as_a_line_a_precision_and_a_panel_a_length():
    rows = [*sweep((0.5, 0.9, 1.5, 2.0))]
    rows += [of_case(2.0 * batch, batch_size=batch, sequence_length=512) for batch in BATCHES]
    figure = lines(summary_of(*rows), "Latency", "median_latency_ms")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["graph, 128 tokens", "graph, 512 tokens"]
    assert [len(axes.containers) for axes in figure.axes] == [2, 1]
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["1", "4", "16", "64"]


def test_one_batch_size_is_drawn_over_the_lengths():
    rows = [of_case(float(length), sequence_length=length) for length in (64, 128)]
    figure = lines(summary_of(*rows), "Latency", "median_latency_ms")
    assert figure.axes[0].get_xlabel() == "tokens"


def test_more_settings_than_bars_can_show_have_none():
    rows = [of_case(float(length), sequence_length=length) for length in range(10, 20)]
    assert bars(summary_of(*rows), "Latency", "median_latency_ms", "{:.1f}") is None
    assert bars(summary_of(*rows[:9]), "Latency", "median_latency_ms", "{:.1f}") is not None


def test_a_reply_is_one_prefill_and_a_decode_less_than_its_tokens():
    shape = {"batch_size": 4, "sequence_length": 64}
    rows = [
        of_case(3.0, 50.0, workload="prefill", **shape),
        of_case(1.0, 10.0, workload="decode", **shape),
        of_case(9.0, 90.0, **shape),
        of_case(3.0, workload="prefill"),
    ]
    (row,) = replies(table(rows), ReplyLength(generated=11), Tariff(0.36, "EUR")).to_dict("records")
    assert row["reply"] == "fp32-reply-graph-b4x64, 64 + 11 tokens"
    assert row["time ms"].startswith("13.0 (")  # 3 + 10 x 1
    assert row["tokens/s each"] == "846.2"  # 11 / 0.013
    assert row["tokens/s in all"] == "3384.6"
    assert row["energy J"].startswith("0.15 (")  # 50 + 10 x 10 mJ
    # 0.15 J / 11 tokens x 10^6 = 13,636 J = 0.003788 kWh at 0.36.
    assert row["EUR a million output tokens"] == "0.001364"
    assert len(replies(table(rows), ReplyLength(prompt=128), None)) == 0


def test_a_reply_without_energy_has_a_dash():
    rows = [of_case(3.0, workload="prefill"), of_case(1.0, workload="decode")]
    (row,) = replies(table(rows), ReplyLength(), Tariff(0.36, "EUR")).to_dict("records")
    assert (row["energy J"], row["EUR a million output tokens"]) == ("-", "-")
