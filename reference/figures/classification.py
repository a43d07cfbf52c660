"""What classification.md says of DistilBERT: a function a block."""

from __future__ import annotations

import math

from reference.runs import DEFAULT, command_seconds, grid, listed, mean, paragraph, phase_seconds, span, values


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


def classification_intervals() -> str:
    """How wide the intervals of the classifier's graphs are, and how long its sessions take."""
    path, names = "h100/classification", [f"classification-{name}-graph" for name in DEFAULT]

    def widths(figure: str, unit: str) -> str:
        ends = [
            zip(*(values(path, name, f"{figure}_repeat95_{end}_{unit}") for end in ("low", "high")), strict=True)
            for name in names
        ]
        return span((math.sqrt(high / low) - 1 for of_case in ends for low, high in of_case), "{:.1%}")

    first, *later = command_seconds(path)
    return paragraph(
        f"Intervals of a repeat are ± {widths('latency', 'ms')} for latencies and ± {widths('energy', 'mj')} for "
        f"energy. A session took {span(later, '{:.0f}')} s from the command to the prompt, the first one, which makes "
        f"the seeded weights, {first:.0f} s. Scoring all 872 sentences, three precisions, with their difference from "
        f"FP32 took {span(phase_seconds(path, 'quality'), '{:.1f}')} s of it."
    )


def classification_compiled() -> str:
    """The classifier, compiled, in one session."""
    path, chosen = "single/classification_compiled", ("fp32", "bf16", "int8", "fp8")
    latency = [f"{mean(path, f'classification-{name}-compiled', 'median_latency_ms'):.3f}" for name in chosen]
    return f"Compiled, at batch 1 (`{path}.json`, another board): fp32, bf16, int8 and fp8 take {listed(latency)} ms."
