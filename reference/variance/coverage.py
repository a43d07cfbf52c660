"""How often the interval of a repeat holds another session's figure: `python -m reference.variance.coverage`.

Reads the committed sessions. Every ordered pair of sessions of one host is judged by a noise floor of other sessions:
of the host's own without those two and other hosts', or of another host's alone. Prints Markdown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import combinations, pairwise, product
from typing import NamedTuple

import pandas as pd

from analysis.comparison.changes import changes
from analysis.report.recommendation import recommendations
from analysis.report.table import table
from analysis.report.text_tables import markdown_table, number
from analysis.runs.saved import Run
from analysis.uncertainty.chosen_floors import Floors, floors_from
from analysis.uncertainty.conditions import conditions_of
from analysis.uncertainty.coverage import Coverage, coverage, ratios_of_the_same, without
from analysis.uncertainty.figures import FIGURES
from analysis.uncertainty.noise_floor import AT_REFERENCE, NoiseFloor, series_of
from core.case import Case
from core.tasks import tasks_of
from reference.runs import saved
from reference.series import AGAIN, DEFAULTS, HOSTS
from reference.texts import Count

EXECUTIONS = ("graph", "eager")
COMPARED = ("median_latency_ms", "speedup_vs_fp32", "energy_per_sample_mj", "energy_reduction_vs_fp32")
#: The coverage of each host, by execution and figure.
Found = dict[str, dict[tuple[str, str], Coverage]]


def by_other_hosts(run: Run, others: Iterable[Sequence[Run]]) -> Floors:
    """Return the floors that sessions of other hosts make; those of eager execution are assumed, as on any new host."""
    floor = NoiseFloor(conditions_of(run), tuple(map(series_of, others)))
    return floors_from(floor, run, None)


def sessions_of_hosts() -> dict[str, tuple[Run, ...]]:
    """Return the default sessions of every host."""
    return {host: saved(series) for host, series in DEFAULTS.items()}


def of_execution(case: Case) -> str:
    """Return the execution of a case."""
    return case.execution


@cache
def by_measured_floors(group: Callable[[Case], str] = of_execution) -> Found:
    """Judge each pair by its host's other sessions and by other hosts with such a board."""
    runs = sessions_of_hosts()
    series = {host: series_of(sessions) for host, sessions in runs.items()}

    def judged(host: str) -> Callable[[Run, Run], Floors]:
        return lambda *pair: without(pair, runs[host], [series[other] for other in others(host)])

    return {host: coverage(sessions, judged(host), group) for host, sessions in runs.items()}


@cache
def by_shipped_floors(group: Callable[[Case], str] = of_execution) -> Found:
    """Judge each pair by other hosts with such a board alone, as a floor that is shipped does."""
    runs = sessions_of_hosts()
    floors = {host: by_other_hosts(of[0], [runs[other] for other in others(host)]) for host, of in runs.items()}
    return {host: coverage(sessions, lambda *_, host=host: floors[host], group) for host, sessions in runs.items()}


def in_all(found: Found, key: tuple[str, str]) -> Count:
    """Return how many pairs of all hosts an interval held in an execution's figure."""
    return Count(
        sum(of_host[key].held for of_host in found.values()), sum(of_host[key].pairs for of_host in found.values())
    )


def rows_of(found: Found) -> pd.DataFrame:
    """Return a row for each execution and figure: coverage in all and in each host, and widths."""
    rows = []
    for key in product(EXECUTIONS, (*FIGURES, AT_REFERENCE)):
        if not all(key in of_host for of_host in found.values()):
            continue  # of replayed executions alone
        hosts = {host: of_host[key] for host, of_host in found.items()}
        held = in_all(found, key)
        rows.append(
            {
                "execution": key[0],
                "figure": key[1],
                "held": f"{held} ({held.share:.1%})",
                **{host: f"{one.share:.1%}, ± {math.expm1(one.half_width):.2%}" for host, one in hosts.items()},
                "width over ideal": ", ".join(number(one.relative_width, "{:.2f}") for one in hosts.values()),
            }
        )
    table_of_all: pd.DataFrame = pd.DataFrame(rows)
    return table_of_all


def across_hosts() -> Count:
    """Return how often latency or energy in a graph differs between sessions of two hosts with boards of one name.

    The first session of one host is compared with the first of another, and so on.
    """
    runs = [sessions for host, sessions in sessions_of_hosts().items() if host.startswith("h100")]
    pairs = (pair for hosts in combinations(runs, 2) for pair in zip(*hosts, strict=True))
    verdicts = [
        one for pair in pairs for one in verdicts_in_graphs(*pair, ("median_latency_ms", "energy_per_sample_mj"))
    ]
    return Count(sum(verdicts), len(verdicts))


def verdicts_in_graphs(one: Run, other: Run, metrics: Sequence[str]) -> list[bool]:
    """Return whether each figure of each graph is called better or worse from one run to another."""
    return [
        change.verdict in ("better", "worse")
        for change in changes([one], [other])
        if change.benchmark.endswith("graph") and change.metric in metrics
    ]


class FalseAlarms(NamedTuple):
    """How often something is found where nothing differs."""

    #: Figures, and comparisons with one at least.
    cases: Count
    comparisons: Count


def one_after_another() -> FalseAlarms:
    """Return how often a session and the next one of the same host, which ran the same code, are called different."""
    found = [
        verdicts_in_graphs(one, other, COMPARED)
        for sessions in sessions_of_hosts().values()
        for one, other in pairwise(sessions)
    ]
    return FalseAlarms(Count(sum(map(sum, found)), sum(map(len, found))), Count(sum(map(any, found)), len(found)))


class OfTheSame(NamedTuple):
    """What sessions say that measured FP32 twice."""

    sessions: int
    #: Ratios of FP32 to itself whose interval holds 1.
    ratios: Count
    #: Sentences that call one faster.
    sentences: Count


def of_the_same() -> OfTheSame:
    """Return what is said of FP32 against itself."""
    sessions = [run for series in AGAIN for run in saved(series)]
    ratios = [abs(one.centre) <= one.half_width() for _, _, one in ratios_of_the_same(sessions)]
    sentences = [
        line
        for run in sessions
        for line in recommendations(
            table(run.benchmarks, run.environment), run.catalogue, tasks_of(run.environment), run.executions
        )
    ]
    wrong = sum(not line.startswith("Stay with fp32-graph") for line in sentences)
    return OfTheSame(len(sessions), Count(sum(ratios), len(ratios)), Count(wrong, len(sentences)))


def others(host: str) -> list[str]:
    """Return the other hosts with boards of the same name."""
    return [other for other in HOSTS if other != host and other.split("_")[0] == host.split("_")[0]]


def main() -> None:
    """Print the tables."""
    measured, shipped = (markdown_table(rows_of(found)) for found in (by_measured_floors(), by_shipped_floors()))
    print(f"Floor of the host's other sessions and of other hosts with such a board:\n\n{measured}")
    print(f"\nFloor of other hosts alone:\n\n{shipped}")
    again, alarms = of_the_same(), one_after_another()
    counts = {
        "ratios of FP32 to itself that hold 1": again.ratios,
        "sentences that call one of them faster": again.sentences,
        "figures called different, one session after another": alarms.cases,
        "comparisons with such a figure": alarms.comparisons,
        "figures called different, of boards of one name": across_hosts(),
    }
    print(f"\nHow often:\n\n{markdown_table(pd.DataFrame(counts.items(), columns=['what', 'found']))}")


if __name__ == "__main__":
    main()
