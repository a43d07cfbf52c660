"""What the 5% quantile, slopes of energy and floors of cases are worth: `python -m reference.variance.estimators`.

Reads the committed sessions. Prints Markdown.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import digamma, polygamma

from analysis.report.text_tables import markdown_table
from analysis.runs.estimator import by_variant
from analysis.uncertainty.figures import FIGURES
from analysis.uncertainty.noise_floor import AT_REFERENCE, series_of
from core.case import BASELINE
from core.statistics.rounds import ROUNDS_FOR_FAST, fast_ms
from reference.runs import details, rounds, saved
from reference.series import DEFAULTS
from reference.texts import DEFAULT

#: Draws rounds without replacement, the same ones each time.
SEED = 0
#: Logarithms of the visits of each session, of each host's sessions.
OfHosts = list[list[npt.NDArray[np.float64]]]


def estimators() -> pd.DataFrame:
    """Return by which standard deviation sessions differ, over all hosts, in each figure of a visit's rounds."""
    kinds: dict[str, Callable[[str], OfHosts]] = {
        "median": lambda name: of_visits(name, median_of),
        "5% quantile": lambda name: of_visits(name, fast_of),
        f"5% quantile of {ROUNDS_FOR_FAST} rounds a variant": lambda name: of_visits(name, fast_of_few),
    }
    rows = []
    for kind, visits in kinds.items():
        cases = {precision: visits(f"{precision}-graph") for precision in DEFAULT}
        gains = {
            f"{precision} speedup": [
                [one - other for one, other in zip(*hosts, strict=True)]
                for hosts in zip(cases[BASELINE], cases[precision], strict=True)
            ]
            for precision in DEFAULT
            if precision != BASELINE
        }
        found = {name: f"{spread_over_hosts(of):.3%}" for name, of in (cases | gains).items()}
        rows.append({"a visit's": kind, **found})
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


@cache
def archives(series: str) -> list[dict[str, npt.NDArray[Any]]]:
    """Return the single rounds of each session of a series."""
    found = []
    for file in rounds(series).values():
        with np.load(file, allow_pickle=False) as archive:
            found.append(dict(archive))
    return found


def of_visits(name: str, figure: Callable[[Mapping[bool, Any], float], float]) -> OfHosts:
    """Return the logarithms of a figure of each visit: it takes the rounds by variant, and the share of full ones."""
    found = []
    for series in DEFAULTS.values():
        shares = details(series, name, "latency.full_share")
        sessions = []
        for archive, share in zip(archives(series), shares, strict=True):
            parts = [archive[f"{name}/{part}"] for part in ("seconds", "visit", "full")]
            numbers = sorted(set(parts[1].tolist()))
            sessions.append(np.log([figure(by_variant(parts, number), share) for number in numbers]))
        found.append(sessions)
    return found


def median_of(rounds_s: Mapping[bool, Any], full_share: float) -> float:
    """Return the weighted median of a visit's rounds."""
    return full_share * float(np.median(rounds_s[True])) + (1 - full_share) * float(np.median(rounds_s[False]))


def fast_of(rounds_s: Mapping[bool, Any], full_share: float) -> float:
    """Return the weighted 5% quantile of a visit's rounds, NaN of too few."""
    found = fast_ms(dict(rounds_s), {True: full_share, False: 1 - full_share})
    return math.nan if found is None else found


def fast_of_few(rounds_s: Mapping[bool, Any], full_share: float) -> float:
    """Return the same of as few rounds as it takes, drawn from them."""
    generator = np.random.default_rng(SEED)
    few = {name: generator.choice(of, ROUNDS_FOR_FAST, replace=False) for name, of in rounds_s.items()}
    return fast_of(few, full_share)


def spread_over_hosts(of_hosts: OfHosts) -> float:
    """Return the standard deviation of session figures around their host's mean, over all hosts."""
    means = [np.array([visits.mean() for visits in sessions]) for sessions in of_hosts]
    squares = sum(float(((of_host - of_host.mean()) ** 2).sum()) for of_host in means)
    return math.sqrt(squares / sum(len(of_host) - 1 for of_host in means))


def freedoms() -> dict[str, float]:
    """Return the degrees of freedom between hosts' and cases' variances in a graph, of each figure.

    Those of a scaled inverse chi-square distribution of the variances, by the moments of their logarithms (Smyth, 2004,
    section 6.2); infinite where they differ by no more than so few sessions explain.
    """
    found = {}
    for figure in (*FIGURES, AT_REFERENCE):
        cells = [
            (floor.session**2, floor.degrees_of_freedom)
            for of in DEFAULTS.values()
            for key, floor in series_of(saved(of)).spreads.items()
            if (key.execution, key.figure) == ("graph", figure)
        ]
        found[figure] = prior_freedom(cells)
    return found


def prior_freedom(cells: Sequence[tuple[float, float]]) -> float:
    """Return the degrees of freedom of the distribution that variances are drawn from: pairs of one and its own."""
    logs = [math.log(variance) - digamma(nu / 2) + math.log(nu / 2) for variance, nu in cells]
    left = statistics.variance(logs) - statistics.fmean(float(polygamma(1, nu / 2)) for _, nu in cells)
    if left <= 0:
        return math.inf
    low, high = 1e-3, 1e6  # trigamma falls: halve the interval that holds the half of the result
    while high / low > 1 + 1e-9:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if polygamma(1, middle) > left else (low, middle)
    return 2 * low


def slopes() -> pd.DataFrame:
    """Return how the energy of graphs changes with temperature and gaps, host by host."""
    rows = []
    for host, of in DEFAULTS.items():
        one = series_of(saved(of)).slopes["graph"]
        rows.append(
            {
                "host": host,
                "a degree Celsius": f"{one.temperature:+.2%} ± {one.temperature_error:.2%}",
                "a percent of gaps": f"{one.gap / 100:+.2%} ± {one.gap_error / 100:.2%}",
            }
        )
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def main() -> None:
    """Print the tables."""
    print(f"{markdown_table(estimators())}\n\n{markdown_table(slopes())}\n")
    print("\n".join(f"- {figure}: {freedom:.1f}" for figure, freedom in freedoms().items()))


if __name__ == "__main__":
    main()
