"""Sentences: why a precision is or is not faster here, and what speaks against a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from results.metrics import finite

#: Above this share of launches in an eager forward, what the kernels compute in hardly matters.
LAUNCH_BOUND = 0.5


def explanations(frame: pd.DataFrame) -> list[str]:
    """Return one sentence on FP16 in eager execution, where FP16 and FP32 were measured in both executions."""
    rows = frame.set_index("name").to_dict("index")
    wanted = [f"{precision}-{execution}" for execution in ("eager", "graph") for precision in ("fp32", "fp16")]
    if not all(name in rows and rows[name]["median_latency_ms"] > 0 for name in wanted):
        return []
    fp32, fp16, fp32_graph, fp16_graph = (rows[name]["median_latency_ms"] for name in wanted)
    share = rows["fp16-eager"]["launch_bound_share"]
    kernel_ms = rows["fp16-eager"]["kernel_time_ms"]
    kernels = "" if pd.isna(kernel_ms) else f", and the profiler finds {kernel_ms:.2f} ms of kernels in it"
    because = (
        f"because {share:.0%} of an eager FP16 forward is waiting for launches (graph against eager{kernels}): "
        "precision changes the kernels, not the waiting"
        if share > LAUNCH_BOUND
        else f"because launches are only {share:.0%} of an eager FP16 forward{kernels}: the kernels decide"
    )
    return [
        f"FP16 in eager is {comparison(fp32, fp16)} on this machine {because}; in a CUDA graph it is "
        f"{comparison(fp32_graph, fp16_graph)}."
    ]


def comparison(baseline_ms: float, latency_ms: float) -> str:
    """Return how a latency compares with FP32's, in words."""
    ratio = baseline_ms / latency_ms
    word = "as fast as" if abs(ratio - 1) < 0.01 else "faster than" if ratio > 1 else "slower than"
    return f"{word} FP32 ({latency_ms:.3f} against {baseline_ms:.3f} ms, {ratio:.2f}x)"


def warnings(benchmarks: Sequence[dict[str, Any]]) -> list[str]:
    """Return one line for each benchmark whose latency should not be quoted as it is: figure, cause, what to do."""
    lines = []
    for benchmark in benchmarks:
        extra_info = benchmark["extra_info"]
        validity, latency = (extra_info.get(part) for part in ("validity", "latency"))
        found = [
            *(validity_reasons(validity) if isinstance(validity, dict) else []),
            *(noise_reasons(latency, str(extra_info.get("device"))) if isinstance(latency, dict) else []),
        ]
        if found:
            lines.append(f"{extra_info['precision']}-{extra_info['execution']}: {'; '.join(found)}.")
    return lines


def validity_reasons(validity: dict[str, Any]) -> list[str]:
    """Return why a measurement is invalid, or that its validity is unknown and why."""
    reasons, unknown = validity.get("reasons"), validity.get("unknown")
    if isinstance(reasons, list) and reasons:
        return [str(reason) for reason in reasons]
    if isinstance(unknown, dict) and unknown:
        return [f"validity unknown: {'; '.join(sorted({str(reason) for reason in unknown.values()}))}"]
    return []


def noise_reasons(latency: dict[str, Any], device: str) -> list[str]:
    """Return how wide the median's interval is where the rounds did not converge, or that it has none."""
    low, median, high = (finite(latency.get(key)) for key in ("ci95_low_ms", "median_ms", "ci95_high_ms"))
    if latency.get("converged") is not False or not median:
        return []
    if low is None or high is None:
        return [f"{median:.3f} ms, {latency.get('ci95_reason')} (expected ± 1%): raise --rounds"]
    width = max(median - low, high - median) / median
    noise_rel = finite(latency.get("noise_rel"))
    spread = "" if noise_rel is None else f", blocks of rounds spread by {noise_rel:.1%}"
    return [
        f"{median:.3f} ms ± {width:.1%} after {latency.get('rounds')} rounds (expected ± 1%){spread}: "
        "quiet the machine"
        + (", raise --rounds, or quote the graph execution" if "cuda" in device else " or raise --rounds")
    ]
