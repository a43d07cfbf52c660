"""How often a comparison of one session with another finds a change: the figures of the later one, scaled."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from typing import Any, NamedTuple

from analysis.comparison.changes import changes
from analysis.runs.saved import Run
from core.case import case_of
from reference.texts import DEFAULT, Count
from reference.variance.coverage import sessions_of_hosts

#: How many times as large a benchmark's latencies and energies are made, and of how many pairs of a host's sessions one
#: is compared.
LATENCY, ENERGY, ONE_IN = 1.015, 1.03, 6


class Found(NamedTuple):
    """In how many comparisons a change was called worse."""

    #: In the median, or in it or the 5% quantile.
    median: Count
    either: Count
    energy: Count


def found_changes() -> dict[str, Found]:
    """Return what was found by precision, in graphs, by the floors that a user of these machines has."""
    found = {}
    for precision in DEFAULT:
        name = f"{precision}-graph"
        verdicts = [verdicts_of(one, scaled(other, name), name) for one, other in pairs()]
        medians = [of["median_latency_ms"] == "worse" for of in verdicts]
        fasts = [of.get("fast_latency_ms") == "worse" for of in verdicts]
        either = sum(median or fast for median, fast in zip(medians, fasts, strict=True))
        energies = [of.get("energy_per_sample_mj") == "worse" for of in verdicts]
        number = len(verdicts)
        found[precision] = Found(Count(sum(medians), number), Count(either, number), Count(sum(energies), number))
    return found


def pairs() -> Iterator[tuple[Run, Run]]:
    """Give pairs of sessions of one host."""
    for sessions in sessions_of_hosts().values():
        yield from list(permutations(sessions, 2))[::ONE_IN]


def verdicts_of(before: Run, after: Run, name: str) -> dict[str, str]:
    """Return what is said of each metric of a benchmark."""
    return {one.metric: one.verdict for one in changes([before], [after]) if one.benchmark == name}


def scaled(run: Run, name: str) -> Run:
    """Return a run in which a benchmark takes more time and energy."""
    items = [item if case_of(item).id != name else as_slow(item) for item in run.benchmarks]
    return replace(run, benchmarks=tuple(items))


def as_slow(item: dict[str, Any]) -> dict[str, Any]:
    """Return a benchmark with its latencies and energies scaled, those of its visits too."""
    changed = copy.deepcopy(item)
    extra_info = changed["extra_info"]
    for part in (*extra_info["visits"], extra_info["latency"]):
        for key in ("median_ms", "fast_ms"):
            part[key] = part[key] * LATENCY if part.get(key) is not None else None
    for part in extra_info["visits"]:
        part["energy_mj"] = part["energy_mj"] * ENERGY if part["energy_mj"] is not None else None
    if extra_info["energy"]["energy_per_sample_mj"] is not None:
        extra_info["energy"]["energy_per_sample_mj"] *= ENERGY
    return changed
