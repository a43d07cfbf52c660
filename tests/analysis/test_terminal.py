"""A run in a terminal: what fits its width, and what each mark means."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from analysis.report.marks import MEANINGS, Mark, marks_of
from analysis.report.summary import RunSummary
from analysis.report.terminal import WIDEST, plain_table, table_lines, wrapped
from core.case import Case
from tests.support.described import described
from tests.support.saved_runs import floors_of_both, measured

WIDE = floors_of_both(math.log(1.4), math.log(20))  # of a graph a repeat may find twenty times the figure


def of_cases(*cases: Case, **more: object) -> RunSummary:
    """A run of cases with latency, energy and quality."""
    made = [measured(case.precision, case.execution, 1234.5 / (place + 1), 98765.4) for place, case in enumerate(cases)]
    for case, item in zip(cases, made, strict=True):
        item["extra_info"] |= {"case": case.as_json(), **more}
        item["extra_info"]["quality"] |= {"samples": 1, "bits_per_byte": 3.57}
        item["extra_info"]["latency"]["throughput_samples_per_s"] = 12345.6
    return RunSummary(made, described(WIDE), {})


def lines_of(run: RunSummary, width: int = WIDEST) -> list[str]:
    return table_lines(run.frame, run.catalogue, run.dominated, width)


LONG = ("classification", "decode_growing", 32, 512)


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize(
    "cases",
    [
        (Case("fp32", "eager"), Case("fp16", "eager")),
        (Case("fp32", "graph", workload="decode"), Case("mixed_bf16", "graph", workload="decode")),
        (Case("fp32", "compiled", *LONG), Case("int8_weights", "compiled", *LONG)),
        (Case("fp32", "graph"), Case("a_precision_of_sixty_letters_that_somebody_has_added_in_a_file", "graph")),
    ],
)
def test_no_line_is_longer_than_the_terminal_is_wide(cases, width):
    lines = lines_of(of_cases(*cases), width)
    assert max(map(len, lines)) <= width
    heading = " ".join(lines[:2])
    assert all(word in heading for word in ("benchmark", "median ms", "marks"))
    assert len([line for line in lines if "1234.500" in line]) == 1


def test_what_there_is_no_room_for_is_named_and_what_is_empty_is_not():
    run = of_cases(Case("fp32", "eager", workload="decode"), Case("fp16", "eager", workload="decode"))
    lines = lines_of(run)
    assert "left out for width: samples/s, bits/byte, size MB; the summary and the page have all" in lines
    assert "energy mJ" in lines[0]
    run.frame["energy_per_sample_mj"] = math.nan
    assert not [line for line in lines_of(run) if "energy" in line]


def test_marks_are_numbers_that_one_line_each_explains():
    run = of_cases(Case("fp32", "eager"), Case("fp16", "eager"), quick=True)
    run.frame.loc[1, "native"] = False
    lines = lines_of(run)
    assert [line.split()[-3:] for line in lines if line.startswith("fp32")] == [["equal", "1", "2"]]
    assert [line.split()[-4:] for line in lines if line.startswith("fp16")] == [["equal", "1", "2", "3"]]
    explained = [line.partition(":")[0] for line in lines if " = " in line]
    assert explained == ["1 = quick", "2 = quality of 1 of 3 rows", "3 = emulated"]


def test_every_kind_of_mark_is_explained_in_one_line():
    longest = {"dominated": "dominated by fp16-graph-b32x128", "quality": "quality of 1,024 of 1,940 rows"}
    for kind in MEANINGS:
        mark = Mark(kind, longest.get(kind, kind))
        assert len(wrapped(f"10 = {mark.text}: {mark.meaning}", WIDEST)) == 1, kind


def test_an_interval_without_use_is_written_short():
    run = of_cases(Case("fp32", "graph", *LONG), Case("fp16", "graph", *LONG))
    assert [line for line in lines_of(run) if "± >10x" in line]
    assert "not known to a factor of 10" not in "".join(lines_of(run))


def test_a_quick_run_is_marked_and_no_other():
    assert "quick" in [mark.kind for mark in marks_of(of_cases(Case("fp32", "eager"), quick=True).frame, {})[0]]
    for run in (of_cases(Case("fp32", "eager"), quick=False), of_cases(Case("fp32", "eager"))):
        assert "quick" not in [mark.kind for mark in marks_of(run.frame, {})[0]]


def test_a_command_is_never_broken():
    line = f"warning: {'far too many words ' * 5}run `python -m analysis compare last:5 --to 0007` now."
    lines = wrapped(line, 40)
    assert "    `python -m analysis compare last:5 --to 0007`" in lines
    assert [len(one) for one in lines if len(one) > 40] == [len("    `python -m analysis compare last:5 --to 0007`")]
    assert " ".join(one.strip() for one in lines) == line
    assert wrapped("", 40) == [""]


def test_columns_are_two_spaces_apart_and_cells_may_have_several_lines():
    table = pd.DataFrame({"name": ["a", "b\nb"], "median\nms": ["1.0", "22.25"]})
    assert plain_table(table).splitlines() == [
        "name  median",
        "      ms",
        "----  ------",
        "a     1.0",
        "b     22.25",
        "b",
    ]
