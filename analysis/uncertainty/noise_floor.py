"""The noise floor: how much the figures of a session differ from those of another session of the same thing.

Every case has a floor of its own, for cases of one execution differ by a factor of two, and a case that few sessions
measured borrows from others: a scaled inverse chi-square prior of the variance. With s^2 of a case's own sessions, nu
their degrees of freedom, and s0^2 what others say:

    s^2 = (d s0^2 + nu s^2) / (d + nu),    t with d + nu degrees of freedom,    d = 4 at most

s0^2 of a host that measured the case itself is the case's on other hosts, which is made in the same way of its own
sessions there and of the other cases of its execution. A host that has not measured it has s0^2 and t with d: so many
degrees of freedom do the spreads of hosts leave (docs/variance.md).

Source: Smyth, Linear models and empirical Bayes methods, Statistical Applications in Genetics and Molecular Biology 3
(2004), section 3.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from analysis.comparison.comparability import CHOSEN, text_at
from analysis.runs.quick import require_whole
from analysis.runs.saved import Run, measured_at
from analysis.uncertainty.conditions import Conditions, host_of
from analysis.uncertainty.figures import FIGURES, Visits
from analysis.uncertainty.slopes import Slopes, at_reference, of_host, over_hosts, slopes_of
from analysis.uncertainty.variance import components
from core.case import Case, case_of, is_own
from core.errors import InputError
from core.executions import Executions

FEWEST_SESSIONS = 3
#: Degrees of freedom that what others say is worth at most: the spreads of hosts differ as variances of so many do.
PRIOR_FREEDOM = 4.0
#: The figure that slopes are needed for.
AT_REFERENCE = "energy at reference"


@dataclass(frozen=True)
class Floor:
    """The spread of one figure of one case: standard deviations of logarithms, which are relative to the figure.

    `session`: of the figures of sessions. `visits`: of the visits of one session, None where that is not known.
    `degrees_of_freedom` of `session`, infinite for one that is assumed.
    """

    session: float
    visits: float | None
    degrees_of_freedom: float
    source: str
    assumed: bool = False


@dataclass(frozen=True)
class Key:
    """Whose spread it is: that of a figure of a case, which runs in an execution."""

    execution: str
    figure: str
    #: Its id; empty in a floor of an earlier version, which is of all cases of the execution.
    case: str


@dataclass(frozen=True)
class Series:
    """Sessions of one host: their number, when the first began, and the spread of each figure of each case.

    `slopes`: how energy changes with temperature and gaps, by execution. `chosen`: by case, the compiler options that
    it was compiled with, where its execution chooses among several.
    """

    host: str
    sessions: int
    measured: str
    spreads: Mapping[Key, Floor]
    slopes: Mapping[str, Slopes] = field(default_factory=dict)
    chosen: Mapping[str, str] = field(default_factory=dict)

    def with_options(self, chosen: Mapping[str, str]) -> Series:
        """Return the series without the spreads of cases that were compiled with other options than `chosen`."""
        others = {case for case, name in self.chosen.items() if chosen.get(case, name) != name}
        return replace(self, spreads={key: floor for key, floor in self.spreads.items() if key.case not in others})

    def of(self, case: Case, figure: str) -> list[Floor]:
        """Return the spread of a case's figure, in a floor of an earlier version of all cases; none without one."""
        keys = (Key(case.execution, figure, name) for name in (case.id, ""))
        return [self.spreads[key] for key in keys if key in self.spreads][:1]

    def beside(self, case: Case, figure: str) -> list[Floor]:
        """Return the spreads of the same figure of other cases of the execution."""
        same = (case.execution, figure)
        return [
            floor
            for key, floor in self.spreads.items()
            if (key.execution, key.figure) == same and key.case not in (case.id, "")
        ]


@dataclass(frozen=True)
class Pooled:
    """A variance with its degrees of freedom, and that of visits, None where that is not known."""

    variance: float
    freedom: float
    visits: float | None


