"""What README.md, results.md and coverage.md take of intervals of a repeat: a function a part."""

from __future__ import annotations

import math
import statistics

from analysis.report.text_tables import markdown_table
from analysis.uncertainty.coverage import coverage, without
from reference import series
from reference.figures.pages import Figures
from reference.figures.variance import session_spread
from reference.runs import saved, values
from reference.texts import COUNTS, Count, span
from reference.variance.cases import longest_minutes, of_case, rows_by_case, rows_of_cpus
from reference.variance.coverage import (
    Found,
    across_hosts,
    by_measured_floors,
    by_shipped_floors,
    in_all,
    of_the_same,
    one_after_another,
    rows_of,
    sessions_of_hosts,
)
from reference.variance.power import ENERGY, LATENCY, found_changes

#: Those that are called latency, speedup, energy and saving in sentences.
FIRST_FIGURES = ("latency", "speedup", "energy", "energy saving")


def coverage_of_measured() -> Figures:
    """How often intervals held, by floors of the host's own other sessions and of other hosts."""
    return {"table": markdown_table(rows_of(by_measured_floors()))}


def coverage_of_shipped() -> Figures:
    """How often intervals held, by floors of other hosts alone."""
    return {"table": markdown_table(rows_of(by_shipped_floors()))}


def coverage_by_host() -> Figures:
    """Which hosts hold the least, how their sessions differ, and what their own floors hold."""
    unsteady, warmest = "h100_9c937667", "h100_c846fd5f"
    found = by_measured_floors()
    of_hosts = [one.share for of_host in found.values() for key, one in of_host.items() if key[0] == "graph"]
    spreads = {host: session_spread(of, "latency", "graph") for host, of in sessions_of_hosts().items()}
    others = [spread for host, spread in spreads.items() if host.startswith("h100") and host != unsteady]
    return {
        "every_host": span(of_hosts, "{:.0%}"),
        "unsteady": {
            "latency": f"{found[unsteady]['graph', 'latency'].share:.1%}",
            "spread": f"{spreads[unsteady]:.2%}",
            "by_its_own": own_floor(unsteady, "latency"),
        },
        "others": {"count": COUNTS[len(others)], "spread": span(others, "{:.2%}")},
        "warmest": {
            "energy": f"{found[warmest]['graph', 'energy'].share:.1%}",
            "by_its_own": own_floor(warmest, "energy"),
        },
    }


def own_floor(host: str, figure: str) -> dict[str, str]:
    """Return how many pairs of a host its own other sessions hold in graphs, and by which half-width."""
    sessions = sessions_of_hosts()[host]
    found = coverage(sessions, lambda *pair: without(pair, sessions))["graph", figure]
    return {
        "held": f"{found.held} of {found.pairs} ({found.share:.0%})",
        "half_width": f"{math.expm1(found.half_width):.1%}",
    }


def worst_by_shipped() -> Figures:
    """What floors of other hosts alone hold on the hosts that scatter most."""
    return {figure: f"{worst(figure):.0%}" for figure in ("latency", "energy")}


def worst(figure: str) -> float:
    """Return the lowest share that floors of other hosts alone hold on any host, of a figure in graphs."""
    return min(found["graph", figure].share for found in by_shipped_floors().values())


def coverage_by_case() -> Figures:
    """What each case in a graph holds, on its worst host, and over hosts."""
    return {"table": markdown_table(rows_by_case(by_measured_floors(of_case)))}


def coverage_by_case_elsewhere() -> Figures:
    """The same by floors of other hosts alone."""
    return {"table": markdown_table(rows_by_case(by_shipped_floors(of_case)))}


def coverage_of_cpus() -> Figures:
    """What intervals hold that are assumed of a CPU."""
    return {"table": markdown_table(rows_of_cpus())}


def how_near() -> Figures:
    """How near to each other in time the sessions are that this is made of."""
    return {"minutes": longest_minutes()}


def worst_case() -> dict[str, str]:
    """Return what the latency of the case that is held least often is held in, in all and on its worst host."""
    rows = rows_by_case(by_measured_floors(of_case))
    latencies = rows[rows["figure"] == "latency"]
    row = latencies.loc[latencies["worst host"].map(lambda text: float(text.split("%")[0])).idxmin()]
    share = row["held"].rpartition("(")[2].rstrip(")")
    return {"case": str(row["graph"]).upper(), "share": share, "worst": row["worst host"].split(" ")[0]}


