"""How often the interval of a repeat holds another session's figure: `python -m reference.variance.coverage`.

Reads the committed sessions. Every ordered pair of sessions of one host is judged by a noise floor of other sessions:
of the host's own without those two and other hosts', or of another host's alone. Prints Markdown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from itertools import combinations, pairwise, product
from pathlib import Path

import pandas as pd

from analysis.comparison.changes import changes
from analysis.report.recommendation import recommendations
from analysis.report.table import table
from analysis.report.text_tables import markdown_table, number
from analysis.runs.saved import Run, load
from analysis.uncertainty.chosen_floors import Floors
from analysis.uncertainty.coverage import Coverage, coverage, ratios_of_the_same, without
from analysis.uncertainty.noise_floor import NoiseFloor, conditions_of, series_of
from analysis.uncertainty.variance import FIGURES
from core.tasks import tasks_of

REFERENCE = Path(__file__).parents[2] / "results" / "reference"
SESSIONS = REFERENCE / "sessions"
#: The sessions of each host; hosts whose names begin alike have boards of the same name.
HOSTS = {
    "h100_0fc80ab7": SESSIONS / "h100_0fc80ab7",
    "h100_c846fd5f": SESSIONS / "h100_c846fd5f",
    "h100_9c937667": SESSIONS / "h100_9c937667",
    "h100_99080df7": REFERENCE / "h100" / "default",
    "h200_82042529": SESSIONS / "h200_82042529",
    "h200_0bd52ec9": SESSIONS / "h200_0bd52ec9",
    "h200_8576b782": REFERENCE / "h200" / "default",
}
AGAIN = tuple(SESSIONS / host / "fp32_again" for host in ("h100_c846fd5f", "h100_77c3c025"))
EXECUTIONS = ("graph", "eager")
COMPARED = ("median_latency_ms", "speedup_vs_fp32", "energy_per_sample_mj", "energy_reduction_vs_fp32")
#: Of each host, and of each execution and figure.
Found = dict[str, dict[tuple[str, str], Coverage]]


def sessions_in(folder: Path) -> list[Run]:
    """Return the sessions of a folder, in their order."""
    return [load(path) for path in sorted(folder.glob("*.json"))]


def by_other_hosts(run: Run, others: Iterable[list[Run]]) -> Floors:
    """Return the floors that sessions of other hosts make, for eager execution too."""
    series = [replace(series_of(of_host), host="") for of_host in others]
    floor = NoiseFloor(conditions_of(run), tuple(series))
    found = {key: floor.of(*key, "", run.executions) for key in product(EXECUTIONS, FIGURES)}
    return Floors({key: one for key, one in found.items() if one is not None})


@cache
def sessions_of_hosts() -> dict[str, list[Run]]:
    """Return the sessions of every host."""
    return {host: sessions_in(folder) for host, folder in HOSTS.items()}


@cache
def by_measured_floors() -> Found:
    """Judge each pair by its host's other sessions and by other hosts with such a board."""
    runs = sessions_of_hosts()
    series = {host: series_of(sessions) for host, sessions in runs.items()}

    def judged(host: str) -> Callable[[Run, Run], Floors]:
        return lambda *pair: without(pair, runs[host], [series[other] for other in others(host)])

    return {host: coverage(sessions, judged(host)) for host, sessions in runs.items()}


@cache
def by_shipped_floors() -> Found:
    """Judge each pair by other hosts with such a board alone, as a floor that is shipped does."""
    runs = sessions_of_hosts()
    floors = {host: by_other_hosts(of[0], [runs[other] for other in others(host)]) for host, of in runs.items()}
    return {host: coverage(sessions, lambda *_, host=host: floors[host]) for host, sessions in runs.items()}


def in_all(found: Found, key: tuple[str, str]) -> tuple[int, int]:
    """Return how many pairs of all hosts an interval held in an execution's figure, and how many there are."""
    return sum(of_host[key].held for of_host in found.values()), sum(of_host[key].pairs for of_host in found.values())


