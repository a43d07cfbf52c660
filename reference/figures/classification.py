"""What classification.md takes of DistilBERT: a function a part."""

from __future__ import annotations

import math

from reference import series
from reference.figures.pages import Figures
from reference.runs import command_seconds, mean, phase_seconds, values
from reference.texts import DEFAULT, grid, listed, span


def classification() -> Figures:
    """DistilBERT: lowest to highest of three sessions at batch 1, one at batch 32."""
    batch_1, batch_32, rows = series.CLASSIFICATION, series.CLASSIFICATION_BATCH_32, []
    for precision in DEFAULT:
        name, large = f"classification-{precision}-graph", f"classification-{precision}-graph-b32x128"
        rows.append(
            [
                f"{precision}, graph",
                span(values(batch_1, name, "median_latency_ms"), "{:.3f}", " ms"),
                span(values(batch_1, name, "energy_per_sample_mj"), "{:.1f}", " mJ"),
                span(values(batch_1, name, "speedup_vs_fp32"), "{:.2f}", "x"),
                span(values(batch_32, large, "median_latency_ms"), "{:.3f}", " ms"),
                span(values(batch_32, large, "energy_per_sample_mj"), "{:.1f}", " mJ"),
            ]
        )
    head = ["", "batch 1", "energy a sample", "batch 1, speed", "batch 32", "energy a sample"]
    return {"table": grid(head, rows)}


def classification_intervals() -> Figures:
    """How wide the intervals of the classifier's graphs are, and how long its sessions take."""
    first, *later = command_seconds(series.CLASSIFICATION)
    return {
        "latency": interval_widths("latency", "ms"),
        "energy": interval_widths("energy", "mj"),
        "later_s": span(later, "{:.0f}"),
        "first_s": f"{first:.0f}",
        "scoring_s": span(phase_seconds(series.CLASSIFICATION, "quality"), "{:.1f}"),
    }


def interval_widths(figure: str, unit: str) -> str:
    """Return the narrowest and the widest half-width of a figure's intervals of a repeat."""
    names = [f"classification-{name}-graph" for name in DEFAULT]
    columns = [f"{figure}_repeat95_{end}_{unit}" for end in ("low", "high")]
    of_cases = [zip(*(values(series.CLASSIFICATION, name, one) for one in columns), strict=True) for name in names]
    return span((math.sqrt(high / low) - 1 for of_case in of_cases for low, high in of_case), "{:.1%}")


def classification_compiled() -> Figures:
    """The classifier, compiled, in one session."""
    names = [f"classification-{name}-compiled" for name in ("fp32", "bf16", "int8", "fp8")]
    latency = [f"{mean(series.CLASSIFICATION_COMPILED, name, 'median_latency_ms'):.3f}" for name in names]
    return {"series": series.CLASSIFICATION_COMPILED, "latency_ms": listed(latency)}
