"""What variance.md, energy.md and latency.md take of the default sessions of every host: a function a part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from analysis.comparison.variance import component_rows
from analysis.report.text_tables import markdown_table
from analysis.runs.saved import Run
from analysis.uncertainty.figures import FIGURES
from analysis.uncertainty.variance import components
from core.errors import InputError
from reference import series
from reference.figures.pages import Figures
from reference.runs import details, rounds, saved, text, values
from reference.series import DEFAULTS, H100_DEFAULT
from reference.texts import COUNTS, DEFAULT, Count, span
from reference.variance import estimators as measured
from reference.variance.checks import (
    interval_rows,
    order_bias,
    other_options,
    series_of_other_options,
    temperature,
    visits_of_case,
)

#: The variants of a batch: all its masks are ones, or not.
VARIANTS = ("full", "padded")


def boards() -> Figures:
    """Series, board and number of sessions of every host."""
    rows = []
    for of_host in DEFAULTS.values():
        sessions = saved(of_host)
        gpu = sessions[0].environment["gpu"]
        board = f"{gpu['name']}, UUID {gpu['uuid'].rsplit('-', 4)[0]}-…"
        rows.append({"series": f"`{of_host}`", "board": board, "sessions": len(sessions)})
    return {"table": markdown_table(pd.DataFrame(rows))}


def variance() -> Figures:
    """The components of variance of every host's sessions."""
    tables = {one: markdown_table(pd.DataFrame(list(component_rows(saved(one))))) for one in DEFAULTS.values()}
    return {"hosts": [{"series": one, "table": table} for one, table in tables.items()]}


def repeatability() -> Figures:
    """How far session figures differ, over all hosts."""
    return {
        "latency": spreads("latency", "graph", "{:.2%}"),
        "speedup": spreads("speedup", "graph", "{:.2%}"),
        "energy": spreads("energy", "graph", "{:.2%}"),
        "saving": spreads("energy saving", "graph", "{:.2%}"),
        "eager_latency": spreads("latency", "eager", "{:.0%}"),
        "eager_energy": spreads("energy", "eager", "{:.0%}"),
    }


def spreads(figure: str, execution: str, form: str) -> str:
    """Return the smallest and the largest spread of a figure between the sessions of a host."""
    return span((session_spread(saved(one), figure, execution) for one in DEFAULTS.values()), form)


def session_spread(sessions: Sequence[Run], figure: str, execution: str) -> float:
    """Return the standard deviation of a figure between the sessions of one host. Raises `InputError` without any."""
    of_cases = [
        {case: of for case, of in FIGURES[figure](run).items() if case.execution == execution} for run in sessions
    ]
    found = components(of_cases)
    if found is None:
        raise InputError(f"{len(sessions)} session(s) have no spread in {execution} {figure}; expected two or more.")
    return found.session.value


def estimators() -> Figures:
    """How far sessions differ in the median of a visit's rounds, and in their 5% quantile."""
    return {"table": markdown_table(measured.estimators())}


def freedoms() -> Figures:
    """How much the variances of hosts and cases differ, in degrees of freedom."""
    return {"figures": [{"figure": name, "freedom": f"{freedom:.1f}"} for name, freedom in measured.freedoms().items()]}


def slopes() -> Figures:
    """How energy changes with temperature and gaps, on every host."""
    return {"table": markdown_table(measured.slopes())}


def temperatures() -> Figures:
    """How energy changes with the board's temperature, on every host."""
    return {
        "hosts": [
            {
                "board": named(host),
                "degrees": span(degrees(saved(of_host)), "{:.0f}"),
                "found": temperature(saved(of_host)).as_row(),
            }
            for host, of_host in DEFAULTS.items()
        ]
    }


def degrees(sessions: Sequence[Run]) -> Iterator[float]:
    """Give the temperature of the board in each visit of a graph, in degrees Celsius."""
    for name in DEFAULT:
        for run in sessions:
            yield from (visit["temperature_c"] for visit in visits_of_case(run, f"{name}-graph"))


