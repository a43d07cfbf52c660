"""What generation.md takes of prefill, decode and lengths: a function a part."""

from __future__ import annotations

from reference import series
from reference.figures.pages import Figures
from reference.runs import command_seconds, drift_check, mean, ratio, values
from reference.texts import DEFAULT, grid, listed, span


def generation() -> Figures:
    """Prefill and decode: lowest to highest of three sessions."""
    rows = []
    for words, workload, execution, column, form in (
        ("prefill of 128 tokens, graph, ms", "prefill", "graph", "median_latency_ms", "{:.3f}"),
        ("the same, energy, mJ", "prefill", "graph", "energy_per_sample_mj", "{:.0f}"),
        ("decode behind 128 tokens, graph, ms", "decode", "graph", "median_latency_ms", "{:.3f}"),
        ("the same, energy, mJ a token", "decode", "graph", "energy_per_token_mj", "{:.0f}"),
        ("decode, eager, ms", "decode", "eager", "median_latency_ms", "{:.1f}"),
    ):
        found = [values(series.GENERATION, f"{name}-{workload}-{execution}", column) for name in DEFAULT]
        rows.append([words, *(span(one, form) for one in found)])
    texts = [values(series.GENERATION, f"{name}-decode-graph", "same_text_as_fp32") for name in DEFAULT[1:]]
    rows.append(
        ["texts of 32 tokens identical to FP32's, of 32", "", *(span((32 * x for x in one), "{:.0f}") for one in texts)]
    )
    return {"table": grid(["", *DEFAULT], rows), "drift": drift_check(series.GENERATION, "eager")}


def generation_elsewhere() -> Figures:
    """Decoding in other conditions, once each."""
    names = [f"{name}-decode-graph-b1x64" for name in ("fp32", "fp16", "bf16", "mixed")]
    latency, energy, texts = (
        [f"{scale * mean(series.DECODE_64, name, column):{form}}" for name in names]
        for column, form, scale in (
            ("median_latency_ms", ".3f", 1),
            ("energy_per_token_mj", ".0f", 1),
            ("same_text_as_fp32", ".0f", 32),
        )
    )
    compiled = {
        name: f"{mean(series.DECODE_COMPILED, f'{name}-decode-compiled', 'median_latency_ms'):.3f}"
        for name in ("fp32", "fp16")
    }
    return {
        "behind_64": {"series": series.DECODE_64, "latency_ms": listed(latency), "energy_mj": listed(energy)},
        "texts": listed(texts[1:]),
        "behind_128": {"series": series.DECODE_COMPILED, **compiled},
    }


def generation_speeds() -> Figures:
    """How much faster FP16 decodes and prefills, and how long the sessions took."""
    path, fp16 = series.GENERATION, "fp16-decode-graph"
    return {
        **{part: f"{ratio(path, f'fp32-{part}-graph', f'fp16-{part}-graph'):.1f}" for part in ("decode", "prefill")},
        "kernels": span(values(path, fp16, "kernels"), "{:.0f}"),
        "of_the_limit": span(values(path, fp16, "roofline_fraction"), "{:.0%}"),
        "command_s": span(command_seconds(path), "{:.0f}"),
    }


def sweep_of_lengths() -> Figures:
    """How much FP16 gains over batch sizes and lengths, in one session."""
    path = series.SWEEP_LENGTHS
    names = [
        "fp16-graph" if (batch, length) == (1, 128) else f"fp16-graph-b{batch}x{length}"
        for batch in (1, 4, 16, 64)
        for length in (32, 128, 512)
    ]
    first, *others = (mean(path, name, "speedup_vs_fp32") for name in names)
    return {
        "shortest": f"{first:.1f}",
        "others": span(others, "{:.1f}"),
        "saved": span((mean(path, name, "energy_reduction_vs_fp32") for name in names), "{:.0%}"),
    }
