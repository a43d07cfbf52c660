"""What README.md and docs/ say of intervals of a repeat: a function a block."""

from __future__ import annotations

import math
import statistics

from analysis.report.text_tables import markdown_table
from analysis.uncertainty.coverage import coverage, without
from analysis.uncertainty.variance import FIGURES
from reference.figures.variance import FOLDERS, session_spread
from reference.runs import COUNTS, paragraph, span, values
from reference.variance.coverage import (
    AGAIN,
    SESSIONS,
    Found,
    across_hosts,
    by_measured_floors,
    by_shipped_floors,
    in_all,
    of_the_same,
    one_after_another,
    rows_of,
    sessions_in,
    sessions_of_hosts,
)


def coverage_of_measured() -> str:
    """How often intervals held, by floors of the host's own other sessions and of other hosts."""
    return markdown_table(rows_of(by_measured_floors()))


def coverage_of_shipped() -> str:
    """How often intervals held, by floors of other hosts alone."""
    return markdown_table(rows_of(by_shipped_floors()))


def coverage_by_host() -> str:
    """Which hosts hold the least, why, and what their own floors hold."""
    found = by_measured_floors()
    of_hosts = [one.share for of_host in found.values() for key, one in of_host.items() if key[0] == "graph"]
    latency, energy = found["h100_9c937667"]["graph", "latency"], found["h100_c846fd5f"]["graph", "energy"]
    spreads = {host: session_spread(of, "latency", "graph") for host, of in sessions_of_hosts().items()}
    others = [spread for host, spread in spreads.items() if host.startswith("h100") and host != "h100_9c937667"]
    return paragraph(
        f"In graphs the coverage of a host is {100 * min(of_hosts):.0f} to {max(of_hosts):.0%}, because one pooled "
        f"noise floor serves steady and unsteady hosts. **h100_9c937667** holds {latency.share:.1%} in latency: its "
        f"sessions differ by {spreads['h100_9c937667']:.2%} where those of the other {COUNTS[len(others)]} H100s do by "
        f"{span(others, '{:.2%}')}. **h100_c846fd5f** holds {energy.share:.1%} in energy: its board's temperature "
        "varied most, because of what had run before, and energy rises with it ([variance.md](variance.md), which also "
        "says why h100_0fc80ab7's own runs call half of their energies disputed). By its own other sessions alone, as "
        f"a user judges who has measured only his machine, the first holds {own_floor('h100_9c937667', 'latency')} in "
        f"latency and the second {own_floor('h100_c846fd5f', 'energy')} in energy."
    )


def own_floor(host: str, figure: str) -> str:
    """Return how many pairs of a host its own other sessions hold in graphs, and by which half-width, as text."""
    sessions = sessions_of_hosts()[host]
    found = coverage(sessions, lambda *pair: without(pair, sessions))["graph", figure]
    return f"{found.held} of {found.pairs} ({found.share:.0%}) at ± {math.expm1(found.half_width):.1%}"


def worst_by_shipped() -> str:
    """What floors of other hosts alone hold on the hosts that scatter most."""
    latency, energy = (
        min(found["graph", figure].share for found in by_shipped_floors().values()) for figure in ("latency", "energy")
    )
    return paragraph(
        "Other hosts' floors are a fair guess for most figures and a bad one for some: of the hosts that scatter most, "
        f"{latency:.0%} of latencies and {energy:.0%} of energies are held. To rely on an interval, measure the floor "
        "where you measure: `python -m benchmarks --repeats 10`."
    )


def coverage_of_compiled() -> str:
    """What the sessions of compiled forwards hold of each other."""
    sessions = sessions_in(SESSIONS / "h100_ab0873c7")
    found = coverage(sessions, lambda *pair: without(pair, sessions))
    latency, energy = (found["compiled", figure] for figure in ("latency", "energy"))
    return paragraph(
        "**Compiled forwards.** Six sessions of FP32, FP16, INT8 and FP8 on one H100, and three of all nine precisions "
        "on each of two others, are the shipped floor of `compiled`. Each pair of the six judged by the other four, "
        f"{latency.held} of {latency.pairs} latencies and {energy.held} of {energy.pairs} energies are held, by "
        f"intervals of ± {math.expm1(latency.half_width):.2%} and ± {math.expm1(energy.half_width):.2%}. No second "
        "host was measured as often."
    )


