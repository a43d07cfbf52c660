"""Cases that are far slower than in their base, and what takes longest in them."""

from __future__ import annotations

import math
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from analysis.report.marks import marks_of, marks_text
from analysis.report.summary import RunSummary
from benchmarks.instruments import fallback
from benchmarks.instruments.base import AfterLastVisit
from benchmarks.instruments.fallback import Fallback
from benchmarks.kernels import Kernels
from benchmarks.policies import Policies
from core.case import Case
from core.statistics.ratios import ratio_of_times
from fixtures.precisions import PRECISIONS, base_of
from tests.support.saved_runs import benchmark, in_visits, summary_of

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
#: What a profiler saw of INT8 weights, compiled, at 32 rows of 4096 x 14336: milliseconds by kernel.
SLOW_KERNELS = {"triton_red_fused__to_copy_mul_sum_0": 4.1, "triton_poi_fused_cat_1": 0.1}


def of(precision: str, medians_ms: list[float], device: torch.device = CUDA) -> SimpleNamespace:
    """A case whose visits had these medians."""
    case = Case(precision, "compiled", batch_size=32, sequence_length=128)
    visits = [SimpleNamespace(latency=SimpleNamespace(median_ms=median)) for median in medians_ms]
    return SimpleNamespace(
        case=case,
        done=visits,
        precision=PRECISIONS[precision],
        settings=SimpleNamespace(device=device),
        data=SimpleNamespace(examples=[SimpleNamespace(variant="full")]),
        phase=lambda _: nullcontext(),
    )


def found(monkeypatch, own: SimpleNamespace, *others: SimpleNamespace, kernels: dict[str, float] = SLOW_KERNELS):
    """The record of a case beside others, on a device that has all that precisions require."""
    monkeypatch.setattr(fallback, "emulation_reason", lambda *_: None)
    loop = SimpleNamespace(run_on=lambda _: torch.ones(64, 64) @ torch.ones(64, 64))
    seen = Kernels(sum(kernels.values()), len(kernels), {}, kernels) if kernels else None
    after = AfterLastVisit(loop, (own, *others), {"full": seen})
    return Fallback(Policies()).measure(own, after).as_json()


@pytest.mark.parametrize(
    ("precision", "device", "base"),
    [
        ("fp32", CUDA, None),
        ("tf32", CUDA, "fp32"),
        ("fp16", CUDA, "fp32"),
        ("mixed_bf16", CUDA, "fp32"),
        ("int8", CUDA, "fp16"),
        ("int8_weights", CUDA, "fp16"),
        ("fp8", CUDA, "bf16"),
    ],
)
def test_the_base_of_what_is_quantized_is_the_dtype_of_its_other_parts(precision, device, base):
    assert getattr(base_of(PRECISIONS[precision], device), "name", None) == base


def test_on_a_cpu_the_base_of_int8_is_what_its_other_parts_are_in_there(monkeypatch):
    for dtype, base in ((torch.float32, "fp32"), (torch.bfloat16, "bf16")):
        monkeypatch.setattr("fixtures.precisions.quantized.cpu_base", lambda dtype=dtype: dtype)
        precision = PRECISIONS["int8"]
        changed = type(precision)(**{**vars(precision), "cpu_load_dtype": lambda dtype=dtype: dtype})
        assert base_of(changed, CPU).name == base


def test_a_fallback_is_told_with_its_longest_kernel(monkeypatch):
    record = found(monkeypatch, of("int8_weights", [4.2, 4.21, 4.19]), of("fp16", [0.033, 0.0331, 0.0329]))
    assert record["base"] == "fp16"
    assert record["slower_than_base"] == pytest.approx(4.2 / 0.033, rel=1e-3)
    assert record["longest_kernel"] == "triton_red_fused__to_copy_mul_sum_0"
    assert record["longest_kernel_share"] == pytest.approx(4.1 / 4.2)
    assert (record["checked"], record["reason"]) == (True, None)


def test_the_interval_decides_and_not_the_ratio(monkeypatch):
    base = of("fp16", [1.0, 1.0, 1.0])
    surely, perhaps = [1.60, 1.61, 1.60], [1.3, 1.6, 2.1]
    assert found(monkeypatch, of("int8", surely), base)["longest_kernel"] is not None
    assert found(monkeypatch, of("int8", perhaps), base)["longest_kernel"] is None
    assert found(monkeypatch, of("int8", [1.45, 1.45, 1.45]), base)["longest_kernel"] is None


