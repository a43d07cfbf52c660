"""Runs of the first edition, read as this edition writes them."""

from __future__ import annotations

from typing import Any

from core.case import Case

#: Keys of `extra_info` in the first edition, and what they are called since.
RENAMED = {"workload": "provenance", "proof": "numerics"}
#: The measuring procedure of a run that names none.
PROCEDURE = 1


def adapted(benchmark: Any) -> Any:  # noqa: ANN401
    """Return a saved benchmark with this edition's keys in `extra_info`; one that has them is returned as it is.

    `benchmark` may be any JSON value: what is not a benchmark of this suite is returned as it is.
    """
    extra_info = benchmark.get("extra_info") if isinstance(benchmark, dict) else None
    if not isinstance(extra_info, dict) or "case" in extra_info:
        return benchmark
    names: dict[str, Any] = {name: extra_info.get(name) for name in ("precision", "execution")}
    if not all(isinstance(name, str) for name in names.values()):
        return benchmark
    counts = {name: extra_info.get(name) for name in ("batch_size", "sequence_length")}
    known: dict[str, Any] = {name: count for name, count in counts.items() if type(count) is int and count > 0}
    renamed = {RENAMED.get(key, key): value for key, value in extra_info.items()}
    case = Case(**names, **known).as_json()
    return {**benchmark, "extra_info": {"procedure": PROCEDURE} | renamed | {"case": case}}
