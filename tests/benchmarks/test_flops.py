"""FLOPs of one forward: attention with grouped keys, and operators that PyTorch's counter cannot count."""

from __future__ import annotations

import csv
import io
import re

import pytest
import torch
from torch.utils import flop_counter

from benchmarks.instruments.roofline.instrument import forward_work, roofline
from core.metrics.figures import Figure
from fixtures.dataset.batches import Batch
from fixtures.executions import Forward

aten = torch.ops.aten
IDS = torch.arange(8)[None]
BATCH = Batch(IDS, torch.ones_like(IDS), text_tokens=8)
MODEL = torch.nn.Linear(3, 5, bias=False)
#: 2 sequences, 8 queries of 6 heads, 10 keys of 2 heads, 16 features; values of as many.
QUERY = torch.zeros(2, 6, 8, 16, dtype=torch.float16, device="meta")
KEY = torch.zeros(2, 2, 10, 16, dtype=torch.float16, device="meta")
#: For each of 2 x 6 heads 8 x 10 scores of 16 multiply-adds, and 8 x 16 outputs of 10.
GROUPED_FLOPS = 2 * 6 * (8 * 10 * 16 * 2 + 8 * 16 * 10 * 2)
#: What a GPU runs for attention in FP16, with the arguments that have no default; the last is the CPU's.
ATTENTIONS = [
    (aten._scaled_dot_product_flash_attention, ()),
    (aten._scaled_dot_product_cudnn_attention, (None, False)),
    (aten._scaled_dot_product_flash_attention_for_cpu, ()),
]


def work_of(run) -> dict:
    return forward_work(MODEL, Forward(lambda _: None, run), BATCH, autocast=None)


def count_of_an_older_pytorch(query, key, value):
    """`sdpa_flop_count` of PyTorch 2.11, as far as it matters here."""
    if query[1] != key[1]:
        raise AssertionError("sdpa_flop_count: query/key/value shapes are incompatible")
    return 0


@pytest.mark.parametrize(("attention", "more"), ATTENTIONS, ids=lambda part: getattr(part, "__name__", None))
def test_grouped_keys_count_once_for_each_head_of_the_query(monkeypatch, attention, more):
    monkeypatch.setattr(flop_counter, "sdpa_flop_count", count_of_an_older_pytorch)
    assert work_of(lambda: attention(QUERY, KEY, KEY, *more)[0])["flops"] == GROUPED_FLOPS


def test_attention_in_one_kernel_counts_like_its_matrix_products():
    query, key = torch.rand(2, 6, 8, 16), torch.rand(2, 2, 10, 16)

    def attention():
        return torch.nn.functional.scaled_dot_product_attention(query, key, key, enable_gqa=True)

    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        in_products = work_of(attention)
    assert work_of(attention)["flops"] == in_products["flops"] == GROUPED_FLOPS


def test_an_operator_that_cannot_be_counted_leaves_flops_null_with_the_reason():
    logits = torch.zeros(1, 4, 7)
    # Tokens before heads, where PyTorch's formula takes them for heads: 8 and 10 are then not as many.
    query, key = torch.zeros(2, 8, 6, 16, device="meta"), torch.zeros(2, 10, 6, 16, device="meta")

    def forward():
        aten._efficient_attention_forward(query, key, key, None, None, None, None, None, 0.0, 0)
        return logits

    work = work_of(forward)
    assert work["flops"] is None
    assert work["flops_reason"].startswith("PyTorch's FLOP counter cannot count an operator of this model (")
    assert work["bytes"] == 4 * 3 * 5 + 4 * 4 * 7


def test_an_error_of_the_forward_itself_is_not_taken_for_one_of_counting():
    def forward():
        raise AssertionError("of the model itself")

    with pytest.raises(AssertionError, match="of the model itself"):
        work_of(forward)


def test_a_limit_without_flops_is_null_with_the_reason():
    work = {"flops": None, "flops_reason": "why", "bytes": 1000}
    assert roofline(work, flops_per_s=1e12, bytes_per_s=1e9, latency_ms=8.0) == {
        "roofline_fraction": Figure(None, reason="why"),
        "limit_ms": None,
        "limited_by": None,
        "forward_gflop": None,
        "forward_mb": 0.001,
        "peak_tflops": 1,
        "peak_gb_per_s": 1,
    }


def test_a_run_without_flops_has_every_other_figure_and_all_its_files(run_suite, saved_run, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise AssertionError("no formula for this")

    monkeypatch.setitem(flop_counter.flop_registry, aten.addmm, fails)
    assert run_suite("--benchmark-autosave", "--precisions=fp32").ret == 0
    (benchmark,) = saved_run()["benchmarks"]
    latency = benchmark["extra_info"]["latency"]
    assert latency["roofline_fraction"] is latency["limit_ms"] is None
    assert "no formula for this" in latency["roofline_reason"]
    assert latency["forward_mb"] > 0
    assert latency["median_ms"] > 0
    results = tmp_path / "results"
    (row,) = csv.DictReader(io.StringIO((results / "gpt2_quantization_benchmark_results.csv").read_text()))
    assert row["roofline_fraction"] == row["limit_ms"] == ""
    assert row["median_latency_ms"] != ""
    page = (results / "report.html").read_text()
    assert "median_latency_ms" in page
    assert not re.search(r">\s*nan\s*<", page, re.IGNORECASE)
