"""What README.md, results.md and quality.md take of the default runs: a function a part."""

from __future__ import annotations

import statistics

from analysis.report.terminal import plain_table
from analysis.report.text_tables import terminal_table
from reference import series
from reference.figures.pages import Figures
from reference.runs import command_seconds, complete, details, drift_check, phase_seconds, saved, sessions, values
from reference.series import CPU_DEFAULT, H100_DEFAULT, H200_DEFAULT
from reference.texts import DEFAULT, grid, short, span, spread

CPU_PRECISIONS = (*DEFAULT, "bf16", "int8")


def terminal() -> Figures:
    """The table that a terminal shows of the first default session on an H100, graphs alone."""
    first, frame = saved(H100_DEFAULT)[0], sessions(H100_DEFAULT)
    graphs = frame[(frame["run"] == 0) & (frame["execution"] == "graph")]
    shown = terminal_table(graphs, first.catalogue, {}).drop(columns=["perplexity", "against FP32", "marks"])
    return {"table": plain_table(shown)}


def default() -> Figures:
    """The default job on an H100: lowest to highest of ten sessions, and how much they vary."""
    rows = []
    for precision in DEFAULT:
        graph = {
            column: values(H100_DEFAULT, f"{precision}-graph", column)
            for column in ("median_latency_ms", "speedup_vs_fp32", "energy_per_sample_mj", "model_size_mb")
        }
        latency, speedup, energy, size = graph.values()
        eager = values(H100_DEFAULT, f"{precision}-eager", "median_latency_ms")
        is_baseline = precision == "fp32"
        rows.append(
            [
                precision,
                f"{span(latency, '{:.3f}')} ms ({spread(latency)})",
                "1" if is_baseline else f"{span(speedup, '{:.2f}')} ({spread(speedup)})",
                f"{span(energy, '{:.0f}')} mJ ({spread(energy)})",
                f"{span(size, '{:.2f}')} MB",
                f"{span(eager, '{:.2f}')} ms ({spread(eager)})",
            ]
        )
    head = ["benchmark", "graph median", "speed vs FP32 in the graph", "graph energy per sample", "weights"]
    return {"table": grid([*head, "eager median"], rows), "drift": drift_check(H100_DEFAULT, "eager")}


def other_boards() -> Figures:
    """The same on the other boards: lowest to highest of each precision in a graph, by the name of the host."""
    return {
        host: {
            unit: ", ".join(span(values(path, f"{precision}-graph", column), form) for precision in DEFAULT)
            for unit, column, form in (("ms", "median_latency_ms", "{:.3f}"), ("mj", "energy_per_sample_mj", "{:.0f}"))
        }
        for host, path in series.DEFAULTS.items()
        if path != H100_DEFAULT
    }


def cpu() -> Figures:
    """The default job on two CPU cores: lowest to highest of five sessions."""
    rows = [
        [
            precision,
            span(values(CPU_DEFAULT, f"{precision}-eager", "median_latency_ms"), "{:.0f}", " ms"),
            "1"
            if precision == "fp32"
            else span(values(CPU_DEFAULT, f"{precision}-eager", "speedup_vs_fp32"), "{:.2f}"),
            span(values(CPU_DEFAULT, f"{precision}-eager", "model_size_mb"), "{:.2f}", " MB"),
        ]
        for precision in CPU_PRECISIONS
    ]
    table = grid(["precision, eager", "median", "speed vs FP32", "weights"], rows)
    return {"table": table, "drift": drift_check(CPU_DEFAULT, "eager")}


def cpu_spread() -> Figures:
    """How far the medians of a case differ between the sessions on two CPU cores."""
    found = [values(CPU_DEFAULT, f"{name}-eager", "median_latency_ms") for name in CPU_PRECISIONS]
    return {"apart": span((max(one) / min(one) - 1 for one in found), "{:.0%}")}


def eager_kernels() -> Figures:
    """What an eager forward's time is spent on, in the default sessions on an H100."""
    kernels = {
        variant: span(details(H100_DEFAULT, "fp16-eager", f"latency.{variant}_kernels"), "{:.0f}")
        for variant in ("full", "padded")
    }
    times = {
        f"{name}_ms": f"{statistics.median(complete(values(H100_DEFAULT, f'{name}-eager', 'kernel_time_ms'))):.2f}"
        for name in ("fp32", "fp16")
    }
    return {**kernels, **times}


def sweep() -> Figures:
    """The batch sweep: lowest to highest of three sessions."""
    batches = (1, 4, 16, 64)
    rows = []
    for precision in ("fp16", "mixed"):
        names = [f"{precision}-graph" + ("" if batch == 1 else f"-b{batch}x128") for batch in batches]
        for words, column, form in (
            ("times as fast", "speedup_vs_fp32", "{:.2f}"),
            ("less energy", "energy_reduction_vs_fp32", "{:.0%}"),
        ):
            found = [values(series.SWEEP, name, column) for name in names]
            rows.append([f"{precision}, {words}", *(span(one, form) for one in found)])
    return {"table": grid(["against FP32, graph, 128 tokens", *(f"batch {batch}" for batch in batches)], rows)}


def seconds() -> Figures:
    """How long whole commands took; the first one on the H100, which makes the seeded weights, by itself."""
    (first, *h100), h200, on_cpu = (command_seconds(path) for path in (H100_DEFAULT, H200_DEFAULT, CPU_DEFAULT))
    medians = {
        name: {"range": span(of, "{:.0f}"), "median": f"{statistics.median(of):.0f}", "count": len(of)}
        for name, of in (("h100", h100), ("h200", h200))
    }
    return {**medians, "first": f"{first:.0f}", "cpu": span(on_cpu, "{:.0f}")}


def parts() -> Figures:
    """What the seconds of a default session are spent on, the first session left out."""
    phases = {
        "visits": ("preparation", "warm_up", "rounds"),
        "quality": ("quality",),
        "machine": ("closing", "limits"),
    }
    known = {name: phase_seconds(H100_DEFAULT, *of)[1:] for name, of in phases.items()}
    whole = command_seconds(H100_DEFAULT)[1:]
    rest = [one - sum(of_parts) for one, *of_parts in zip(whole, *known.values(), strict=True)]
    return {
        "share": span((one / of for one, of in zip(rest, whole, strict=True)), "{:.0%}"),
        "sessions": len(whole),
        **{name: span(found, "{:.0f}") for name, found in (known | {"rest": rest}).items()},
    }


def scoring() -> Figures:
    """How far what was scored is from what was timed, and how long scoring takes."""
    found = {name: max(complete(values(H100_DEFAULT, f"{name}-graph", "scored_vs_timed_kl_nats"))) for name in DEFAULT}
    return {
        "sessions": len(saved(H100_DEFAULT)),
        **{name: "below 1e-12" if one < 1e-12 else short(one) for name, one in found.items()},
        "scoring_s": span(phase_seconds(H100_DEFAULT, "quality"), "{:.1f}"),
    }