def options() -> Figures:
    """Which figures other options move, on the board where they were tried."""
    tried = []
    for other in series_of_other_options(series.OPTIONS):
        table = other_options(saved(DEFAULTS[series.OPTIONS]), saved(other))
        beyond = table[table["beyond"]].drop(columns="beyond")
        tried.append(
            {
                "name": other.partition("/")[2],
                "sessions": len(saved(other)),
                "differ": Count(len(beyond), len(table)),
                "by_chance": f"{0.05 * len(table):.1f}",
                "beyond": [row | {"errors": f"{abs(row['errors']):.1f}"} for row in beyond.to_dict("records")],
            }
        )
    return {"tried": tried}


def kernel_order() -> Figures:
    """How often full rows seemed to take longer than padded ones, which run more kernels: earlier, and now."""
    before = [one for one in DEFAULTS.values() if one != H100_DEFAULT]
    return {
        "sessions": sum(len(saved(one)) for one in before),
        "longer": sum(map(full_longer, before)),
        "since": {"series": H100_DEFAULT, "sessions": len(saved(H100_DEFAULT)), "longer": full_longer(H100_DEFAULT)},
    }


def full_longer(path: str) -> int:
    """Return how many sessions of a series found longer kernel times in full rows of FP16 than in padded ones."""
    found = []
    for execution in ("graph", "eager"):
        times = (details(path, f"fp16-{execution}", f"latency.{variant}_kernel_time_ms") for variant in VARIANTS)
        found.append([full > padded for full, padded in zip(*times, strict=True)])
    return sum(map(any, zip(*found, strict=True)))


def order() -> Figures:
    """By how much a visit's time changes from the first place of a session to the last, on every host."""
    tables = [
        order_bias(saved(of_host)).set_index("benchmark").set_axis([named(host)], axis=1)
        for host, of_host in DEFAULTS.items()
    ]
    return {"table": markdown_table(pd.concat(tables, axis=1).reset_index())}


def old_intervals() -> Figures:
    """How often intervals that leave out other sessions held another session's figure."""
    columns = {}
    for host, of_host in DEFAULTS.items():
        rows = interval_rows(saved(of_host), list(rounds(of_host).values()))
        columns[named(host)] = {
            (row["interval"], execution): row[execution] for execution in ("graph", "eager") for row in rows
        }
    table = pd.DataFrame(columns).rename_axis(["interval", "execution"]).reset_index()
    return {"table": markdown_table(table)}


def gaps() -> Figures:
    """In which share of the time no round runs, in the default sessions of all hosts."""
    return {
        "fp32": gap_shares("fp32-graph"),
        "half": gap_shares("fp16-graph", "mixed-graph"),
        "eager": gap_shares(*(f"{name}-eager" for name in DEFAULT)),
    }


def gap_shares(*names: str) -> str:
    """Return the smallest and the largest share of the time in which no round of some benchmarks runs."""
    found = (values(of_host, name, "loop_gap_share") for of_host in DEFAULTS.values() for name in names)
    return span((one for of_case in found for one in of_case), "{:.1%}")


def cross_checks() -> Figures:
    """By how much the counter and the power over time differ, on all hosts."""
    first, *rest = (
        [one for name in DEFAULT for one in values(of_host, f"{name}-graph", "cross_check_rel")]
        for of_host in DEFAULTS.values()
    )
    return {
        "boards": COUNTS[len(rest)],
        "later": span((one for of_host in rest for one in of_host), "{:+.1%}"),
        "first": span(first, "{:+.1%}"),
    }


def cold_board() -> Figures:
    """What `reference.variance.cold_board` printed."""
    return {"printed": text(series.COLD_BOARD).strip()}


def named(host: str) -> str:
    """Return a host's name as a heading: `h100_0fc80ab7` is H100 0fc80ab7."""
    kind, board = host.split("_")
    return f"{kind.upper()} {board}"