def the_same_again() -> str:
    """How often a comparison finds a change where nothing was changed."""
    return paragraph(
        "**The same measured again.** Where nothing was changed, `python -m analysis compare` should not find a "
        f"change. Of latency, speedup, energy and saving in graphs, {one_after_another()}. The floors are those that a "
        "user of these machines has, and most of them contain these sessions."
    )


def fp32_again() -> str:
    """What sessions say that measured FP32 twice."""
    sessions = [run for folder in AGAIN for run in sessions_in(folder)]
    ratios, sentences = of_the_same(sessions)
    return paragraph(
        f"**FP32 against itself.** In {len(sessions)} sessions on {COUNTS[len(AGAIN)]} hosts FP32 was measured twice, "
        f"in a graph, under the shipped floor: {ratios} hold 1; {sentences} call one faster."
    )


def boards_of_one_name() -> str:
    """How often boards of one name are called different."""
    h100s = sum(host.startswith("h100") for host in sessions_of_hosts())
    return paragraph(
        f"**Across hosts** nothing is promised. Of the {COUNTS[h100s]} H100 hosts' sessions, the first of one against "
        f"the first of another and so on, {across_hosts()}: boards of one name differ by more than sessions do, and "
        "the comparison says that the boards differ."
    )


def coverage_in_short() -> str:
    """The item of README.md on intervals."""
    worst = min(found["graph", "latency"].share for found in by_shipped_floors().values())
    text = (
        "- **Intervals that are checked.** Each figure has an interval that should hold the figure of another session "
        f"on the same machine, 19 times in 20. On {sessions_and_boards()} it held {shares(by_measured_floors())} of "
        "latencies, speedups, energies and savings in CUDA graphs by noise floors that other sessions of the machine "
        f"are part of, and {shares(by_shipped_floors())} by floors of other hosts alone ({worst:.0%} of latencies on "
        "the noisiest host): `python -m benchmarks --repeats 10` measures yours ([docs/coverage.md](docs/coverage.md))."
    )
    return paragraph(text, "  ")


def coverage_in_words() -> str:
    """The paragraph of results.md on what the intervals are."""
    measured, shipped = by_measured_floors(), by_shipped_floors()
    latency, energy = (half_widths(measured, figure) for figure in ("latency", "energy"))
    text = (
        "**What the intervals are.** Beside a latency, an energy or a ratio stands the interval of a repeat: the "
        f"figure of another session on this machine lies in it 19 times in 20. On {sessions_and_boards()}, judged by "
        f"noise floors of other sessions, of the same host among them, it held {shares(measured, '.1%')} of latencies, "
        f"speedups, energies and savings in graphs, with half-widths of {latency} for latency and {energy} for energy; "
        f"by floors of other hosts alone, as a shipped one is, {shares(shipped, '.1%')} ([coverage.md](coverage.md)). "
        "Another board differs by more."
    )
    return paragraph(text)


def eager_ratios() -> str:
    """How many times as fast as FP32 an eager forward of 16 bits is, over the sessions of all hosts."""
    texts = []
    for precision in ("fp16", "mixed"):
        of_hosts = [values(folder, f"{precision}-eager", "speedup_vs_fp32") for folder in FOLDERS]
        ratios = [one for of_host in of_hosts for one in of_host]
        slower = sum(one < 1 for one in ratios)
        texts.append(
            f"{span(ratios, '{:.2f}')} times (geometric mean {statistics.geometric_mean(ratios):.2f}, slower than FP32 "
            f"in {slower} of {len(ratios)})"
        )
    return paragraph(
        f"In the {sessions_and_boards()} FP16 had {texts[0]} the speed of FP32, and mixed precision {texts[1]}."
    )


def sessions_and_boards() -> str:
    """Return how many sessions of how many boards the coverage is of."""
    sessions = sessions_of_hosts().values()
    return f"{sum(map(len, sessions))} sessions of {COUNTS[len(sessions)]} boards"


def shares(found: Found, form: str = ".0%") -> str:
    """Return the share of pairs held in graphs, of each figure in order."""
    counts = [in_all(found, ("graph", figure)) for figure in FIGURES]
    *first, last = (f"{held / pairs:{form}}" for held, pairs in counts)
    return f"{', '.join(text.removesuffix('%') for text in first)} and {last}"


def half_widths(found: Found, figure: str) -> str:
    """Return the narrowest and widest median half-width of the hosts in graphs."""
    return span((math.expm1(of_host["graph", figure].half_width) for of_host in found.values()), "{:.1%}")
