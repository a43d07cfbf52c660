"""What identifies a saved benchmark, and how values are looked up in its `extra_info`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def benchmark_name(precision: str, execution: str) -> str:
    """Return a benchmark's short name, such as fp16-eager: the one place that builds it."""
    return f"{precision}-{execution}"


def name_of(benchmark: dict[str, Any]) -> str:
    """Return the short name of one of this suite's benchmarks."""
    extra_info = benchmark["extra_info"]
    return benchmark_name(extra_info["precision"], extra_info["execution"])


def lookup(extra_info: dict[str, Any], path: str) -> Any:  # noqa: ANN401
    """Return the value at a dotted path of a benchmark's `extra_info`, or None where there is none."""
    value: Any = extra_info
    for key in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def is_own(benchmark: object) -> bool:
    """Tell whether a benchmark of a saved run was made by this suite."""
    extra_info = benchmark.get("extra_info") if isinstance(benchmark, dict) else None
    return isinstance(extra_info, dict) and all(
        isinstance(extra_info.get(key), str) for key in ("precision", "execution")
    )


def measured_at(environment: Mapping[str, Any]) -> str | None:
    """Return when a run was measured, from its environment; None where that was not recorded."""
    return _text(environment.get("measured_utc"))


def short_commit(environment: Mapping[str, Any], digits: int) -> str:
    """Return the beginning of a run's commit, with the "+" that says that files differed from it, or "unknown"."""
    commit = _text(environment.get("git_commit"))
    if commit is None:
        return "unknown"
    return commit[:digits] + ("+" if commit.endswith("+") else "")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
