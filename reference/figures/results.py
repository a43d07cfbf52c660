"""What README.md, results.md and quality.md say of the default runs: a function a block."""

from __future__ import annotations

import statistics

from analysis.report.text_tables import markdown_table, terminal_table
from analysis.runs.saved import load
from reference.runs import (
    DEFAULT,
    command_seconds,
    complete,
    details,
    drift_check,
    grid,
    paragraph,
    phase_seconds,
    saved,
    sessions,
    short,
    span,
    spread,
    values,
)
from reference.variance.coverage import REFERENCE


def terminal() -> str:
    """The table that a terminal shows of the first default session on an H100, graphs alone."""
    run = load(REFERENCE / "h100/default/0001.json")
    frame = sessions("h100/default")
    first = frame[(frame["run"] == 0) & (frame["execution"] == "graph")]
    shown = terminal_table(first, run.catalogue, {}).drop(columns=["perplexity", "against FP32", "marks"])
    return f"```\n{markdown_table(shown, 'simple')}\n```"


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
    return f"{grid([*head, 'eager median'], rows)}\n\n{drift_check('h100/default', 'eager')}"


def other_boards() -> str:
    """The same on other boards, in one sentence each."""
    sentences = []
    for folder, board in (
        ("sessions/h100_0fc80ab7", "H100 0fc80ab7, ten sessions"),
        ("sessions/h100_c846fd5f", "H100 c846fd5f, ten"),
        ("sessions/h100_9c937667", "H100 9c937667, ten"),
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
    table = grid(["precision, eager", "median", "speed vs FP32", "weights"], rows)
    return f"{table}\n\n{drift_check('cpu/default', 'eager')}"


def cpu_spread() -> str:
    """How far the medians of a case differ between the sessions on two CPU cores."""
    found = [values("cpu/default", f"{name}-eager", "median_latency_ms") for name in (*DEFAULT, "bf16", "int8")]
    return paragraph(
        "FP16 is in that CPU's flags and no faster than FP32 in PyTorch. The host is shared: medians of one case "
        f"differ by {span((max(one) / min(one) - 1 for one in found), '{:.0%}')} between sessions, and a run like that "
        "recommends nothing."
    )


def eager_kernels() -> str:
    """What an eager forward's time is spent on, in the default sessions on an H100."""
    path = "h100/default"
    full, padded = (
        span(details(path, "fp16-eager", f"latency.{variant}_kernels"), "{:.0f}") for variant in ("full", "padded")
    )
    fp32, fp16 = (
        statistics.median(complete(values(path, f"{name}-eager", "kernel_time_ms"))) for name in ("fp32", "fp16")
    )
    return paragraph(
        f"At batch 1 sixteen bits do not speed up an eager forward, because its time is spent on launching {full} "
        f"kernels ({padded} where a row is padded), which themselves take {fp32:.2f} ms in FP32 and {fp16:.2f} ms in "
        "FP16 on an H100. Autocast launches more. The host's state moves the time by more than 10% between visits: "
        "quote the graph, or eager figures with their interval."
    )


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


def seconds() -> str:
    """How long whole commands took."""
    (first, *h100), h200, on_cpu = (command_seconds(f"{machine}/default") for machine in ("h100", "h200", "cpu"))
    return paragraph(
        f"A default run, from the command to the prompt, took {span(h100, '{:.0f}')} s on the H100 (median "
        f"{statistics.median(h100):.0f} s of {len(h100)}; {first:.0f} s the first, which makes the seeded weights), "
        f"{span(h200, '{:.0f}')} s on the H200 (median {statistics.median(h200):.0f} s of {len(h200)}) and "
        f"{span(on_cpu, '{:.0f}')} s on two CPU cores."
    )


def parts() -> str:
    """What the seconds of a default session are spent on."""
    path = "h100/default"
    rows = [
        ("thirty visits: preparation, warm-up, rounds with their energy windows", ("preparation", "warm_up", "rounds")),
        ("perplexity, divergence from FP32, and what was timed against what was scored", ("quality",)),
        ("idle power, the check of the meter, profiles, the device's ceilings", ("closing", "limits")),
    ]
    known = [phase_seconds(path, *phases)[1:] for _, phases in rows]
    whole = command_seconds(path)[1:]
    rest = [one - sum(of_parts) for one, *of_parts in zip(whole, *known, strict=True)]
    shares = [one / of for one, of in zip(rest, whole, strict=True)]
    table = grid(
        ["seconds", "what"],
        [
            *([span(found, "{:.0f}"), words] for (words, _), found in zip(rows, known, strict=True)),
            [span(rest, "{:.0f}"), "the rest: importing, loading models and dataset, checks, tables and pictures"],
        ],
    )
    text = paragraph(
        f"{span(shares, '{:.0%}')} of the time is not spent measuring, and depends on the host's processor. Of the "
        f"later {len(whole)} sessions on the H100:"
    )
    return f"{text}\n\n{table}"


def scoring() -> str:
    """How far what was scored is from what was timed, and how long scoring takes."""
    path = "h100/default"
    found = [max(complete(values(path, f"{name}-graph", "scored_vs_timed_kl_nats"))) for name in DEFAULT]
    fp32, fp16, mixed = ("below 1e-12" if one < 1e-12 else short(one) for one in found)
    return paragraph(
        f"In the {len(saved(path))} sessions of [results.md](results.md) on an H100 the divergence between scored and "
        f"timed predictions was {fp32} nats in FP32 (rounding), at most {fp16} in FP16 and {mixed} in mixed precision. "
        "Scoring all sequences in the three, with their divergence and that comparison, took "
        f"{span(phase_seconds(path, 'quality'), '{:.1f}')} s."
    )
