"""Sentences that several outputs share. Light to import."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from core.metrics import lookup
from core.tasks import DEFAULT_TASK

#: How far energy of seeded weights was from a trained model's: SmolLM2-135M, H200, batch 1 x 128 (docs/quality.md).
ENERGY_OF_STAND_INS = "3%"
#: What an interval of a repeat holds, where its noise floor was measured; and as far as that was ever checked.
REPEAT_HOLDS = "holds the figure of another session on this machine 19 times in 20"
AS_FAR_AS_CHECKED = "checked on sessions within 19 minutes and one boot"
GENERATED_TEXT, SEEDED_WEIGHTS = "generated text", "seeded weights"
#: How a sentence on a quality's meaning begins, by whether it has any; and where nobody knows.
QUALITY_NOTICES = {
    False: "Quality is meaningless",
    True: "Quality rests on an assumption",
    None: "Whether quality means anything is not known",
}


def stand_in_notice(stand_ins: Collection[str]) -> str:
    """Return what is not real in a run, and what is; either where the run did not record which."""
    what = " and ".join(name for name in (GENERATED_TEXT, SEEDED_WEIGHTS) if name in stand_ins)
    what = what or f"{GENERATED_TEXT} or {SEEDED_WEIGHTS}"
    return (
        f"STAND-IN: {what}. Latency and size are those of real ones, energy is within {ENERGY_OF_STAND_INS}; "
        "quality is meaningless."
    )


def repeat_promise(measured: int, intervals: int, of: int) -> str:
    """Return what the intervals of a repeat are worth.

    So many of a run's benchmarks have an interval, and of so many of these it was measured and the figure is not
    invalid.
    """
    if not intervals:
        return "was not made: there is no noise floor of this machine, and too few visits"
    if not measured:
        return "is assumed, or of a figure that is invalid: how often it holds that of another session nobody knows"
    others = "" if measured == of else "; where it is assumed, or the figure invalid, nobody knows how often"
    return f"{REPEAT_HOLDS} ({AS_FAR_AS_CHECKED}){others}"


def quality_notices(benchmarks: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return why quality says nothing of the models, or by what assumption, or that nobody knows, each reason once.

    Of generated text and seeded weights `stand_in_notice` says it.
    """
    notices: dict[str, None] = {}
    for extra_info in benchmarks:
        reason = lookup(extra_info, "quality.meaningful_reason")
        if lookup(extra_info, "provenance.stand_in") is True or not isinstance(reason, str):
            continue
        meaningful = lookup(extra_info, "quality.meaningful")
        start = QUALITY_NOTICES[meaningful if isinstance(meaningful, bool) else None]
        notices[f"{start}: {reason}."] = None
    return list(notices)


def real_data_hint(task: str) -> str:
    """Return how to run a task on real data."""
    option = "" if task == DEFAULT_TASK else f" --task {task}"
    trained = (
        "For a trained model of GPT-2's size without a hub run `python -m data_prep --trained` and `pytest benchmarks "
        "--model smollm2`. "
    )
    return (trained if task == DEFAULT_TASK else "") + (
        f"To run on real data: on a machine that reaches the hub run `python -m data_prep{option} --stand-in never`, "
        f"or use `python -m data_prep{option} --text-file FILE --tokenizer FOLDER` and `pytest benchmarks{option} "
        "--model FOLDER`."
    )
