"""Where the time of a forward goes: timelines of kernels, their groups, and the record."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch

from benchmarks import kernels
from benchmarks.instruments.breakdown.groups import GROUPS, OTHER, fused_name, group_of, groups_of
from benchmarks.instruments.breakdown.instrument import breakdown, timelines_of
from benchmarks.kernels import Timeline, profiled_kernels
from core.metrics import lookup
from core.metrics.figures import Figure
from tests.support.gpt2_kernels import COMPILED, EAGER
from tests.support.reference_runs import unpacked
from tests.support.saved_runs import extra_info

CUDA = torch.device("cuda")


def event(name: str, start_us: float, end_us: float) -> SimpleNamespace:
    return SimpleNamespace(
        name=name,
        device_type=SimpleNamespace(name="CUDA"),
        device_time=end_us - start_us,
        time_range=SimpleNamespace(start=start_us, end=end_us),
    )


class Device:
    """A GPU that places a batch, marks and runs kernels one after the other, and a profiler that saw it all."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *forwards: list[tuple[str, float, float]]) -> None:
        self.now_us, self.seen, self._forwards = 0.0, [], iter(forwards)
        monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
        monkeypatch.setattr(torch.cuda, "_sleep", lambda cycles: self.run(("spin_kernel(long)", 0, 2)))
        profiled = SimpleNamespace(events=lambda: self.seen)
        profile = SimpleNamespace(__enter__=lambda _: profiled, __exit__=lambda *_: None)
        monkeypatch.setattr(kernels, "profile", lambda **_: type("Profile", (), vars(profile))())

    def run(self, *kernels_us: tuple[str, float, float]) -> None:
        """Run kernels, each with its beginning and end from now on."""
        self.seen += [event(name, self.now_us + start, self.now_us + end) for name, start, end in kernels_us]
        self.now_us += max(end for _, _, end in kernels_us) + 50  # the host launches what follows

    def place(self) -> None:
        self.run(("Memcpy DtoD", 0, 3), ("fill", 5, 8))

    def forward(self) -> None:
        self.run(*next(self._forwards))


def test_a_timeline_is_of_the_forward_alone_and_counts_overlapping_kernels_once(monkeypatch):
    forward = [("first", 0, 10), ("beside", 4, 14), ("within", 5, 9), ("last", 20, 30)]
    device = Device(monkeypatch, forward, forward)
    found = profiled_kernels(device.forward, CUDA, device.place, forwards=2)
    assert found.timeline.parts == (("first", 0.01), ("beside", 0.004), ("within", 0.0), ("last", 0.01))
    assert (found.timeline.span_ms, found.timeline.gaps_ms) == (0.03, pytest.approx(0.006))
    assert found.time_ms == pytest.approx((10 + 10 + 4 + 10 + 3 + 3) / 1000)  # as ever: summed, with what places
    assert found.count == 5
    assert not any("spin" in name for name in found.times_ms)


def test_the_timeline_is_that_of_the_forward_with_the_median_span(monkeypatch):
    device = Device(monkeypatch, *([("gemm", 0, us)] for us in (100, 10, 11)))
    assert profiled_kernels(device.forward, CUDA, device.place, forwards=3).timeline.span_ms == 0.011


def test_without_the_marks_there_is_no_timeline(monkeypatch):
    device = Device(monkeypatch, [("gemm", 0, 1)], [("gemm", 0, 1)])
    monkeypatch.setattr(torch.cuda, "_sleep", lambda cycles: None)
    assert profiled_kernels(device.forward, CUDA, device.place, forwards=2).timeline is None


def test_every_product_that_the_reference_names_is_known_as_one():
    names = set()
    for host in ("h100_99080df7", "h200_c69f2121", "h200_f11f7369"):
        for path in unpacked(host).rglob("0*.json"):
            for item in json.loads(path.read_text())["benchmarks"]:
                names |= {*(lookup(item["extra_info"], "numerics.products") or {})}
    assert len(names) > 20
    assert {group_of(name) for name in names} == {"matrix products"}