@dataclass(frozen=True)
class NoiseFloor:
    """The floors of one set of conditions."""

    conditions: Conditions
    series: tuple[Series, ...]

    def of(self, case: Case, figure: str, host: str | None, executions: Executions) -> Floor | None:
        """Return the floor of a case's figure on a host; None where no series says anything of it.

        Other hosts count for executions that are replayed on a GPU, which the host hardly moves.
        """
        is_host_free = executions[case.execution].is_replayed and self.conditions.driver is not None  # on a GPU
        own = [one for one in self.series if one.host == host]
        others = [one for one in self.series if one.host != host and is_host_free]
        here, there = ([one for one in series if one.of(case, figure)] for series in (own, others))
        beside = [one for one in (*own, *others) if one.beside(case, figure)]
        elsewhere = pooled(one.of(case, figure) for one in there)
        prior = shrunk(elsewhere, pooled(one.beside(case, figure) for one in beside))
        found = shrunk(pooled(one.of(case, figure) for one in here), prior) if here else as_prior(prior)
        if found is None:
            return None
        source = self._source(here or there or beside)
        if here and there:
            source += f" and {sum(one.sessions for one in there)} on other hosts"
        return Floor(
            session=math.sqrt(found.variance),
            visits=None if found.visits is None else math.sqrt(found.visits),
            degrees_of_freedom=found.freedom,
            source=source if here or there else f"{source}, of other cases of {case.execution}",
        )

    def slopes(self, execution: str, host: str | None, executions: Executions) -> Slopes | None:
        """Return how energy changes with temperature and gaps, from the host itself and from others."""
        known = [one for one in self.series if execution in one.slopes and executions[execution].is_replayed]
        of_hosts: dict[str, list[Slopes]] = {}
        for one in known:
            of_hosts.setdefault(one.host, []).append(one.slopes[execution])
        others = [of_host(slopes) for name, slopes in of_hosts.items() if name != host]
        return over_hosts(of_hosts.get(host or "", []), others)

    def _source(self, series: Sequence[Series]) -> str:
        hosts, sessions = len({one.host for one in series}), sum(one.sessions for one in series)
        return f"{sessions} sessions of {self.conditions.device}" + (f" on {hosts} hosts" if hosts > 1 else "")


def pooled(series: Iterable[Sequence[Floor]]) -> Pooled | None:
    """Return the mean of variances by degrees of freedom; those of one series share what its sessions add."""
    squares = freedom = 0.0
    visits: list[float] = []
    for floors in series:
        weights = [floor.degrees_of_freedom for floor in floors]
        mean = sum(weight * floor.session**2 for weight, floor in zip(weights, floors, strict=True)) / sum(weights)
        squares, freedom = squares + max(weights) * mean, freedom + max(weights)
        visits += [floor.visits**2 for floor in floors if floor.visits is not None]
    return Pooled(squares / freedom, freedom, sum(visits) / len(visits) if visits else None) if freedom else None


def shrunk(own: Pooled | None, others: Pooled | None) -> Pooled | None:
    """Return a variance drawn to that of others, which counts as `PRIOR_FREEDOM` degrees of freedom at most."""
    if own is None or others is None:
        return own or others
    weight = min(PRIOR_FREEDOM, others.freedom)
    freedom = weight + own.freedom
    variance = (weight * others.variance + own.freedom * own.variance) / freedom
    return Pooled(variance, freedom, others.visits if own.visits is None else own.visits)


def as_prior(others: Pooled | None) -> Pooled | None:
    """Return what others say of a host that has not measured it itself."""
    return None if others is None else replace(others, freedom=min(PRIOR_FREEDOM, others.freedom))


def visits_by_figure(run: Run, slopes: Mapping[str, Slopes]) -> dict[str, Mapping[Case, Visits]]:
    """Return the logarithms of visits of every figure, those of energy at reference where there are slopes."""
    return {**{figure: visits(run) for figure, visits in FIGURES.items()}, AT_REFERENCE: at_reference(run, slopes)}


def series_of(runs: Sequence[Run]) -> Series:
    """Return the series of sessions of one host.

    Raises `InputError` where they are too few or have no visits, and where one is a quick session.
    """
    for run in runs:
        require_whole(run)
    spreads, slopes = {}, slopes_of(runs)
    sessions = [visits_by_figure(run, slopes) for run in runs]
    cases = {case_of(item) for run in runs for item in run.benchmarks if is_own(item)}
    for figure in sessions[0]:
        for case in sorted(cases, key=lambda case: case.id):
            found = components([{case: of[figure][case]} for of in sessions if case in of[figure]])
            if found is not None and found.session.degrees_of_freedom >= FEWEST_SESSIONS - 1:
                spread = found.session
                spreads[Key(case.execution, figure, case.id)] = Floor(
                    spread.value, found.visits.value, spread.degrees_of_freedom, ""
                )
    if not spreads:
        raise InputError(
            f"{len(runs)} session(s) make no noise floor; expected {FEWEST_SESSIONS} or more with two visits or more."
        )
    measured = measured_at(runs[0].environment) or ""
    return Series(host_of(runs[0]), len(runs), measured, spreads, slopes, chosen_options(runs[0]))


def chosen_options(run: Run) -> dict[str, str]:
    """Return by case what it was compiled with, for those whose execution chooses among options of the compiler."""
    found = {case_of(item).id: text_at(item["extra_info"], CHOSEN) for item in run.benchmarks if is_own(item)}
    return {case: chosen for case, chosen in found.items() if chosen is not None}
