"""Sentences that several outputs share. Light to import."""

from __future__ import annotations

from data_prep.tasks import DEFAULT_TASK

STAND_IN_NOTICE = (
    "STAND-IN: generated text or seeded weights. Latency, energy and size are real; quality is meaningless."
)


def real_data_hint(task: str) -> str:
    """Return how to run a task on real data."""
    option = "" if task == DEFAULT_TASK else f" --task {task}"
    return (
        f"To run on real data: on a machine that reaches the hub run `python -m data_prep{option} --stand-in never`, "
        f"or use `python -m data_prep{option} --text-file FILE --tokenizer FOLDER` and `pytest benchmarks{option} "
        "--model FOLDER`."
    )
