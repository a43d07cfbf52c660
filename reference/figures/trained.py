"""What quality.md takes of a trained SmolLM2-135M, and of its twin with seeded weights: a function a part."""

from __future__ import annotations

import math

from core.errors import InputError
from reference.figures.pages import Figures
from reference.runs import mean, values
from reference.series import COMPILED_PAIR, TRAINED_BOARDS, TRAINED_COMPILED
from reference.texts import COUNTS, PRECISIONS, grid, short, span

TRAINED = tuple(f"{board}/trained" for board in TRAINED_BOARDS)
SEEDED = tuple(f"{board}/seeded" for board in TRAINED_BOARDS)
LATENCY, ENERGY = "median_latency_ms", "energy_per_sample_mj"


def trained() -> Figures:
    """Every precision of the trained model: speed, energy, and what it predicts beside its twin."""
    rows = []
    for precision in PRECISIONS:
        graph, compiled = f"{precision}-graph", f"{precision}-compiled"
        rows.append(
            [
                precision,
                span(everywhere(TRAINED, graph, LATENCY), "{:.3f}"),
                span(values(TRAINED_COMPILED, compiled, LATENCY), "{:.3f}"),
                span(everywhere(TRAINED, graph, ENERGY), "{:.0f}"),
                span(values(TRAINED_COMPILED, compiled, ENERGY), "{:.0f}"),
                f"{mean(TRAINED[0], graph, 'perplexity'):.3f}",
                *(["", "", ""] if precision == "fp32" else predictions(graph)),
            ]
        )
    head = [
        "graph ms",
        "compiled ms",
        "graph mJ",
        "compiled mJ",
        "perplexity",
        "divergence, nats",
        "seeded",
        "same token",
    ]
    return {"table": grid(["", *head], rows), "sessions": COUNTS[len(everywhere(TRAINED, "fp32-graph", LATENCY))]}


def predictions(name: str) -> list[str]:
    """Return the divergence from FP32 of the trained model and of its twin, and how often the first gives its token."""
    divergence = (short(mean(series, name, "kl_vs_fp32_nats")) for series in (TRAINED[0], SEEDED[0]))
    return [*divergence, f"{mean(TRAINED[0], name, 'top1_agreement_vs_fp32'):.1%}"]


def trained_beside_seeded() -> Figures:
    """How far speed and energy of the trained model are from its twin's on the same board."""
    pairs = [(one, other, "graph") for one, other in zip(TRAINED, SEEDED, strict=True)]
    pairs.append((*COMPILED_PAIR, "compiled"))

    def changes(column: str, precisions: tuple[str, ...]) -> list[float]:
        return [
            mean(one, f"{name}-{execution}", column) / mean(other, f"{name}-{execution}", column) - 1
            for one, other, execution in pairs
            for name in precisions
            if if_measured(one, f"{name}-{execution}", column) and if_measured(other, f"{name}-{execution}", column)
        ]

    others = tuple(name for name in PRECISIONS if name not in ("fp32", "tf32"))
    return {
        "latency": f"{max(map(abs, changes(LATENCY, PRECISIONS))):.1%}",
        "less": span([-change for change in changes(ENERGY, ("fp32", "tf32"))], "{:.1%}"),
        "most": f"{max(changes(ENERGY, others)):.1%}",
        "least": f"{-min(changes(ENERGY, others)):.1%}",
    }


def everywhere(paths: tuple[str, ...], name: str, column: str) -> list[float]:
    """Return a figure of a benchmark in every session of several series."""
    return [value for path in paths for value in values(path, name, column)]


def if_measured(path: str, name: str, column: str) -> list[float]:
    """Return a figure of a benchmark in the sessions of a series that have it, none where it has not the benchmark."""
    try:
        return [value for value in values(path, name, column) if not math.isnan(value)]
    except InputError:
        return []
