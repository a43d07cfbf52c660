"""In which order a session visits its cases."""

from __future__ import annotations

import random
from collections.abc import Sequence

from core.case import Case
from core.executions import EAGER


def visiting_order(cases: Sequence[Case], visits: int, generator: random.Random) -> list[list[Case]]:
    """Return a row for each visit, with every case in it once.

    The rows are those of randomized Latin squares of units: within one square each unit has each place once, so that
    what changes in the course of a session falls on all alike. A unit is a case, or the eager cases of one shape: their
    times follow the host's state, so they keep side by side, in an order that rotates in the same way.
    """
    blocks: dict[Case, list[Case]] = {}
    for case in cases:
        blocks.setdefault(case.partner(precision="") if case.execution == EAGER else case, []).append(case)
    inner = {key: latin_rows(block, visits, generator) for key, block in blocks.items()}
    return [
        [case for key in row for case in inner[key][number]]
        for number, row in enumerate(latin_rows(list(blocks), visits, generator))
    ]


def latin_rows(items: Sequence[Case], count: int, generator: random.Random) -> list[list[Case]]:
    """Return `count` rows of randomized Latin squares of the items: as many squares as it takes, the last in part."""
    rows: list[list[Case]] = []
    while len(rows) < count and items:
        symbols, columns, shifts = list(items), list(range(len(items))), list(range(len(items)))
        for part in (symbols, columns, shifts):
            generator.shuffle(part)
        rows += [[symbols[(column + shift) % len(items)] for column in columns] for shift in shifts]
    return rows[:count]
