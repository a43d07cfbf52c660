"""Sentences: why a precision is or is not faster here, and caveats of a measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.report.sentences import Sentence, listed
from analysis.report.text_tables import WIDEST
from analysis.runs.validity import Judgement
from core.case import BASELINE, Case, case_of
from core.executions import Executions
from core.guards import finite_number
from core.metrics import REPEAT_COLUMNS, SAME_REL, lookup

#: Above this share of launches in an eager forward, the dtype of its kernels hardly matters.
LAUNCH_BOUND_SHARE = 0.5


def explanations(frame: pd.DataFrame, executions: Executions) -> list[str]:
    """Return one sentence for each shape on FP16 in eager execution, where FP16 and FP32 ran in eager and graph."""
    eager, graph = executions.reference, executions.replayed_reference or ""
    rows: dict[Case, Mapping[str, Any]] = {row["case"]: row for row in frame.to_dict("records")}  # type: ignore[misc]
    sentences = []
    for case in rows:
        if (case.precision, case.execution) != ("fp16", eager):
            continue
        partners = [
            rows.get(case.partner(precision=precision, execution=execution))
            for execution in (eager, graph)
            for precision in (BASELINE, "fp16")
        ]
        measured = [row for row in partners if row is not None and row["median_latency_ms"] > 0]
        if len(measured) == len(partners):
            several = {
                name: len({getattr(other, name) for other in rows}) > 1 for name in ("task", "workload", "shape")
            }
            named = [getattr(case, name).replace("_", " ") for name in ("task", "workload") if several[name]]
            where = (f" for {', '.join(named)}" if named else "") + (f" at {case.shape}" if several["shape"] else "")
            sentences.append(explanation(measured, where))
    return sentences


def explanation(rows: Sequence[Mapping[str, Any]], where: str) -> str:
    """Return the sentence for one task and shape, which `where` names if there are several.

    `rows`: FP32 and FP16 in eager execution, then both in a CUDA graph.
    """
    eager_fp32, eager_fp16, graph_fp32, graph_fp16 = rows
    is_judged = "invalid" not in (eager_fp32["paired_validity"], eager_fp16["paired_validity"])
    why = f" on this machine: {cause(eager_fp16)}" if is_judged else ""
    return (
        f"FP16 in eager{where} is {latency_comparison(eager_fp32, eager_fp16)}{why}. "
        f"In a CUDA graph it is {latency_comparison(graph_fp32, graph_fp16)}."
    )


def cause(eager: Mapping[str, Any]) -> str:
    """Return whether launches or kernels decide how long an eager FP16 forward takes."""
    share, kernels = eager["launch_bound_share"], ""
    if not pd.isna(eager["kernel_time_ms"]):
        kernels = f", and the profiler finds {eager['kernel_time_ms']:.2f} ms of kernels in it"
    if not share > 0:
        return f"no time is seen to go into launches{kernels}"
    if share > LAUNCH_BOUND_SHARE:
        return (
            f"{share:.0%} of an eager FP16 forward is waiting for launches (graph against eager{kernels}), and "
            "precision changes the kernels, not the waiting"
        )
    return f"launches are only {share:.0%} of an eager FP16 forward{kernels}, and the kernels decide"


def latency_comparison(baseline: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """Return how a row's latency compares with FP32's, in words: faster or slower only where its interval says so."""
    ratio = row["speedup_vs_fp32"]
    low, high = (row[column] for column in REPEAT_COLUMNS["speedup"])
    latencies = f"{row['median_latency_ms']:.3f} against {baseline['median_latency_ms']:.3f} ms"
    if pd.isna(low):
        return f"not judged against FP32, for nothing says how far a repeat may differ ({latencies}, {ratio:.2f}x)"
    if "invalid" in (baseline["paired_validity"], row["paired_validity"]):
        return f"not judged against FP32, for a measurement is invalid ({latencies}, {ratio:.2f}x)"
    if low > 1 - SAME_REL and high < 1 + SAME_REL:
        words = "as fast as"
    elif low > 1:
        words = "faster than"
    elif high < 1:
        words = "slower than"
    else:
        words = "neither clearly faster nor slower than"
    return f"{words} FP32 ({latencies}, {ratio:.2f}x; a repeat finds {low:.2f} to {high:.2f})"


def caveats(benchmarks: Sequence[dict[str, Any]], judgements: Sequence[Judgement]) -> list[str]:
    """Return why latencies should not be quoted as they are: which ones, the cause, what to do.

    A line for each benchmark; one for three and more of which the same is said.
    """
    sentences = []
    for benchmark, judgement in zip(benchmarks, judgements, strict=True):
        extra_info, figures = benchmark["extra_info"], dict[str, tuple[float, str]]()
        latency, reasons = extra_info.get("latency"), validity_reasons(extra_info, judgement)
        if isinstance(latency, dict):
            noise, figures = noise_reasons(latency, str(extra_info.get("device")))
            reasons += noise
        if reasons:
            sentences.append(Sentence(f"{{name}}: {'; '.join(reasons)}.", {"name": case_of(benchmark)}, figures))
    return listed(sentences)


def validity_reasons(extra_info: Mapping[str, Any], judgement: Judgement) -> list[str]:
    """Return why a measurement is invalid, or that its validity is unknown and why."""
    unknown = lookup(extra_info, "validity.unknown")
    if judgement.reasons:
        return list(judgement.reasons)
    if isinstance(unknown, dict) and unknown:
        return [f"validity unknown: {'; '.join(sorted({str(reason) for reason in unknown.values()}))}"]
    return []


def noise_reasons(latency: dict[str, Any], device: str) -> tuple[list[str], dict[str, tuple[float, str]]]:
    """Return how wide the median's interval is where the rounds did not converge, and the figures for its places."""
    low, median, high = (finite_number(latency.get(key)) for key in ("ci95_low_ms", "median_ms", "ci95_high_ms"))
    if latency.get("converged") is not False or not median:
        return [], {}
    if low is None or high is None:
        reason = latency.get("ci95_reason") or "and nothing says within what"
        return [f"{median:.3f} ms, {reason} (expected ± 1%): raise --visits"], {}
    width = max(median - low, high - median) / median
    is_known = width < WIDEST
    figures = {"width": (100 * width, "{:.1f}")} if is_known else {}
    rounds, noise_rel = finite_number(latency.get("rounds")), finite_number(latency.get("noise_rel"))
    after = spread = ""
    if rounds is not None:
        after, figures["rounds"] = " after {rounds} rounds", (rounds, "{:.0f}")
    if noise_rel is not None:
        spread, figures["spread"] = ", visits spread by {spread}%", (100 * noise_rel, "{:.1f}")
    remedy = ", raise --visits, or quote the graph execution" if "cuda" in device else " or raise --visits"
    known = "is known to ± {width}%" if is_known else f"is not known to a factor of {WIDEST}"
    text = f"this session's median {known}{after} (expected ± 1%){spread}: quiet the machine{remedy}"
    return [text], figures
