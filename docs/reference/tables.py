"""The tables of README.md and docs/ that are made from the reference runs: a function a block."""

from __future__ import annotations

import statistics

from analysis.report.text_tables import markdown_table, terminal_table
from analysis.storage.runs import load
from docs.reference.runs import (
    DEFAULT,
    PRECISIONS,
    REFERENCE,
    command_seconds,
    grid,
    marks,
    paragraph,
    sessions,
    span,
    spread,
    values,
)


def terminal() -> str:
    """The table that a terminal shows of the first default session on an H100, graphs alone."""
    run = load(REFERENCE / "h100/default/0001.json")
    frame = sessions("h100/default")
    first = frame[(frame["run"] == 0) & (frame["execution"] == "graph")]
    shown = terminal_table(first, run.catalogue, {}).drop(columns=["perplexity", "against FP32", "marks"])
    return f"```\n{markdown_table(shown, 'simple')}\n```"


def precisions() -> str:
    """Every precision, compiled: lowest to highest of three sessions, and what 8 bits give beside 16."""
    rows = [
        [
            precision,
            span(values("h100/precisions", f"{precision}-compiled", "median_latency_ms"), "{:.3f}"),
            span(values("h100/precisions", f"{precision}-compiled", "speedup_vs_fp32"), "{:.2f}", "x"),
            span(values("h100/precisions", f"{precision}-compiled", "energy_per_sample_mj"), "{:.0f}"),
            span(values("h100/precisions", f"{precision}-compiled", "model_size_mb"), "{:.0f}"),
        ]
        for precision in PRECISIONS
    ]
    table = grid(["precision, compiled", "median ms", "speed vs FP32", "energy mJ", "size MB"], rows)
    return f"{table}\n\n{eight_bits()}"


def eight_bits() -> str:
    """What 8 bits give beside 16, of the means over the sessions of every precision, compiled."""

    def mean(precision: str, column: str) -> float:
        return statistics.fmean(values("h100/precisions", f"{precision}-compiled", column))

    half = mean("fp16", "median_latency_ms")
    slower = [mean(name, "median_latency_ms") / half - 1 for name in ("int8", "int8_weights", "fp8")]
    fp8, int8 = (
        1 - mean(name, "energy_per_sample_mj") / mean(other, "energy_per_sample_mj")
        for name, other in (("fp8", "bf16"), ("int8", "fp16"))
    )
    size = mean("int8", "model_size_mb") / mean("fp32", "model_size_mb")
    text = (
        f"Compiling and 16 bits are what pays for a model this small. 8 bits make it {size:.0%} of FP32's size, take "
        f"{100 * min(slower):.0f} to {max(slower):.0%} longer than FP16, and save little energy (FP8 {fp8:.0%} of "
        f"BF16's, INT8 {int8:.0%} of FP16's). More, on H200s and CPUs too: [docs/results.md](docs/results.md)."
    )
    return paragraph(text)


def default() -> str:
    """The default job on an H100: lowest to highest of ten sessions, and how much they vary."""
    rows = []
    for precision in DEFAULT:
        graph = {
            column: values("h100/default", f"{precision}-graph", column)
            for column in ("median_latency_ms", "speedup_vs_fp32", "energy_per_sample_mj", "model_size_mb")
        }
        latency, speedup, energy, size = graph.values()
        eager = values("h100/default", f"{precision}-eager", "median_latency_ms")
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
    return f"{grid([*head, 'eager median'], rows)}\n\n{marks('h100/default', 'eager')}"


def other_boards() -> str:
    """The same on other boards, in one sentence each."""
    sentences = []
    for folder, board in (
        ("sessions/h100_0fc80ab7", "H100 0fc80ab7, ten sessions"),
        ("sessions/h100_c846fd5f", "H100 c846fd5f, ten"),
        ("sessions/h200_82042529", "H200 82042529, six"),
        ("sessions/h200_0bd52ec9", "H200 0bd52ec9, six"),
        ("h200/default", "H200 8576b782, five"),
    ):
        texts = {
            column: ", ".join(span(values(folder, f"{precision}-graph", column), form) for precision in DEFAULT)
            for column, form in (("median_latency_ms", "{:.3f}"), ("energy_per_sample_mj", "{:.0f}"))
        }
        sentences.append(f"- {board}: {texts['median_latency_ms']} ms and {texts['energy_per_sample_mj']} mJ.")
    return "\n".join(sentences)


def cpu() -> str:
    """The default job on two CPU cores: lowest to highest of five sessions."""
    rows = [
        [
            precision,
            span(values("cpu/default", f"{precision}-eager", "median_latency_ms"), "{:.0f}", " ms"),
            "1"
            if precision == "fp32"
            else span(values("cpu/default", f"{precision}-eager", "speedup_vs_fp32"), "{:.2f}"),
            span(values("cpu/default", f"{precision}-eager", "model_size_mb"), "{:.2f}", " MB"),
        ]
        for precision in ("fp32", "fp16", "mixed", "bf16", "int8")
    ]
    return (
        f"{grid(['precision, eager', 'median', 'speed vs FP32', 'weights'], rows)}\n\n{marks('cpu/default', 'eager')}"
    )


