"""Sentences that several outputs share. Light to import."""

from __future__ import annotations

from collections.abc import Collection

from core.tasks import DEFAULT_TASK

GENERATED_TEXT, SEEDED_WEIGHTS = "generated text", "seeded weights"


def stand_in_notice(stand_ins: Collection[str]) -> str:
    """Return what is not real in a run, and what is; either where the run did not record which."""
    what = " and ".join(name for name in (GENERATED_TEXT, SEEDED_WEIGHTS) if name in stand_ins)
    what = what or f"{GENERATED_TEXT} or {SEEDED_WEIGHTS}"
    return f"STAND-IN: {what}. Latency, energy and size are real; quality is meaningless."


def real_data_hint(task: str) -> str:
    """Return how to run a task on real data."""
    option = "" if task == DEFAULT_TASK else f" --task {task}"
    return (
        f"To run on real data: on a machine that reaches the hub run `python -m data_prep{option} --stand-in never`, "
        f"or use `python -m data_prep{option} --text-file FILE --tokenizer FOLDER` and `pytest benchmarks{option} "
        "--model FOLDER`."
    )
