"""Runs of the first edition, read as this edition writes them."""

from __future__ import annotations

from typing import Any

#: Keys of `extra_info` in the first edition, and what they are called since.
RENAMED = {"workload": "provenance", "proof": "numerics"}


def adapted(benchmark: Any) -> Any:  # noqa: ANN401
    """Return a saved benchmark with this edition's keys in `extra_info`; one that has them is returned as it is.

    `benchmark` may be any JSON value: what is not a benchmark of this suite is returned as it is.
    """
    extra_info = benchmark.get("extra_info") if isinstance(benchmark, dict) else None
    if not isinstance(extra_info, dict) or not any(key in extra_info for key in RENAMED):
        return benchmark
    renamed = {RENAMED[key]: value for key, value in extra_info.items() if key in RENAMED}
    kept = {key: value for key, value in extra_info.items() if key not in RENAMED}
    return {**benchmark, "extra_info": renamed | kept}
