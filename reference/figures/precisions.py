"""What README.md and precisions.md take of every precision: a function a part."""

from __future__ import annotations

import math

from fixtures.precisions import PRECISIONS as DEFINED
from reference import series
from reference.figures.pages import Figures
from reference.runs import command_seconds, complete, details, drift_check, mean, ratio, saved, values
from reference.series import COMPILED
from reference.texts import COUNTS, PRECISIONS, grid, listed, short, span

#: One session of every precision, in a graph and compiled.
BOTH = series.PRECISIONS
#: The four that some parts of the pages show.
CHOSEN = ("fp32", "fp16", "int8", "fp8")
#: Linear ones of GPT-2 small, without the output layer.
LAYERS = 48
#: Without those that the CPU would emulate.
CPU_PRECISIONS = ("fp32", "bf16", "mixed_bf16", "int8", "int8_weights")


def precisions() -> Figures:
    """Every precision, compiled: lowest to highest of three sessions, and what 8 bits give beside 16, of the means."""
    rows = [
        [
            precision,
            span(values(COMPILED, f"{precision}-compiled", "median_latency_ms"), "{:.3f}"),
            span(values(COMPILED, f"{precision}-compiled", "speedup_vs_fp32"), "{:.2f}", "x"),
            span(values(COMPILED, f"{precision}-compiled", "energy_per_sample_mj"), "{:.0f}"),
            span(values(COMPILED, f"{precision}-compiled", "model_size_mb"), "{:.0f}"),
        ]
        for precision in PRECISIONS
    ]
    slower = [ratio(COMPILED, f"{name}-compiled", "fp16-compiled") - 1 for name in ("int8", "int8_weights", "fp8")]
    dearer = ratio(COMPILED, "int8_weights-compiled", "fp16-compiled", "energy_per_sample_mj") - 1
    return {
        "table": grid(["precision, compiled", "median ms", "speed vs FP32", "energy mJ", "size MB"], rows),
        "size": f"{ratio(COMPILED, 'int8-compiled', 'fp32-compiled', 'model_size_mb'):.0%}",
        "longer": span(slower, "{:.0%}"),
        **savings_of_eight_bits(),
        "int8_weights_more": f"{dearer:.0%}",
    }


def savings_of_eight_bits() -> dict[str, str]:
    """Return the share of energy that FP8 saves beside BF16, and INT8 beside FP16, compiled."""
    energy = "energy_per_sample_mj"
    return {
        "fp8_saves": f"{1 - ratio(COMPILED, 'fp8-compiled', 'bf16-compiled', energy):.0%}",
        "int8_saves": f"{1 - ratio(COMPILED, 'int8-compiled', 'fp16-compiled', energy):.0%}",
    }


def nine() -> Figures:
    """Every precision on an H100: one session in a graph, three compiled, and what they predict."""
    rows = []
    for precision in PRECISIONS:
        graph, compiled = f"{precision}-graph", f"{precision}-compiled"
        divergence = values(BOTH, graph, "kl_vs_fp32_nats")[0]
        agreement = values(BOTH, graph, "top1_agreement_vs_fp32")[0]
        rows.append(
            [
                precision,
                span(values(BOTH, graph, "median_latency_ms"), "{:.3f}"),
                span(values(COMPILED, compiled, "median_latency_ms"), "{:.3f}"),
                span(values(BOTH, graph, "energy_per_sample_mj"), "{:.0f}"),
                span(values(COMPILED, compiled, "energy_per_sample_mj"), "{:.0f}"),
                span(values(COMPILED, compiled, "model_size_mb"), "{:.2f}"),
                *(["", ""] if precision == "fp32" else [short(divergence), f"{agreement:.2%}"]),
            ]
        )
    head = ["graph ms", "compiled ms", "graph mJ", "compiled mJ", "size MB", "divergence, nats", "FP32's best token"]
    return {"table": grid(["", *head], rows)}


def batch_32() -> Figures:
    """Four precisions at batch 32, one session."""
    found = {
        execution: [
            values(series.PRECISIONS_BATCH_32, f"{name}-{execution}-b32x128", "median_latency_ms") for name in CHOSEN
        ]
        for execution in ("graph", "compiled")
    }
    rows = [[execution, *(span(one, "{:.3g} ms") for one in of)] for execution, of in found.items()]
    return {"table": grid(["", *CHOSEN], rows)}


def compiled_differences() -> Figures:
    """How far compiled logits are from eager ones, beside the limit."""
    found, limits = (
        [largest_difference(COMPILED, name) for name in PRECISIONS],
        [DEFINED[name].tolerance for name in PRECISIONS],
    )
    rows = [
        ["compiled against eager", *("-" if math.isnan(one) else short(one) for one in found)],
        ["limit", *(short(one).replace(".0e", "e") for one in limits)],
    ]
    return {
        "table": grid(["", *PRECISIONS], rows),
        "margins": span((limit / one for limit, one in zip(limits, found, strict=True) if one > 0), "{:.0f}"),
        "trained": grid(["", *PRECISIONS], trained_differences()),
        "on_cpu": short(largest_difference(series.CPU_PRECISIONS, "int8_weights")),
    }


