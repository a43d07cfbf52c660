"""Sentences: why a precision is or is not faster here, and what speaks against a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.records import benchmark_name, name_of
from data_prep.untrusted import finite_number

#: Above this share of launches in an eager forward, what the kernels compute in hardly matters.
LAUNCH_BOUND = 0.5
#: Latencies within this of each other are called the same.
SAME = 0.01


def explanations(frame: pd.DataFrame) -> list[str]:
    """Return one sentence on FP16 in eager execution, where FP16 and FP32 were measured in both executions."""
    rows = frame.set_index("name").to_dict("index")
    wanted = [
        benchmark_name(precision, execution) for execution in ("eager", "graph") for precision in ("fp32", "fp16")
    ]
    if not all(name in rows and rows[name]["median_latency_ms"] > 0 for name in wanted):
        return []
    # Not the stored share: a recovered run has none, for eager was written before graph had run.
    share = 1 - rows["fp16-graph"]["median_latency_ms"] / rows["fp16-eager"]["median_latency_ms"]
    kernel_ms = rows["fp16-eager"]["kernel_time_ms"]
    kernels = "" if pd.isna(kernel_ms) else f", and the profiler finds {kernel_ms:.2f} ms of kernels in it"
    waiting = (
        f"{share:.0%} of an eager FP16 forward is waiting for launches (graph against eager{kernels}), and precision "
        "changes the kernels, not the waiting"
        if share > LAUNCH_BOUND
        else f"launches are only {share:.0%} of an eager FP16 forward{kernels}, and the kernels decide"
    )
    eager, graph = (
        comparison(rows[benchmark_name("fp32", execution)], rows[benchmark_name("fp16", execution)])
        for execution in ("eager", "graph")
    )
    return [f"FP16 in eager is {eager} on this machine: {waiting}. In a CUDA graph it is {graph}."]


def comparison(baseline: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """Return how a row's latency compares with FP32's, in words: faster or slower only where its interval says so."""
    low, ratio, high = (row[f"speedup_vs_fp32{end}"] for end in ("_ci95_low", "", "_ci95_high"))
    low, high = (ratio if pd.isna(end) else end for end in (low, high))
    if "invalid" in (baseline["validity"], row["validity"]):
        word = "not to be judged, for a measurement is invalid, against"
    elif low > 1 - SAME and high < 1 + SAME:
        word = "as fast as"
    elif low > 1 or high < 1:
        word = "faster than" if ratio > 1 else "slower than"
    else:
        word = "neither clearly faster nor slower than"
    interval = f", {low:.2f} to {high:.2f}" if high > low else ""
    latencies = f"{row['median_latency_ms']:.3f} against {baseline['median_latency_ms']:.3f} ms"
    return f"{word} FP32 ({latencies}, {ratio:.2f}x{interval})"


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
            lines.append(f"{name_of(benchmark)}: {'; '.join(found)}.")
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
    low, median, high = (finite_number(latency.get(key)) for key in ("ci95_low_ms", "median_ms", "ci95_high_ms"))
    if latency.get("converged") is not False or not median:
        return []
    if low is None or high is None:
        return [f"{median:.3f} ms, {latency.get('ci95_reason')} (expected ± 1%): raise --rounds"]
    width = max(median - low, high - median) / median
    noise_rel = finite_number(latency.get("noise_rel"))
    spread = "" if noise_rel is None else f", blocks of rounds spread by {noise_rel:.1%}"
    return [
        f"{median:.3f} ms ± {width:.1%} after {latency.get('rounds')} rounds (expected ± 1%){spread}: "
        "quiet the machine"
        + (", raise --rounds, or quote the graph execution" if "cuda" in device else " or raise --rounds")
    ]
