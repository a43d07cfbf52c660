"""What a run could have seen: the smallest change of quality that it would have told from none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.case import is_own
from core.guards import finite_number
from core.metrics import Catalogue, Metric, lookup
from core.tasks import TaskWords

EQUAL = "equal"


def smallest_change(extra_info: Mapping[str, Any], catalogue: Catalogue, words: TaskWords) -> float | None:
    """Return half of the 95% interval of a benchmark's difference from FP32; None where it has none.

    A difference beyond it has an interval without 0. In the unit of the task's `change`.
    """
    described = next((one for one in catalogue.metrics if one.column == words.change), None)
    if described is None:
        return None
    low, high = (finite_number(lookup(extra_info, path)) for path in paths_of_ends(described, catalogue))
    return (high - low) / 2 if low is not None and high is not None and high > low else None


def paths_of_ends(metric: Metric, catalogue: Catalogue) -> tuple[str, str]:
    """Return where a benchmark has the ends of a metric's interval: in columns of their own, or beside it."""
    paths = {one.column: one.path for one in catalogue.metrics}
    low, high = (paths.get(column or "") for column in (metric.low_column, metric.high_column))
    return low or f"{metric.path}_ci95_low", high or f"{metric.path}_ci95_high"


def with_smallest_change(
    verdicts: Sequence[str], benchmarks: Sequence[Mapping[str, Any]], catalogue: Catalogue, tasks: Sequence[TaskWords]
) -> list[str]:
    """Return verdicts on quality, each "equal" with the smallest change that would have been told.

    `benchmarks` and `tasks` are those of the verdicts, in their order.
    """
    texts = []
    own = [item["extra_info"] for item in benchmarks if is_own(item)]
    for verdict, extra_info, words in zip(verdicts, own, tasks, strict=True):
        change = smallest_change(extra_info, catalogue, words) if verdict == EQUAL else None
        texts.append(verdict if change is None else f"{verdict}; {change_text(change, words)} would have shown")
    return texts


def change_text(change: float, words: TaskWords) -> str:
    """Return the size of a change in two digits, in percent where the task's changes are."""
    size = f"{100 * change:.2g}%" if words.change_form.endswith("%") else f"{change:.2g}"
    return f"{size} {words.change_of}"