def rows_of(found: Found) -> pd.DataFrame:
    """Return a row for each execution and figure: coverage in all and in each host, and widths."""
    rows = []
    for key in product(EXECUTIONS, FIGURES):
        hosts = {host: of_host[key] for host, of_host in found.items()}
        held, pairs = in_all(found, key)
        rows.append(
            {
                "execution": key[0],
                "figure": key[1],
                "held": f"{held} of {pairs} ({held / pairs:.1%})",
                **{host: f"{one.share:.1%}, ± {math.expm1(one.half_width):.2%}" for host, one in hosts.items()},
                "width over ideal": ", ".join(number(one.relative_width, "{:.2f}") for one in hosts.values()),
            }
        )
    table_of_all: pd.DataFrame = pd.DataFrame(rows)
    return table_of_all


def across_hosts() -> str:
    """Return how often sessions of two hosts with boards of one name are called different in a graph.

    The first session of one host is compared with the first of another, and so on.
    """
    runs = {host: sessions for host, sessions in sessions_of_hosts().items() if host.startswith("h100")}
    called = total = 0
    for one, other in (pair for hosts in combinations(runs.values(), 2) for pair in zip(*hosts, strict=True)):
        for change in changes([one], [other]):
            if change.benchmark.endswith("graph") and change.metric in ("median_latency_ms", "energy_per_sample_mj"):
                total += 1
                called += change.verdict in ("better", "worse")
    return f"latency or energy in a graph was called different in {called} of {total} comparisons"


def one_after_another() -> str:
    """Return how often a session and the next one of the same host, which ran the same code, are called different."""
    called = []
    for sessions in sessions_of_hosts().values():
        for one, other in pairwise(sessions):
            compared = [
                change.verdict in ("better", "worse")
                for change in changes([one], [other])
                if change.benchmark.endswith("graph") and change.metric in COMPARED
            ]
            called.append((sum(compared), len(compared)))
    cases, total = sum(number for number, _ in called), sum(number for _, number in called)
    return (
        f"figures of a session and the next of its host were called different in {cases} of {total} cases "
        f"({cases / total:.1%}), in {sum(number > 0 for number, _ in called)} of {len(called)} comparisons"
    )


def of_the_same(sessions: list[Run]) -> tuple[str, str]:
    """Return how many ratios of FP32 to itself hold 1, and how many sentences call one faster, as `24 of 24 ratios`."""
    ratios = [abs(one.centre) <= one.half_width() for _, _, one in ratios_of_the_same(sessions)]
    sentences = [
        line
        for run in sessions
        for line in recommendations(
            table(run.benchmarks, run.environment), run.catalogue, tasks_of(run.environment), run.executions
        )
    ]
    wrong = sum(not line.startswith("Stay with fp32-graph") for line in sentences)
    return f"{sum(ratios)} of {len(ratios)} ratios", f"{wrong} of {len(sentences)} sentences"


def others(host: str) -> list[str]:
    """Return the other hosts with boards of the same name."""
    return [other for other in HOSTS if other != host and other.split("_")[0] == host.split("_")[0]]


def main() -> None:
    """Print the tables."""
    measured, shipped = (markdown_table(rows_of(found)) for found in (by_measured_floors(), by_shipped_floors()))
    print(f"Floor of the host's other sessions and of other hosts with such a board:\n\n{measured}")
    print(f"\nFloor of other hosts alone:\n\n{shipped}")
    ratios, sentences = of_the_same([run for folder in AGAIN for run in sessions_in(folder)])
    print(f"\nFP32 against itself: {ratios} hold 1; {sentences} call one faster.")
    print(f"\nOne session after another: {one_after_another()}.")
    print(f"\nOf boards of one name {across_hosts()}.")


if __name__ == "__main__":
    main()
