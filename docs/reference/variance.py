"""What README.md and docs/ say of sessions and of the intervals of a repeat: a function a block."""

from __future__ import annotations

import pandas as pd

from analysis.comparison.variance import component_rows
from analysis.report.text_tables import markdown_table
from analysis.uncertainty.variance import FIGURES
from docs.reference.runs import paragraph, span, values
from docs.variance.checks import interval_rows, order_bias
from docs.variance.coverage import (
    HOSTS,
    REFERENCE,
    Found,
    by_measured_floors,
    by_shipped_floors,
    in_all,
    rows_of,
    sessions_of_hosts,
)

COUNTS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight"}


def boards() -> str:
    """Folder, board and number of sessions of every host."""
    rows = []
    for host, sessions in sessions_of_hosts().items():
        gpu = sessions[0].environment["gpu"]
        folder = HOSTS[host].relative_to(REFERENCE)
        board = f"{gpu['name']}, UUID {gpu['uuid'].rsplit('-', 4)[0]}-…"
        rows.append({"folder": f"`{folder}`", "board": board, "sessions": len(sessions)})
    return markdown_table(pd.DataFrame(rows))


def variance() -> str:
    """The components of variance of every host's sessions, each behind the command that prints it."""
    parts = []
    for host, sessions in sessions_of_hosts().items():
        command = f"python -m analysis variance {HOSTS[host].relative_to(REFERENCE.parents[1])}/*.json"
        parts.append(f"```\n{command}\n```\n\n{markdown_table(pd.DataFrame(list(component_rows(sessions))))}")
    return "\n\n".join(parts)


def order() -> str:
    """By how much a visit's time changes from the first place of a session to the last, on every host."""
    tables = [
        order_bias(sessions).set_index("benchmark").set_axis([named(host)], axis=1)
        for host, sessions in sessions_of_hosts().items()
    ]
    return markdown_table(pd.concat(tables, axis=1).reset_index())


def old_intervals() -> str:
    """How often the intervals of earlier editions held another session's figure."""
    columns = {}
    for host, sessions in sessions_of_hosts().items():
        rows = interval_rows(sessions, sorted(HOSTS[host].glob("rounds/*.npz")))
        columns[named(host)] = {
            (row["interval"], execution): row[execution] for execution in ("graph", "eager") for row in rows
        }
    table = pd.DataFrame(columns).rename_axis(["interval", "execution"]).reset_index()
    return markdown_table(table)


def coverage_of_measured() -> str:
    """How often intervals held, by floors of the host's own other sessions and of other hosts."""
    return markdown_table(rows_of(by_measured_floors()))


def coverage_of_shipped() -> str:
    """How often intervals held, by floors of other hosts alone."""
    return markdown_table(rows_of(by_shipped_floors()))


def coverage_in_short() -> str:
    """The item of README.md on intervals."""
    worst = min(found["graph", "latency"].share for found in by_shipped_floors().values())
    text = (
        "- **Intervals that are checked.** Beside a figure stands where another session on the same machine should "
        f"find it, 19 times in 20. On {sessions_and_boards()} it held {shares(by_measured_floors())} of latencies, "
        f"speedups, energies and savings in CUDA graphs where that machine's noise floor was known, and "
        f"{shares(by_shipped_floors())} by floors of other hosts alone ({worst:.0%} of latencies on the most restless "
        "host): `python -m benchmarks --repeats 10` measures yours ([docs/coverage.md](docs/coverage.md))."
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
        folders = [str(folder.relative_to(REFERENCE)) for folder in HOSTS.values()]
        ratios = [values(folder, f"{precision}-eager", "speedup_vs_fp32") for folder in folders]
        texts.append(span((one for of_host in ratios for one in of_host), "{:.2f}"))
    return f"In the {sessions_and_boards()} FP16 had {texts[0]} times FP32's speed, mixed precision {texts[1]} times."


def named(host: str) -> str:
    """Return a host's name as a heading: `h100_0fc80ab7` is H100 0fc80ab7."""
    kind, board = host.split("_")
    return f"{kind.upper()} {board}"


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
    widths = [of_host["graph", figure].half_width for of_host in found.values()]
    return f"{100 * min(widths):.1f} to {max(widths):.1%}"
