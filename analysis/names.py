"""How a benchmark is called, wherever it is named."""

from __future__ import annotations


def benchmark_name(precision: str, execution: str) -> str:
    """Return a benchmark's short name, such as fp16-graph."""
    return f"{precision}-{execution}"
