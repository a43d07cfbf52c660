"""Options: how lists of values for tasks are read."""

from __future__ import annotations

from core.options import of_tasks


def test_a_task_with_digits_may_have_a_value_of_its_own():
    parse = of_tasks("a folder")
    assert parse("top5=a,language_modeling=b") == (("top5", "a"), ("language_modeling", "b"))
    assert parse("runs/top5=a") == ((None, "runs/top5=a"),)
