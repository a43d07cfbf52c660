"""Sentences: why a precision is or is not faster here, and caveats of a measurement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import pandas as pd

from analysis.report.sentences import Sentence, listed
from analysis.report.text_tables import WIDEST
from analysis.runs.validity import Judgement
from core.case import BASELINE, Case, case_of, is_own
from core.executions import Executions
from core.guards import finite_number
from core.metrics import REPEAT_COLUMNS, SAME_REL, lookup

#: Above this share of launches in an eager forward, the dtype of its kernels hardly matters.
LAUNCH_BOUND_SHARE = 0.5
#: As a run names the dtypes of its parameters.
DTYPES_OF_16_BITS = {"torch.float16", "torch.bfloat16"}
Row: TypeAlias = Mapping[str, Any]


class Launches(NamedTuple):
    """One precision's rows of a table: started operation by operation, and replayed with a single start."""

    eager: Row
    graph: Row


def explanations(frame: pd.DataFrame, benchmarks: Sequence[Mapping[str, Any]], executions: Executions) -> list[str]:
    """Return a sentence for each 16-bit precision and shape where it and FP32 ran in eager execution and in a graph.

    `frame` is the table of `benchmarks`, each of which says what its weights were stored in.
    """
    rows: dict[Case, Row] = {row["case"]: row for row in frame.to_dict("records")}  # type: ignore[misc]
    of_16_bits = {case_of(benchmark) for benchmark in benchmarks if is_own(benchmark) and is_of_16_bits(benchmark)}
    sentences = []
    for case in rows:
        if case in of_16_bits and case.execution == executions.reference:
            own = launches_of(case, rows, executions)
            baseline = launches_of(case.partner(precision=BASELINE), rows, executions)
            if own is not None and baseline is not None:
                sentences.append(explanation(case.precision.upper(), own, baseline, words_for_place(case, rows)))
    return sentences


def is_of_16_bits(benchmark: Mapping[str, Any]) -> bool:
    """Tell whether every parameter of the model was found in one and the same 16-bit dtype."""
    dtypes = lookup(benchmark["extra_info"], "numerics.parameter_dtypes")
    return isinstance(dtypes, Mapping) and len(dtypes) == 1 and dtypes.keys() <= DTYPES_OF_16_BITS


def launches_of(case: Case, rows: Mapping[Case, Row], executions: Executions) -> Launches | None:
    """Return the rows of a case's precision in both executions, or None where either has no latency."""
    names = executions.reference, executions.replayed_reference or ""
    measured = [rows.get(case.partner(execution=name)) for name in names]
    found = [row for row in measured if row is not None and row["median_latency_ms"] > 0]
    return Launches(*found) if len(found) == len(names) else None


def words_for_place(case: Case, rows: Iterable[Case]) -> str:
    """Return what tells a case's task, workload and shape from those of others, beginning with a space, or nothing."""
    several = {name: len({getattr(other, name) for other in rows}) > 1 for name in ("task", "workload", "shape")}
    named = [getattr(case, name).replace("_", " ") for name in ("task", "workload") if several[name]]
    return (f" for {', '.join(named)}" if named else "") + (f" at {case.shape}" if several["shape"] else "")


def explanation(name: str, own: Launches, baseline: Launches, where: str) -> str:
    """Return the sentence for one precision, task and shape; `where` names the last two if there are several."""
    is_judged = "invalid" not in (baseline.eager["paired_validity"], own.eager["paired_validity"])
    why = f" on this machine: {cause(name, own.eager)}" if is_judged else ""
    return (
        f"{name} in eager{where} is {latency_comparison(baseline.eager, own.eager)}{why}. "
        f"In a CUDA graph it is {latency_comparison(baseline.graph, own.graph)}."
    )


def cause(name: str, eager: Row) -> str:
    """Return whether launches or kernels decide how long an eager forward in a precision takes."""
    share, kernels = eager["launch_bound_share"], ""
    if not pd.isna(eager["kernel_time_ms"]):
        kernels = f", and the profiler finds {eager['kernel_time_ms']:.2f} ms of kernels in it"
    if not share > 0:
        return f"no time is seen to go into launches{kernels}"
    if share > LAUNCH_BOUND_SHARE:
        return (
            f"{share:.0%} of an eager {name} forward is waiting for launches (graph against eager{kernels}), and "
            "precision changes the kernels, not the waiting"
        )
    return f"launches are only {share:.0%} of an eager {name} forward{kernels}, and the kernels decide"


def latency_comparison(baseline: Row, row: Row) -> str:
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
