"""The runs of a storage that a command works with: those chosen that can be read, each session once, in time order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from itertools import chain, groupby
from pathlib import Path

from analysis.runs.copies import without_copies
from analysis.runs.estimator import read
from analysis.runs.saved import Run, moment_in_file
from analysis.runs.selection import matching, select
from analysis.runs.time_order import FORM, Dated, contradictions
from core.errors import InputError


class NoRunError(InputError):
    """None of the files chosen is a run that can be read."""


class Storage:
    """A folder of saved runs; `warn` is told of files that were left out, of copies, and of times that contradict."""

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self.folder = folder
        self._warn = warn

    @property
    def is_begun(self) -> bool:
        """Whether any file is there that may be a saved run."""
        return bool(matching("*", self.folder))

    def runs(
        self, selectors: Sequence[str], besides: Sequence[Run] = (), require: Callable[[Run], None] = lambda run: None
    ) -> list[Run]:
        """Return the runs that selectors choose, in the order in which they were measured, none of them `besides`.

        A run for which `require` raises `InputError` is like one that cannot be read. Raises `InputError` where a
        selector matches nothing, what was named cannot be read, or nothing is left.
        """
        chosen, given = select(selectors, self.folder), {os.path.realpath(run.path) for run in besides}
        twice = [path for path in chosen if os.path.realpath(path) in given]
        runs, refused = _read({path: is_named for path, is_named in chosen.items() if path not in twice}, require)
        if not runs and not twice:
            raise nothing_left(refused)
        kept, copies = without_copies(sorted(runs, key=lambda run: run.dated.place), besides)
        notes = [*(f"{path} is given on both sides; it counts on the later." for path in twice), *copies]
        if not kept:
            raise InputError(f"No run is left to compare with: {notes[0]} Name another.")
        self._tell(refused, notes, contradictions(run.dated for run in kept))
        return kept

    def newest(self, selectors: Sequence[str] = ()) -> Run:
        """Return the run that was measured last of those that selectors choose. Raises as `runs` does."""
        found = self.last(1, selectors)
        if not found:
            raise InputError(
                "Every run chosen is dated more than a day ahead of this clock; expected one that is not. Set the "
                "clock, or name a run by its path."
            )
        return found[0]

    def last(
        self,
        count: int,
        selectors: Sequence[str] = (),
        besides: Sequence[Run] = (),
        usable: Callable[[Run], Run | None] = lambda run: run,
    ) -> list[Run]:
        """Return the last `count` runs of those that selectors choose, in the order in which they were measured.

        No more files are read wholly than it takes. None of the runs is one of `besides` or dated a day ahead of this
        clock, and of each there is what `usable` makes of it; one of which that makes nothing does not count. Raises
        `InputError` where a selector matches nothing, what was named cannot be read, or nothing else can.
        """
        seen, found, refused = list(besides), list[Run](), list[InputError]()
        for together in self._newest_first(selectors, besides):
            runs, others = _read(together)
            kept, copies = without_copies(runs, seen)
            refused += others
            self._tell(copies)
            seen += kept
            found += [one for one in map(usable, reversed(kept)) if one is not None]
            if len(found) >= count:
                break
        if refused and not seen:
            raise nothing_left(refused)
        self._tell(refused)
        return found[:count][::-1]

    def _newest_first(self, selectors: Sequence[str], besides: Sequence[Run]) -> Iterator[dict[Path, bool]]:
        """Yield the files chosen, those of the last moment first: of runs that began together some may be copies."""
        chosen, now = select(selectors, self.folder), datetime.now(timezone.utc)
        given = {os.path.realpath(run.path) for run in besides}
        dated = [Dated(path, moment_in_file(path)) for path in chosen if os.path.realpath(path) not in given]
        ahead = [one for one in dated if one.is_ahead(now) and not chosen[one.path]]
        if ahead:
            self._warn(
                f"{', '.join(f'{one.path} ({one.place[0]:{FORM}})' for one in ahead)}: dated more than a day ahead of "
                f"this clock ({now:{FORM}}), and not taken for the last."
            )
        past = sorted((one for one in dated if one not in ahead), key=lambda one: one.place)
        self._tell(contradictions(past))
        for _, together in groupby(reversed(past), key=lambda one: one.moment or one.path):
            yield {one.path: chosen[one.path] for one in reversed(list(together))}

    def _tell(self, *sentences: Iterable[str | InputError]) -> None:
        for one in chain(*sentences):
            self._warn(f"left out: {one}" if isinstance(one, InputError) else one)


def _read(
    chosen: Mapping[Path, bool], require: Callable[[Run], None] = lambda run: None
) -> tuple[list[Run], list[InputError]]:
    """Return the runs of files, and why others are none. Raises `InputError` where that is one that was named."""
    runs, refused = [], []
    for path, is_named in chosen.items():
        try:
            run = read(path)
            require(run)
            runs.append(run)
        except InputError as error:
            if is_named:
                raise
            refused.append(error)
    return runs, refused


def nothing_left(refused: Sequence[InputError]) -> NoRunError:
    """Return the error of a choice of which nothing is left, from why each of its files, one or more, was left out."""
    many = f"None of the {len(refused)} files chosen is a run that can be read: " if len(refused) > 1 else ""
    return NoRunError(f"{many}{refused[0]}")
