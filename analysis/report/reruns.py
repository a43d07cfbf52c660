"""Sentences on visits that were made again, because what reruns tests ran theirs again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from analysis.runs.visits import was_visited
from core.case import case_of


def rerun_sentences(benchmarks: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each visit that replaces earlier attempts, which says what became of them."""
    return [
        f"{case_of(benchmark).id}: visit {entry.get('number')} was run again and replaces what came before "
        f"({'; '.join(map(str, entry['replaced']))})."
        for benchmark in benchmarks
        for entry in visits_of(benchmark)
        if isinstance(entry.get("replaced"), list) and entry["replaced"]
    ]


def visits_of(benchmark: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the entries of a benchmark's visits; what is none is left out."""
    extra_info = benchmark["extra_info"]
    visits = extra_info["visits"] if was_visited(extra_info) else []
    return [entry for entry in visits if isinstance(entry, Mapping)]
