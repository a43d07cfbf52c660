"""The last saved runs that others may be compared with, and which side of a comparison is the earlier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from analysis.comparison.comparability import differences
from analysis.runs.estimator import read
from analysis.runs.saved import STORAGE, Run, select
from analysis.runs.validity import judgements
from core.case import case_of
from core.errors import InputError

#: How a selector begins that asks for the last runs: last:5.
LAST = "last:"


class NoHistoryError(InputError):
    """No earlier run of the same conditions is there yet."""


def sides_of(first: Sequence[str], second: Sequence[str] | None) -> tuple[list[Run], list[Run]]:
    """Return the runs of the earlier side and of the later one, in the order in which they were named.

    Raises `InputError` where they cannot be told, `NoHistoryError` where the earlier are to be the last ones and there
    are none.
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
    after = [read(path) for path in select(later)]
    if len(earlier) == 1 and earlier[0].startswith(LAST):
        return last_comparable(after, earlier[0].removeprefix(LAST)), after
    return [read(path) for path in select(earlier)], after


def last_comparable(runs: Sequence[Run], count: str) -> list[Run]:
    """Return the last `count` other saved runs made in the same conditions as `runs`, in their order.

    Of each the benchmarks that `runs` have too and that are not invalid; runs without one do not count. Fewer where
    there are fewer. Raises `NoHistoryError` where there are none, and `InputError` unless `count` is a number above 0.
    """
    if not (count.isascii() and count.isdecimal() and int(count) > 0):
        raise InputError(f"The runs named are {LAST + count!r}; expected a number of runs such as {LAST}5.")
    given = {run.path.resolve() for run in runs}
    names = {case_of(item).id for run in runs for item in run.benchmarks}
    found: list[Run] = []
    for path in reversed(select([])):
        if len(found) == int(count):
            break
        if path.resolve() in given:
            continue
        try:
            run = usable(read(path), names)
        except InputError:  # of another suite, or half a run: not one of the same conditions
            continue
        if run.benchmarks and not differences(
            (str(one.path), item["extra_info"]) for one in (run, *runs) for item in one.benchmarks
        ):
            found.append(run)
    if not found:
        raise NoHistoryError(
            f"No other saved run in {STORAGE} was made in the same conditions as {runs[0].path} and is not invalid."
        )
    return found[::-1]


def usable(run: Run, names: set[str]) -> Run:
    """Return a run with those of its benchmarks that have one of some names and are not invalid."""
    of_run = zip(run.benchmarks, judgements(run.benchmarks), strict=True)
    kept = tuple(item for item, one in of_run if case_of(item).id in names and one.status != "invalid")
    return replace(run, benchmarks=kept)


def clock_note(before: Sequence[Run], after: Sequence[Run]) -> str | None:
    """Return a sentence where a run of the side that stands first was measured after one that stands last."""
    moments = [
        sorted((str(run.environment.get("measured_utc") or ""), run.path.name) for run in side if side)
        for side in (before, after)
    ]
    latest, earliest = moments[0][-1], moments[1][0]
    if not latest[0] or not earliest[0] or latest[0] <= earliest[0]:
        return None
    return (
        f"{latest[1]} was measured at {latest[0]}, after {earliest[1]} at {earliest[0]}; what stands first is the "
        "earlier side all the same."
    )
