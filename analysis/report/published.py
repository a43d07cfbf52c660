"""A run's figures beside published ones, where model and protocol are the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from core.case import BASELINE, case_of
from core.guards import finite_number
from core.metrics import lookup
from core.tasks import PublishedFigure, TaskWords


def published_sentences(benchmarks: Iterable[Mapping[str, Any]], tasks: Mapping[str, TaskWords]) -> list[str]:
    """Return a sentence for each published figure whose protocol FP32 was measured by; none where it was not."""
    sentences: dict[str, None] = {}
    for benchmark in benchmarks:
        case, extra_info = case_of(benchmark), benchmark["extra_info"]
        if case.precision != BASELINE or case.task not in tasks:
            continue
        for figure in tasks[case.task].published:
            sentence = comparison_sentence(figure, extra_info)
            if sentence is not None:
                sentences[sentence] = None
    return list(sentences)


def comparison_sentence(figure: PublishedFigure, extra_info: Mapping[str, Any]) -> str | None:
    """Return a measured figure beside a published one, or None where that protocol was not run."""
    value = finite_number(lookup(extra_info, figure.path))
    if value is None or any(lookup(extra_info, path) != wanted for path, wanted in figure.conditions.items()):
        return None
    if lookup(extra_info, figure.identity_path) != figure.identity:
        return (
            f"The published {figure.name} is {figure.value:.4g} ({figure.source}): of other weights than these, so "
            "they are not compared."
        )
    difference = value / figure.value - 1
    agrees = abs(difference) <= figure.tolerance_rel
    return (
        f"The {figure.name} is {value:.4g}, published {figure.value:.4g} ({figure.source}): "
        + ("they agree" if agrees else f"they differ by {difference:+.1%}, expected {figure.tolerance_rel:.1%} at most")
        + "."
    )
