"""What the intervals of a repeat are worth: how often they hold the figure of another session of the same thing."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

from analysis.runs.saved import Run
from analysis.uncertainty.chosen_floors import Floors, floors_from
from analysis.uncertainty.conditions import conditions_of
from analysis.uncertainty.figures import FIGURES
from analysis.uncertainty.noise_floor import NoiseFloor, Series, series_of
from analysis.uncertainty.repeat import Repeat, repeats
from core.case import Case

#: A precision that is FP32 measured a second time: its ratios are 1.
AGAIN = "fp32_again"
#: Figures that are ratios to FP32.
RATIOS = ("speedup", "fast speedup", "energy saving")
#: Ratios of two sessions' figures of normal values lie within this many of their standard deviations 19 times in 20.
IDEAL = 2.77


@dataclass(frozen=True)
class Coverage:
    """How many ordered pairs of sessions there are, case by case, and in how many an interval held the other's figure.

    `half_width` is the median half-width in logarithms, `relative_width` the median of it over 2.77 times the standard
    deviation of the session figures: 1 where the interval is as wide as it has to be.
    """

    held: int
    pairs: int
    half_width: float
    relative_width: float | None

    @property
    def share(self) -> float:
        """The share of pairs in which the interval held the other's figure, from 0 to 1."""
        return self.held / self.pairs


def coverage(
    sessions: Sequence[Run],
    floors: Callable[[Run, Run], Floors],
    group: Callable[[Case], str] = lambda case: case.execution,
) -> dict[tuple[str, str], Coverage]:
    """Return the coverage of each group's figures, over all pairs of sessions and all of its cases.

    `floors` returns the floors that a pair is judged by; they should be of other sessions than these two. `group` names
    the group of a case: its execution.
    """
    held: dict[tuple[str, str], list[bool]] = {}
    widths: dict[tuple[str, str], list[tuple[Case, float]]] = {}
    centres: dict[tuple[str, Case], dict[int, float]] = {}
    for (number, ours), (_, theirs) in permutations(enumerate(sessions), 2):
        judged_by = floors(ours, theirs)
        own, others = repeats(ours, judged_by), repeats(theirs, judged_by)
        for figure, by_case in own.items():
            for case, one in by_case.items():
                centres.setdefault((figure, case), {})[number] = one.centre
                if case in others[figure]:
                    key = (group(case), figure)
                    difference = abs(one.centre - others[figure][case].centre)
                    held.setdefault(key, []).append(difference <= one.half_width())
                    widths.setdefault(key, []).append((case, one.half_width()))
    spreads = {key: statistics.stdev(of_case.values()) for key, of_case in centres.items() if len(of_case) > 1}
    return {
        key: Coverage(
            held=sum(outcomes),
            pairs=len(outcomes),
            half_width=statistics.median(width for _, width in widths[key]),
            relative_width=relative_width(widths[key], {case: spreads.get((key[1], case)) for case, _ in widths[key]}),
        )
        for key, outcomes in sorted(held.items())
    }


def relative_width(widths: Iterable[tuple[Case, float]], spreads: Mapping[Case, float | None]) -> float | None:
    """Return the median half-width over that of an ideal interval; None where no case's sessions differ."""
    found = [width / (IDEAL * spread) for case, width in widths if (spread := spreads[case])]
    return statistics.median(found) if found else None


def without(pair: tuple[Run, Run], sessions: Sequence[Run], others: Iterable[Series] = ()) -> Floors:
    """Return the floors of a board's sessions without two of them, pooled with series of other hosts.

    Raises `InputError` where too few sessions are left.
    """
    rest = [run for run in sessions if all(run is not judged for judged in pair)]
    own = series_of(rest)
    return floors_from(NoiseFloor(conditions_of(pair[0]), (own, *others)), pair[0], own.host)


def ratios_of_the_same(sessions: Sequence[Run]) -> Iterator[tuple[str, Case, Repeat]]:
    """Give each session's ratios of FP32 against itself, with the figure's name: their logarithm should be 0."""
    for run in sessions:
        for figure in FIGURES:
            for case, found in repeats(run)[figure].items():
                if case.precision == AGAIN and figure in RATIOS:
                    yield figure, case, found