def test_where_the_base_was_not_measured_it_is_not_checked(monkeypatch):
    record = found(monkeypatch, of("fp8", [4.0, 4.0]), of("fp32", [1.0, 1.0]))
    assert (record["slower_than_base"], record["checked"]) == (None, False)
    base = Case("bf16", "compiled", batch_size=32, sequence_length=128)
    assert record["reason"] == f"not checked: {base.id} was not measured"


def test_of_one_visit_nothing_is_said(monkeypatch):
    record = found(monkeypatch, of("fp16", [4.0]), of("fp32", [1.0]))
    assert (record["slower_than_base"], record["checked"]) == (None, False)
    assert "a single visit" in record["reason"]


def test_the_baseline_and_what_is_emulated_are_not_compared(monkeypatch):
    assert found(monkeypatch, of("fp32", [1.0, 1.0]))["reason"] == "this is what the others are compared with"
    monkeypatch.undo()
    monkeypatch.setattr(fallback, "emulation_reason", lambda *_: "fp8 is not native here")
    after = AfterLastVisit(SimpleNamespace(), (of("fp8", [9.0, 9.0]), of("bf16", [1.0, 1.0])))
    record = Fallback(Policies()).measure(after.measured[0], after).as_json()
    assert (record["slower_than_base"], record["checked"]) == (None, None)
    assert record["reason"] == "fp8 is not native here"


def test_on_a_cpu_the_operator_is_named(monkeypatch):
    record = found(monkeypatch, of("fp16", [9.0, 9.0], CPU), of("fp32", [1.0, 1.0], CPU))
    assert record["longest_kernel"].startswith("aten::")
    assert 0 < record["longest_kernel_share"] <= 1


def test_where_the_profiler_saw_nothing_that_is_said(monkeypatch):
    record = found(monkeypatch, of("fp16", [9.0, 9.0]), of("fp32", [1.0, 1.0]), kernels={})
    assert (record["longest_kernel"], record["longest_kernel_share"]) == (
        "unknown: the profiler saw no kernel (CUPTI)",
        None,
    )


def test_a_ratio_of_times_by_hand():
    logs = [math.log(2), math.log(8)]  # mean log 4, variance (log 4)^2 / 2
    ratio, low, high = ratio_of_times([2, 8], [1, 1])
    half_width = 12.706205 * math.sqrt((logs[1] - logs[0]) ** 2 / 2 / 2)
    assert ratio == pytest.approx(4)
    assert (low, high) == (
        pytest.approx(4 * math.exp(-half_width), rel=1e-4),
        pytest.approx(4 * math.exp(half_width), rel=1e-4),
    )
    assert all(map(math.isnan, ratio_of_times([2, 8], [1])[1:]))


def run_of(own_ms: float, base_ms: float, record: dict) -> RunSummary:
    """A run with a case, its base, and one whose base is missing, in five visits each."""
    slow = in_visits(benchmark("int8_weights", own_ms, fallback=record))
    unchecked = in_visits(benchmark("fp8", 1.0, fallback={"base": "bf16", "checked": False}))
    return summary_of(slow, in_visits(benchmark("fp16", base_ms)), unchecked)


def test_the_table_and_the_notes_say_it_where_a_repeat_would_find_it_too(monkeypatch):
    record = found(monkeypatch, of("int8_weights", [4.2, 4.21, 4.19]), of("fp16", [0.033, 0.0331, 0.0329]))
    run = run_of(4.2, 0.033, record)
    marks = list(map(marks_text, marks_of(run.frame, {})))
    assert "far slower than fp16-eager" in marks[0]
    assert "far slower" not in marks[1]
    assert "fallback not checked" in marks[2]
    (sentence,) = [one for one in run.notes if "times as long" in one]
    width = math.exp(math.hypot(*[(math.log(1.4) - math.log(1 / 1.4)) / 2] * 2))  # nobody measured how sessions differ
    ratio = 4.2 / 0.033
    assert f"takes 127.3 times as long as fp16-eager ({ratio / width:.1f} to {ratio * width:.1f})" in sentence
    assert "the longest part of it triton_red_fused__to_copy_mul_sum_0 (98% of a forward)" in sentence


def test_what_visits_tell_and_a_repeat_may_not_find_is_no_mark(monkeypatch):
    record = found(monkeypatch, of("int8_weights", [2.0, 2.0, 2.0]), of("fp16", [1.0, 1.0, 1.0]))
    assert record["longest_kernel"] is not None
    run = run_of(2.0, 1.0, record)  # ± 40% is assumed of each
    assert not [mark for marks in marks_of(run.frame, {}) for mark in marks if mark.kind == "far slower"]
    assert not [one for one in run.notes if "times as long" in one]
