"""The order in which runs were measured: by the moments that they tell, in texts of several forms, then by number."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

#: Where a run stands that does not say when it was measured.
EARLIEST = datetime.min.replace(tzinfo=timezone.utc)
#: How far clocks of machines that share a storage may be apart, time zones that were mistaken included.
FARTHEST_AHEAD = timedelta(days=1)
#: Digits of the longest number: Python reads none of thousands.
MOST_DIGITS = 18
#: How the suite writes a moment, to the second. Earlier versions wrote it to the minute.
FORM = "%Y-%m-%d %H:%M:%S UTC"


class Dated(NamedTuple):
    """The file of a saved run, and when the run was measured, None where it does not say."""

    path: Path
    moment: datetime | None

    @property
    def place(self) -> tuple[datetime, int, str, str]:
        """What runs are sorted by: their moment, then their number, then their name."""
        number = number_of(self.path)
        return self.moment or EARLIEST, -1 if number is None else number, self.path.name, str(self.path)

    def is_ahead(self, now: datetime) -> bool:
        """Tell whether a run is dated so far ahead of a clock that one of both is wrong."""
        return self.moment is not None and self.moment - now > FARTHEST_AHEAD


def moment_of(text: object) -> datetime | None:
    """Return the moment that a text tells: the suite's own forms, and ISO 8601 as pytest-benchmark writes it.

    A text without a time zone is UTC, in which pytest-benchmark writes. None for anything else.
    """
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.removesuffix("Z").removesuffix(" UTC"))
        return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):  # no moment, or one outside the years that a datetime has
        return None


def number_of(path: Path) -> int | None:
    """Return the number of a saved run, with which pytest-benchmark begins its name; None where it has none."""
    return as_number(path.stem.partition("_")[0])


def as_number(text: str) -> int | None:
    """Return the number of a saved run that a text is, None where it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS else None


def contradictions(runs: Iterable[Dated]) -> list[str]:
    """Return a sentence for each folder in which numbers and times of runs disagree, and one where some lack a time."""
    folders: dict[Path, list[Dated]] = {}
    in_order = sorted(runs, key=lambda one: one.place)
    for one in in_order:
        if one.moment is not None and number_of(one.path) is not None:
            folders.setdefault(one.path.parent, []).append(one)
    sentences = []
    for folder, dated in folders.items():
        odd = next(((one, then) for one, then in pairwise(dated) if one.place[1] > then.place[1]), None)
        if odd is not None:
            first, second = (f"{one.path.name} ({one.place[0]:{FORM}})" for one in odd)
            sentences.append(
                f"in {folder} numbers and times disagree: {first} was measured before {second}; the time counts."
            )
    undated = [one for one in in_order if one.moment is None]
    if 0 < len(undated) < len(in_order):
        sentences.append(
            f"{len(undated)} file(s) do not say when they were measured and count as the earliest: "
            f"{', '.join(str(one.path) for one in undated)}."
        )
    return sentences
