"""The last saved runs that others may be compared with."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.comparison.comparability import differences
from analysis.runs.saved import STORAGE, Run, load, select
from core.errors import InputError

#: How a selector begins that asks for the last runs: last:5.
LAST = "last:"


def last_comparable(runs: Sequence[Run], count: str) -> list[Run]:
    """Return the last `count` other saved runs made in the same conditions as `runs`, in their order.

    Fewer where there are fewer. Raises `InputError` where there are none, and unless `count` is a number above 0.
    """
    if not (count.isascii() and count.isdecimal() and int(count) > 0):
        raise InputError(f"--to is {LAST + count!r}; expected a number of runs such as {LAST}5.")
    given = {run.path.resolve() for run in runs}
    found: list[Run] = []
    for path in reversed(select([])):
        if len(found) == int(count):
            break
        if path.resolve() in given:
            continue
        try:
            run = load(path)
        except InputError:  # of another suite, or half a run: not one of the same conditions
            continue
        if not differences((str(one.path), item["extra_info"]) for one in (run, *runs) for item in one.benchmarks):
            found.append(run)
    if not found:
        raise InputError(f"No other saved run in {STORAGE} was made in the same conditions as {runs[0].path}.")
    return found[::-1]
