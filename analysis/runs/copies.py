"""Copies of saved runs, which are no further sessions: they count once."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.runs.saved import Run


def are_one(one: Run, other: Run) -> bool:
    """Tell whether two saved runs are of one session, whatever their names, dates and formats.

    They are where all visits of the one are visits of the other: a copy has the same, and what was recovered of a
    journal may have fewer. A run without a visit that was timed is a copy of nothing.
    """
    fewer, more = sorted((one.visits, other.visits), key=len)
    return bool(fewer) and fewer <= more


def without_copies(runs: Sequence[Run], besides: Sequence[Run] = ()) -> tuple[list[Run], list[str]]:
    """Return each of several runs once, in their order, without those of `besides`, and a sentence for what is copied.

    Of copies that which has most visits is kept, of equal ones the first.
    """
    kept, copies = list(besides), dict[int, list[Run]]()
    for run in sorted(runs, key=lambda run: -len(run.visits)):
        place = next((place for place, other in enumerate(kept) if are_one(run, other)), None)
        if place is None:
            kept.append(run)
        else:
            copies.setdefault(place, []).append(run)
    sentences = [said_of(kept[place], of_one) for place, of_one in copies.items()]
    remaining = {id(run) for run in kept[len(besides) :]}
    return [run for run in runs if id(run) in remaining], sentences


def said_of(kept: Run, copies: Sequence[Run]) -> str:
    """Return a sentence on a run and its copies."""
    others = ", ".join(str(one.path) for one in copies)
    return f"{kept.path} and {others} are one run: every visit has the same values, on the same device. It counts once."
