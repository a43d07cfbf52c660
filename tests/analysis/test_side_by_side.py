"""What `pytest-benchmark compare` shows beside the times."""

from __future__ import annotations

from analysis.comparison.side_by_side import side_by_side
from tests.support.saved_runs import benchmark


def listed(source: str, precision: str, energy_mj: float | None) -> dict:
    judged = {"status": "valid", "native": True}
    return benchmark(precision, 1.0, energy_mj, validity=judged) | {"source": source}


def cells(text: str, source: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if f" {source} " in line]
    return line.split()


def test_differences_are_from_the_first_run_of_that_name():
    text = side_by_side([listed("0001", "fp16", 100.0), listed("0002", "fp16", 110.0), listed("0003", "fp32", 400.0)])
    assert text is not None
    assert "100.0" in cells(text, "0001")
    assert cells(text, "0002")[-5:-2] == ["110.0", "(+10.00%)", "-"]
    assert "(+" not in " ".join(cells(text, "0003"))  # another benchmark: nothing to differ from
    assert cells(text, "0003")[-1] == "valid"


def test_a_missing_figure_is_a_dash_without_a_difference():
    text = side_by_side([listed("0001", "fp16", 100.0), listed("0002", "fp16", None)])
    assert text is not None
    assert "(+" not in text


def test_a_figure_that_the_first_run_lacks_has_no_difference():
    text = side_by_side([listed("0001", "fp16", None), listed("0002", "fp16", 100.0), listed("0003", "fp16", 110.0)])
    assert "(+" not in text
    assert "110.0" in cells(text, "0003")


def test_a_first_figure_of_zero_has_no_relative_difference():
    first, second = listed("0001", "fp16", None), listed("0002", "fp16", None)
    first["extra_info"]["size"], second["extra_info"]["size"] = {"peak_memory_mb": 0.0}, {"peak_memory_mb": 3.0}
    assert "(+" not in side_by_side([first, second])


def test_other_suites_are_left_alone():
    assert side_by_side([{"name": "other", "extra_info": {}}, {"name": "older"}]) is None


def test_benchmarks_stand_in_the_order_in_which_they_were_measured():
    text = side_by_side([listed("0001", name, 1.0) for name in ("mixed", "fp32", "bf16")])
    assert [line.split()[0] for line in text.splitlines()[2:]] == ["mixed-eager", "fp32-eager", "bf16-eager"]
