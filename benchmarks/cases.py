"""Which cases a session has."""

from __future__ import annotations

from core.case import Case
from fixtures.dataset.location import sequence_length
from fixtures.settings import Settings
from fixtures.tasks import TASKS


def cases_of(settings: Settings) -> list[Case]:
    """Return every case that the settings name, in the order of tables. Raises `InputError` for a damaged dataset."""
    return [
        Case(precision, execution, task, workload, size, length)
        for task in settings.tasks
        for size in settings.batch_sizes
        for length in settings.sequence_lengths or (length_of(task, settings),)
        for workload in settings.workloads
        for precision in settings.precisions
        for execution in settings.executions
    ]


def length_of(task: str, settings: Settings) -> int:
    """Return how long the sequences of a task's dataset are, in tokens."""
    spec, named = TASKS[task].dataset, settings.dataset_dir(task)
    is_named = settings.model(task) != TASKS[task].model.default or settings.tokenizer(task) is not None
    return sequence_length(spec, named, settings.stand_in, has_own_tokens=is_named)
