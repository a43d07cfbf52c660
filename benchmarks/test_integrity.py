"""Each task's dataset is what it says it is. A failure here stops every benchmark that would use the data."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from core.tasks import DEFAULT_TASK
from fixtures.dataset.integrity import Finding
from fixtures.plugin import SETTINGS
from fixtures.tasks import TASKS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make each task's checks; those of any other task than language modeling are named after it."""
    pairs = [(task, check) for task in checked_tasks(metafunc.config) for check in TASKS[task].checks]
    names = [check if task == DEFAULT_TASK else f"{task}-{check}" for task, check in pairs]
    metafunc.parametrize(("task", "check"), pairs, ids=names)


def checked_tasks(config: pytest.Config) -> list[str]:
    """Return the session's tasks, and with `-m integrity` alone every other one whose dataset has been prepared."""
    tasks = list(config.stash[SETTINGS].tasks)
    if config.option.markexpr == "integrity":
        tasks += [name for name, task in TASKS.items() if name not in tasks and task.dataset.folder.is_dir()]
    return tasks


@pytest.mark.integrity
def test_integrity(task: str, check: str, findings: Mapping[str, dict[str, Finding]]) -> None:
    """Each check holds."""
    finding = findings[task][check]
    if finding.passed is None:
        pytest.skip(finding.message)
    if not finding.passed:
        pytest.fail(finding.message, pytrace=False)