def seconds() -> str:
    """How long whole commands took."""
    h100, h200, on_cpu = (command_seconds(f"{machine}/default") for machine in ("h100", "h200", "cpu"))
    return (
        f"A default run, from the command to the prompt, took {span(h100[1:], '{:.0f}')} s on the H100 (median "
        f"{statistics.median(h100[1:]):.0f} s of {len(h100) - 1}; {h100[0]:.0f} s the first, which makes the seeded "
        f"weights), {span(h200, '{:.0f}')} s on the H200 (median {statistics.median(h200):.0f} s of {len(h200)}) and "
        f"{span(on_cpu, '{:.0f}')} s on two CPU cores."
    )


def nine() -> str:
    """Every precision on an H100: one session in a graph, three compiled, and what they predict."""
    rows = []
    for precision in PRECISIONS:
        graph, compiled = f"{precision}-graph", f"{precision}-compiled"
        divergence = values("single/precisions", graph, "kl_vs_fp32_nats")[0]
        agreement = values("single/precisions", graph, "top1_agreement_vs_fp32")[0]
        rows.append(
            [
                precision,
                span(values("single/precisions", graph, "median_latency_ms"), "{:.3f}"),
                span(values("h100/precisions", compiled, "median_latency_ms"), "{:.3f}"),
                span(values("single/precisions", graph, "energy_per_sample_mj"), "{:.0f}"),
                span(values("h100/precisions", compiled, "energy_per_sample_mj"), "{:.0f}"),
                span(values("h100/precisions", compiled, "model_size_mb"), "{:.2f}"),
                *(["", ""] if precision == "fp32" else [f"{divergence:.1e}".replace("e-0", "e-"), f"{agreement:.2%}"]),
            ]
        )
    head = [
        "",
        "graph ms",
        "compiled ms",
        "graph mJ",
        "compiled mJ",
        "size MB",
        "divergence, nats",
        "FP32's best token",
    ]
    return grid(head, rows)


def batch_32() -> str:
    """Four precisions at batch 32, one session."""
    chosen = ("fp32", "fp16", "int8", "fp8")
    rows = [
        [
            execution,
            *(
                span(
                    values("single/precisions_batch_32", f"{name}-{execution}-b32x128", "median_latency_ms"),
                    "{:.3g} ms",
                )
                for name in chosen
            ),
        ]
        for execution in ("graph", "compiled")
    ]
    return grid(["", *chosen], rows)


def generation() -> str:
    """Prefill and decode: lowest to highest of three sessions."""
    rows = []
    for words, workload, execution, column, form in (
        ("prefill of 128 tokens, graph, ms", "prefill", "graph", "median_latency_ms", "{:.3f}"),
        ("the same, energy, mJ", "prefill", "graph", "energy_per_sample_mj", "{:.0f}"),
        ("decode behind 128 tokens, graph, ms", "decode", "graph", "median_latency_ms", "{:.3f}"),
        ("the same, energy, mJ a token", "decode", "graph", "energy_per_token_mj", "{:.0f}"),
        ("decode, eager, ms", "decode", "eager", "median_latency_ms", "{:.1f}"),
    ):
        found = [values("h100/generation", f"{name}-{workload}-{execution}", column) for name in DEFAULT]
        rows.append([words, *(span(one, form) for one in found)])
    texts = [values("h100/generation", f"{name}-decode-graph", "same_text_as_fp32") for name in DEFAULT[1:]]
    rows.append(
        ["32 texts of 32 tokens that are FP32's", "", *(span((32 * x for x in one), "{:.0f}") for one in texts)]
    )
    return f"{grid(['', *DEFAULT], rows)}\n\n{marks('h100/generation', 'eager')}"


def classification() -> str:
    """DistilBERT: lowest to highest of three sessions at batch 1, one at batch 32."""
    rows = []
    for precision in DEFAULT:
        name, large = f"classification-{precision}-graph", f"classification-{precision}-graph-b32x128"
        rows.append(
            [
                f"{precision}, graph",
                span(values("h100/classification", name, "median_latency_ms"), "{:.3f}", " ms"),
                span(values("h100/classification", name, "energy_per_sample_mj"), "{:.1f}", " mJ"),
                span(values("h100/classification", name, "speedup_vs_fp32"), "{:.2f}", "x"),
                span(values("single/classification_batch_32", large, "median_latency_ms"), "{:.3f}", " ms"),
                span(values("single/classification_batch_32", large, "energy_per_sample_mj"), "{:.1f}", " mJ"),
            ]
        )
    head = ["", "batch 1", "energy a sample", "batch 1, speed", "batch 32", "energy a sample"]
    return grid(head, rows)


def sweep() -> str:
    """The batch sweep: lowest to highest of three sessions."""
    batches = (1, 4, 16, 64)
    rows = []
    for precision in ("fp16", "mixed"):
        names = [f"{precision}-graph" + ("" if batch == 1 else f"-b{batch}x128") for batch in batches]
        for words, column, form in (
            ("times as fast", "speedup_vs_fp32", "{:.2f}"),
            ("less energy", "energy_reduction_vs_fp32", "{:.0%}"),
        ):
            found = [values("h100/sweep", name, column) for name in names]
            rows.append([f"{precision}, {words}", *(span(one, form) for one in found)])
    return grid(["against FP32, graph, 128 tokens", *(f"batch {batch}" for batch in batches)], rows)