def coverage_of_compiled() -> Figures:
    """What the sessions of compiled forwards hold of each other."""
    sessions = saved(series.COMPILED_ELSEWHERE[0])
    found = coverage(sessions, lambda *pair: without(pair, sessions))
    return {
        figure: {"held": Count(one.held, one.pairs), "half_width": f"{math.expm1(one.half_width):.2%}"}
        for figure, one in ((figure, found["compiled", figure]) for figure in ("latency", "energy"))
    }


def the_same_again() -> Figures:
    """How often a comparison finds a change where nothing was changed."""
    found = one_after_another()
    return {"cases": found.cases, "share": f"{found.cases.share:.1%}", "comparisons": found.comparisons}


def changes_found() -> Figures:
    """How often a change that was made is found, of one session against another."""
    found = found_changes()
    return {
        "latency": f"{LATENCY - 1:.1%}",
        "energy": f"{ENERGY - 1:.0%}",
        "comparisons": found["fp32"].median.of,
        "either": ", ".join(f"{one.either.share:.0%}" for one in found.values()),
        "median": ", ".join(f"{one.median.share:.0%}" for one in found.values()),
        "energies": ", ".join(f"{one.energy.share:.0%}" for one in found.values()),
    }


def fp32_again() -> Figures:
    """What sessions say that measured FP32 twice."""
    found = of_the_same()
    return {
        "sessions": found.sessions,
        "hosts": COUNTS[len(series.AGAIN)],
        "ratios": found.ratios,
        "sentences": found.sentences,
    }


def boards_of_one_name() -> Figures:
    """How often boards of one name are called different."""
    return {"hosts": COUNTS[sum(host.startswith("h100") for host in series.HOSTS)], "different": across_hosts()}


def coverage_in_short() -> Figures:
    """How often intervals held, in whole percent."""
    return {
        **sessions_and_boards(),
        "measured": shares(by_measured_floors(), ".0%"),
        "shipped": shares(by_shipped_floors(), ".0%"),
        "worst_case": worst_case(),
        "minutes": longest_minutes(),
    }


def coverage_in_words() -> Figures:
    """How often intervals held, and how wide they are."""
    measured = by_measured_floors()
    return {
        **sessions_and_boards(),
        "measured": shares(measured, ".1%"),
        "shipped": shares(by_shipped_floors(), ".1%"),
        **{figure: half_widths(measured, figure) for figure in ("latency", "energy")},
        "worst_case": worst_case(),
        "minutes": longest_minutes(),
    }


def eager_ratios() -> Figures:
    """How many times as fast as FP32 an eager forward of 16 bits is, over the sessions of all hosts."""
    found = {
        precision: [
            one for of in series.DEFAULTS.values() for one in values(of, f"{precision}-eager", "speedup_vs_fp32")
        ]
        for precision in ("fp16", "mixed")
    }
    return {
        **sessions_and_boards(),
        **{
            precision: {
                "times": span(ratios, "{:.2f}"),
                "mean": f"{statistics.geometric_mean(ratios):.2f}",
                "slower": Count(sum(one < 1 for one in ratios), len(ratios)),
            }
            for precision, ratios in found.items()
        },
    }


def sessions_and_boards() -> dict[str, str | int]:
    """Return how many sessions of how many boards the coverage is of."""
    sessions = sessions_of_hosts().values()
    return {"sessions": sum(map(len, sessions)), "boards": COUNTS[len(sessions)]}


def shares(found: Found, form: str) -> str:
    """Return the share of pairs held in graphs, of each figure in order."""
    *first, last = (f"{in_all(found, ('graph', figure)).share:{form}}" for figure in FIRST_FIGURES)
    return f"{', '.join(text.removesuffix('%') for text in first)} and {last}"


def half_widths(found: Found, figure: str) -> str:
    """Return the narrowest and widest median half-width of the hosts in graphs."""
    return span((math.expm1(of_host["graph", figure].half_width) for of_host in found.values()), "{:.1%}")
