"""What the average coverage of all cases hides: each case, its worst host, how far hosts differ, and CPUs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import product

import numpy as np
import pandas as pd

from analysis.uncertainty.chosen_floors import Floors
from analysis.uncertainty.coverage import RATIOS, Coverage, coverage
from analysis.uncertainty.figures import FIGURES
from analysis.uncertainty.noise_floor import AT_REFERENCE
from core.case import BASELINE, Case
from reference.runs import saved
from reference.series import CPU_DEFAULT, CPU_PRECISIONS
from reference.texts import DEFAULT, Count
from reference.variance.coverage import Found, of_execution, sessions_of_hosts

#: Draws of as many hosts as there are, with a fixed seed, and the ends of a 95% interval of what they hold.
DRAWS, SEED, ENDS = 10_000, 0, (0.025, 0.975)


def of_case(case: Case) -> str:
    """Return a case's precision and execution."""
    return f"{case.precision}-{case.execution}"


def rows_by_case(found: Found) -> pd.DataFrame:
    """Return a row for each figure of each case in a graph: coverage in all, over hosts, and on the worst of them."""
    rows = []
    for figure, precision in product((*FIGURES, AT_REFERENCE), DEFAULT):
        if figure in RATIOS and precision == BASELINE:
            continue
        key = (f"{precision}-graph", figure)
        hosts = {host: of_host[key] for host, of_host in found.items()}
        held = Count(sum(one.held for one in hosts.values()), sum(one.pairs for one in hosts.values()))
        low, high = over_hosts(hosts.values())
        worst = min(hosts, key=lambda host: hosts[host].share)
        widths = sorted(math.expm1(one.half_width) for one in hosts.values())
        rows.append(
            {
                "figure": figure,
                "graph": precision,
                "held": f"{held} ({held.share:.1%})",
                "95% interval over hosts": f"{low:.0%} to {high:.0%}",
                "worst host": f"{hosts[worst].share:.0%} ({worst})",
                "half-width": f"± {widths[0]:.2%} to {widths[-1]:.2%}",
            }
        )
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def over_hosts(hosts: Iterable[Coverage]) -> tuple[float, float]:
    """Return the 95% interval of the share that other hosts like these would hold, drawn from them with replacement.

    Source: Davison and Hinkley, Bootstrap Methods and their Application (1997), section 3.8: of data in groups, draw
    groups.
    """
    held, pairs = (np.array(values) for values in zip(*((one.held, one.pairs) for one in hosts), strict=True))
    drawn = np.random.default_rng(SEED).integers(0, len(held), (DRAWS, len(held)))
    low, high = np.quantile(held[drawn].sum(axis=1) / pairs[drawn].sum(axis=1), ENDS)
    return float(low), float(high)


def by_assumed_floors(series: str) -> dict[tuple[str, str], Coverage]:
    """Return what the sessions of a machine hold of each other where nothing was measured there, by execution."""
    return coverage(saved(series), lambda *_: Floors({}), of_execution)  # a floor that is not there is assumed


def rows_of_cpus() -> pd.DataFrame:
    """Return a row for each execution and figure of the CPUs' sessions, judged by what is assumed of any CPU."""
    rows = []
    for series in (CPU_DEFAULT, CPU_PRECISIONS):
        for (execution, figure), one in by_assumed_floors(series).items():
            if figure in ("latency", "speedup"):
                rows.append(
                    {
                        "machine": series.partition("/")[0],
                        "execution": execution,
                        "figure": figure,
                        "held": f"{one.held} of {one.pairs} ({one.share:.0%})",
                        "half-width": f"± {math.expm1(one.half_width):.0%}",
                    }
                )
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def longest_minutes() -> int:
    """Return within how many minutes the first and the last session of a host began, on the host where it is most."""
    spans = []
    for sessions in sessions_of_hosts().values():
        begun = [moment for run in sessions if (moment := run.dated.moment) is not None]
        spans.append((max(begun) - min(begun)).total_seconds() / 60)
    return math.ceil(max(spans))