def trained_differences() -> list[list[str]]:
    """Return how far compiled logits of a trained model and of its twin with seeded weights are from eager ones."""
    of_series = (("seeded", series.SEEDED_COMPILED), ("trained", series.TRAINED_COMPILED))
    measured = {path: {item["name"] for run in saved(path) for item in run.benchmarks} for _, path in of_series}

    def cell(path: str, name: str) -> str:
        found = largest_difference(path, name) if f"test_forward[{name}-compiled]" in measured[path] else math.nan
        return "-" if math.isnan(found) else short(found)

    return [[what, *(cell(path, name) for name in PRECISIONS)] for what, path in of_series]


def largest_difference(path: str, name: str) -> float:
    """Return how far a precision's compiled logits were from eager ones at most, over the sessions of a series.

    NaN where they ran other code.
    """
    found = details(path, f"{name}-compiled", "numerics.difference_from_eager")
    return math.nan if all(map(math.isnan, found)) else max(complete(found))


def sizes() -> Figures:
    """What the weights take in each kind of precision."""
    kinds = {"fp32": "fp32", "half": "fp16", "int8": "int8", "int8_weights": "int8_weights"}
    return {key: f"{mean(COMPILED, f'{name}-compiled', 'model_size_mb'):.2f}" for key, name in kinds.items()}


def eight_bits_on_h100() -> Figures:
    """What 8 bits give on an H100, compiled and not."""
    of_fp16, *kernels = (mean(BOTH, f"{name}-graph", "kernels") for name in ("fp16", "int8", "fp8", "int8_weights"))
    smaller = 1 - ratio(COMPILED, "int8-compiled", "fp16-compiled", "model_size_mb")
    return {
        **savings_of_eight_bits(),
        "smaller": f"{smaller:.0%}",
        "layers": LAYERS,
        "kernels_more": listed(f"{(one - of_fp16) / LAYERS:.0f}" for one in kernels),
        "int8_slower": f"{ratio(BOTH, 'int8-graph', 'fp16-graph'):.1f}",
    }


def compiling_on_h100() -> Figures:
    """What compiling gives on an H100, in one session of both executions a batch size."""
    gains = {name: ratio(BOTH, f"{name}-graph", f"{name}-compiled") for name in ("fp32", "fp16", "mixed")}
    dearer = ratio(BOTH, "mixed-compiled", "mixed-graph", "energy_per_sample_mj") - 1
    batch_32 = ratio(series.PRECISIONS_BATCH_32, "fp16-graph-b32x128", "fp16-compiled-b32x128")
    return {
        "fp32": f"{gains['fp32']:.1f}",
        "fp16": f"{gains['fp16']:.1f}",
        "fp16_batch_32": f"{batch_32:.1f}",
        "autocast": f"{gains['mixed']:.1f}",
        "autocast_more": f"{dearer:.0%}",
    }


def compiled_elsewhere() -> Figures:
    """The same compiled forwards on other boards."""
    boards = [
        {
            "series": path,
            "sessions": len(saved(path)),
            **{
                unit: ", ".join(span(values(path, f"{name}-compiled", column), form) for name in CHOSEN)
                for unit, column, form in (
                    ("ms", "median_latency_ms", "{:.3f}"),
                    ("mj", "energy_per_sample_mj", "{:.0f}"),
                )
            },
        }
        for path in series.COMPILED_ELSEWHERE
    ]
    every = (COMPILED, *series.COMPILED_ELSEWHERE, BOTH)
    latency, energy = (
        max(
            max(of) / min(of) - 1
            for of in ([mean(path, f"{name}-compiled", column) for path in every] for name in CHOSEN)
        )
        for column in ("median_latency_ms", "energy_per_sample_mj")
    )
    return {"boards": boards, "count": COUNTS[len(every)], "latency": f"{latency:.1%}", "energy": f"{energy:.1%}"}


def compilation() -> Figures:
    """How long compiling takes, at first and from then on."""
    own = [name for name in PRECISIONS if name != "mixed_bf16"]  # which took what had been compiled for mixed
    of_cases = [details(COMPILED, f"{name}-compiled", "seconds.compilation") for name in own]
    (first, *later), whole = zip(*of_cases, strict=True), command_seconds(COMPILED)
    return {
        "first_s": span(first, "{:.0f}"),
        "later_s": span((one for session in later for one in session), "{:.0f}"),
        "first_command_s": f"{whole[0]:.0f}",
        "later_command_s": span(whole[1:], "{:.0f}"),
    }


def on_cpu() -> Figures:
    """Every precision on two CPU cores, eager and compiled: lowest to highest of the sessions."""
    path, executions = series.CPU_PRECISIONS, ("eager", "compiled")
    columns = (("median_latency_ms", "{:.0f}", " ms"), ("speedup_vs_fp32", "{:.1f}", "x"))
    rows = [
        [
            precision,
            *(
                span(values(path, f"{precision}-{execution}", column), form, unit)
                for execution in executions
                for column, form, unit in columns
            ),
        ]
        for precision in CPU_PRECISIONS
    ]
    head = ["", *(head for execution in executions for head in (execution, "speed vs FP32"))]
    return {"table": grid(head, rows), **{execution: drift_check(path, execution) for execution in executions}}