@pytest.mark.parametrize("profile", [EAGER, COMPILED])
def test_of_gpt2s_kernels_no_more_than_a_twentieth_is_unknown(profile):
    """Names as CUPTI gives them, times about as on an H200."""
    names = [name for name, us, count in profile for _ in range(count)]
    times = [us for _, us, count in profile for _ in range(count)]
    by_group = dict.fromkeys([group.name for group in GROUPS] + ["output layer", OTHER], 0.0)
    for group, us in zip(groups_of(names), times, strict=True):
        by_group[group] += us
    assert by_group[OTHER] <= 0.05 * sum(times)
    for group in ("matrix products", "output layer", "attention"):
        assert by_group[group] > 0


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("triton_poi_fused__scaled_dot_product_flash_attention_add_gelu_3", "fused kernels"),
        ("triton_red_fused__int_mm__to_copy_abs_add_amax_clamp_div_mul_pow_round_tanh_view_5", "fused kernels"),
        ("## Call CompiledFxGraph f5whi74xb ##", "fused kernels"),
        ("triton_tem_fused_mm_t_1", "matrix products"),
        ("void cublasLt::splitKreduce_kernel<32, 16, int, float, __half>", "matrix products"),
        ("fmha_cutlassF_f32_aligned_64x64_rf_sm80(PyTorchMemEffAttention::AttentionKernel<>)", "attention"),
        ("void at::native::unrolled_elementwise_kernel<at::native::direct_copy_kernel_cuda(…)>", "copies"),
        ("void at::native::index_elementwise_kernel<128, 4, at::native::gpu_index_kernel<…>>", "lookups"),
        ("Memset (Device)", "copies"),
        ("aten::addmm", "matrix products"),
        ("aten::_scaled_dot_product_flash_attention_for_cpu", "attention"),
        ("aten::native_layer_norm", "norms"),
        ("aten::mul", "elementwise"),
        ("aten::index_select", "lookups"),
        ("aten::view", "other"),
        ("something_else", "other"),
    ],
)
def test_names_tell_groups(name, group):
    assert group_of(name) == group


def test_the_output_layer_is_the_last_product_with_what_adds_up_its_parts():
    names = [
        "nvjet_a",
        "void cublasLt::splitKreduce_kernel<>",
        "elementwise",
        "nvjet_b",
        "splitKreduce_kernel",
        "Memcpy",
    ]
    expected = ["matrix products"] * 2 + ["elementwise"] + ["output layer"] * 2 + ["copies"]
    assert groups_of(names) == expected
    assert groups_of(["elementwise"]) == ["elementwise"]


def test_fused_kernels_of_one_name_are_one():
    assert fused_name("triton_per_fused_add_native_layer_norm_12") == "triton_per_fused_add_native_layer_norm"
    assert fused_name("## Call CompiledFxGraph f5whi ##") == "C++ kernels of the compiled graph"


def test_shares_are_weighted_by_variant_and_add_up_to_one():
    full = Timeline((("nvjet", 1.0), ("triton_poi_fused_add_1", 0.5), ("unknown", 0.1)), 2.0)
    padded = Timeline((("nvjet", 2.0), ("triton_poi_fused_add_2", 1.0)), 4.0)
    record = breakdown({"full": full, "padded": padded}, {"full": 0.75, "padded": 0.25}).as_json()
    assert record["span_ms"] == pytest.approx(0.75 * 2 + 0.25 * 4)
    groups = {part["name"]: part for part in record["groups"]}
    assert groups["output layer"]["ms"] == pytest.approx(0.75 * 1 + 0.25 * 2)
    assert groups["fused kernels"]["ms"] == pytest.approx(0.75 * 0.5 + 0.25 * 1)
    assert groups["gaps"]["ms"] == pytest.approx(0.75 * 0.4 + 0.25 * 1)
    assert sum(part["share"] for part in record["groups"]) == pytest.approx(1)
    assert [part["ms"] for part in record["groups"]] == sorted((part["ms"] for part in record["groups"]), reverse=True)
    assert (record["gap_share"], record["other_share"]) == (pytest.approx(0.55 / 2.5), pytest.approx(0.075 / 2.5))
    (fused,) = record["fused"]
    assert (fused["name"], fused["count"]) == ("triton_poi_fused_add", 1)
    assert record["reason"] is None


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (None, "the profiler saw no kernel (CUPTI)"),
        (kernels.Kernels(1.0, 1, {}, {}), "the profiler did not see where forwards begin and end"),
    ],
)
def test_where_the_profiler_did_not_see_it_that_is_said(seen, reason):
    case = SimpleNamespace(
        settings=SimpleNamespace(device=CUDA), data=SimpleNamespace(examples=[SimpleNamespace(variant="full")])
    )
    record = timelines_of(case, SimpleNamespace(kernels=lambda _: seen))
    assert record.span_ms == Figure(None, reason=reason)
    assert (record.gap_share, record.other_share, list(record.groups)) == (None, None, [])


def test_a_session_on_a_cpu_has_the_operators(run_suite, saved_run):
    assert run_suite("--benchmark-autosave", "--precisions=fp32").ret == 0
    found = extra_info(saved_run(), "fp32-eager-b1x16")["breakdown"]
    groups = {part["name"]: part["share"] for part in found["groups"]}
    assert {"matrix products", "output layer", "attention", "norms", "gaps"} <= groups.keys()
    assert sum(groups.values()) == pytest.approx(1)
    assert found["span_ms"] == pytest.approx(sum(part["ms"] for part in found["groups"]))
    assert found["reason"] is None
