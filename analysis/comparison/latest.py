"""The last saved runs that others may be compared with, and which side of a comparison is the earlier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from analysis.comparison.comparability import differences
from analysis.runs.quick import is_quick
from analysis.runs.saved import Run, measured_at
from analysis.runs.storage import Storage
from analysis.runs.validity import judgements
from core.case import case_of
from core.errors import InputError

#: How a selector begins that asks for the last runs: last:5.
LAST = "last:"


class NoHistoryError(InputError):
    """No earlier run of the same conditions is there yet."""


def sides_of(first: Sequence[str], second: Sequence[str] | None, storage: Storage) -> tuple[list[Run], list[Run]]:
    """Return the runs of the earlier side and of the later one, each in the order in which they were measured.

    What stands on both counts on the later. Raises `InputError` where they cannot be told or one has no run left,
    `NoHistoryError` where the earlier are to be the last ones and there are none.
    """
    if second is None and len(first) != 2:
        raise InputError(
            f"compare got {len(first)} run(s) and no --to; expected two, or `compare EARLIER… --to LATER…` for several "
            "a side."
        )
    earlier, later = (first[:1], first[1:]) if second is None else (first, second)
    if any(one.startswith(LAST) for one in later):
        names = " ".join(earlier)
        raise InputError(
            f"{next(one for one in later if one.startswith(LAST))} stands last; expected the earlier side first: "
            f"`python -m analysis compare {later[0]} --to {names}`."
        )
    after = storage.runs(later)
    if len(earlier) == 1 and earlier[0].startswith(LAST):
        return last_comparable(after, earlier[0].removeprefix(LAST), storage), after
    return storage.runs(earlier, besides=after), after


def last_comparable(runs: Sequence[Run], count: str, storage: Storage) -> list[Run]:
    """Return the last `count` other saved runs made in the same conditions as `runs`, in the order of their times.

    Of each the benchmarks that `runs` have too and that are not invalid; runs without one do not count, nor quick
    sessions. Fewer where
    there are fewer. Raises `NoHistoryError` where there are none, and `InputError` unless `count` is a number above 0.
    """
    if not (count.isascii() and count.isdecimal() and int(count) > 0):
        raise InputError(f"The runs named are {LAST + count!r}; expected a number of runs such as {LAST}5.")
    names = {case_of(item).id for run in runs for item in run.benchmarks}

    def comparable(saved: Run) -> Run | None:
        run = usable(saved, names)
        named = ((str(one.path), item["extra_info"]) for one in (run, *runs) for item in one.benchmarks)
        return run if run.benchmarks and not is_quick(saved) and not differences(named) else None

    if not storage.is_begun:
        raise NoHistoryError(f"There is no saved run in {storage.folder} yet.")
    found = storage.last(int(count), besides=runs, usable=comparable)
    if not found:
        raise NoHistoryError(
            f"No other saved run in {storage.folder} was made in the same conditions as {runs[0].path} and is "
            "not invalid."
        )
    return found


def usable(run: Run, names: set[str]) -> Run:
    """Return a run with those of its benchmarks that have one of some names and are not invalid."""
    of_run = zip(run.benchmarks, judgements(run.benchmarks), strict=True)
    kept = tuple(item for item, one in of_run if case_of(item).id in names and one.status != "invalid")
    return replace(run, benchmarks=kept)


def clock_note(before: Sequence[Run], after: Sequence[Run]) -> str | None:
    """Return a sentence where a run of the side that stands first was measured after one that stands last."""
    dated = [[run for run in side if run.dated.moment] for side in (before, after)]
    latest = max(dated[0], key=lambda run: run.dated.place, default=None)
    earliest = min(dated[1], key=lambda run: run.dated.place, default=None)
    if latest is None or earliest is None or latest.dated.place[0] <= earliest.dated.place[0]:
        return None
    return (
        f"{latest.path.name} was measured at {measured_at(latest.environment)}, after {earliest.path.name} at "
        f"{measured_at(earliest.environment)}; what stands first is the earlier side all the same."
    )
