"""What generation.md says of prefill, decode and lengths: a function a block."""

from __future__ import annotations

from reference.runs import (
    DEFAULT,
    command_seconds,
    drift_check,
    grid,
    listed,
    mean,
    paragraph,
    ratio,
    span,
    values,
)


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
        ["texts of 32 tokens identical to FP32's, of 32", "", *(span((32 * x for x in one), "{:.0f}") for one in texts)]
    )
    return f"{grid(['', *DEFAULT], rows)}\n\n{drift_check('h100/generation', 'eager')}"


def generation_elsewhere() -> str:
    """Decoding in other conditions, once each."""
    of_64, behind_128 = "single/decode_64", "single/decode_compiled"
    names = [f"{name}-decode-graph-b1x64" for name in ("fp32", "fp16", "bf16", "mixed")]
    latency, energy, texts = (
        [f"{scale * mean(of_64, name, column):{form}}" for name in names]
        for column, form, scale in (
            ("median_latency_ms", ".3f", 1),
            ("energy_per_token_mj", ".0f", 1),
            ("same_text_as_fp32", ".0f", 32),
        )
    )
    fp32, fp16 = (mean(behind_128, f"{name}-decode-compiled", "median_latency_ms") for name in ("fp32", "fp16"))
    return paragraph(
        f"Single sessions (`results/reference/single`): behind 64 tokens a step took {listed(latency)} ms in FP32, "
        f"FP16, BF16 and mixed precision, and {listed(energy)} mJ; behind 128, compiled, {fp32:.3f} ms in FP32 and "
        f"{fp16:.3f} in FP16. Behind 64 tokens FP16, BF16 and mixed precision wrote {listed(texts[1:])} of 32 texts as "
        "FP32 did. All tokens that graphs generated were those of eager execution."
    )


def generation_speeds() -> str:
    """How much faster FP16 decodes and prefills, and how long the sessions took."""
    path, fp16 = "h100/generation", "fp16-decode-graph"
    decode, prefill = (ratio(path, f"fp32-{part}-graph", f"fp16-{part}-graph") for part in ("decode", "prefill"))
    return paragraph(
        f"At batch 1 FP16 decodes {decode:.1f} times as fast as FP32, where it prefills {prefill:.1f} times as fast: a "
        f"step of one token is {span(values(path, fp16, 'kernels'), '{:.0f}')} small kernels, whose number decides and "
        f"not their bytes (at {span(values(path, fp16, 'roofline_fraction'), '{:.0%}')} of the memory's limit). The "
        f"sessions took {span(command_seconds(path), '{:.0f}')} s from the command to the prompt."
    )


def sweep_of_lengths() -> str:
    """How much FP16 gains over batch sizes and lengths, in one session."""
    path = "single/sweep_lengths"
    names = [
        "fp16-graph" if (batch, length) == (1, 128) else f"fp16-graph-b{batch}x{length}"
        for batch in (1, 4, 16, 64)
        for length in (32, 128, 512)
    ]
    first, *others = (mean(path, name, "speedup_vs_fp32") for name in names)
    saved_share = span((mean(path, name, "energy_reduction_vs_fp32") for name in names), "{:.0%}")
    return paragraph(
        "A sweep of the forward over batch 1, 4, 16, 64 and 32, 128, 512 tokens (three precisions, graphs, one "
        f"session): FP16 was {first:.1f} times as fast as FP32 at 1 x 32 and {span(others, '{:.1f}')} times everywhere "
        f"else, and saved {saved_share} of the energy: it pays from batch 1 on."
    )
