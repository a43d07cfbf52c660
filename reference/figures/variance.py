"""What variance.md, energy.md and latency.md say of the default sessions of every host: a function a block."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.comparison.variance import component_rows
from analysis.report.text_tables import markdown_table
from analysis.runs.saved import Run
from analysis.uncertainty.variance import FIGURES, components
from core.errors import InputError
from reference.runs import COUNTS, DEFAULT, details, paragraph, saved, span, values
from reference.variance.checks import interval_rows, options_lines, order_bias, temperature, visits_of_case
from reference.variance.coverage import HOSTS, REFERENCE, sessions_of_hosts

#: Of a batch: all its masks are ones, or not.
VARIANTS = ("full", "padded")
FOLDERS = [str(folder.relative_to(REFERENCE)) for folder in HOSTS.values()]


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


def repeatability() -> str:
    """How far session figures differ, over all hosts."""

    def spreads(figure: str, execution: str) -> str:
        of_hosts = (session_spread(sessions, figure, execution) for sessions in sessions_of_hosts().values())
        return span(of_hosts, "{:.2%}" if execution == "graph" else "{:.0%}")

    return paragraph(
        f"In a graph a session's figure repeats to {spreads('latency', 'graph')} in latency, "
        f"{spreads('speedup', 'graph')} in speedup, {spreads('energy', 'graph')} in energy and "
        f"{spreads('energy saving', 'graph')} in its saving. In eager execution latency repeats to "
        f"{spreads('latency', 'eager')} and energy to {spreads('energy', 'eager')}: the host's state changes within "
        "seconds."
    )


def session_spread(sessions: Sequence[Run], figure: str, execution: str) -> float:
    """Return the standard deviation of a figure between the sessions of one host. Raises `InputError` without any."""
    of_cases = [
        {case: of for case, of in FIGURES[figure](run).items() if case.execution == execution} for run in sessions
    ]
    found = components(of_cases)
    if found is None:
        raise InputError(f"{len(sessions)} session(s) have no spread in {execution} {figure}; expected two or more.")
    return found.session.value


def temperatures() -> str:
    """How energy changes with the board's temperature, on every host."""
    lines = []
    for host, sessions in sessions_of_hosts().items():
        folder = str(HOSTS[host].relative_to(REFERENCE))
        visits = [one for name in DEFAULT for run in sessions for one in visits_of_case(run, f"{name}-graph")]
        degrees = span((visit["temperature_c"] for visit in visits), "{:.0f}", " C")
        lines.append(f"- {named(host)} (`{folder}`), {degrees}: {temperature(sessions)}.")
    return "\n".join(lines)


def options() -> str:
    """Which figures other options move, on the board where they were tried."""
    sessions, folder = sessions_of_hosts()["h100_c846fd5f"], HOSTS["h100_c846fd5f"]
    others = [path.parent for path in sorted(folder.glob("*/0001.json"))]
    return "\n".join(line for other in others for line in options_lines(sessions, other))


def kernel_order() -> str:
    """How often full rows seemed to take longer than padded ones, which run more kernels: earlier, and now."""
    since = "h100/default"
    before = [folder for folder in FOLDERS if folder != since]
    longer, sessions = sum(map(full_longer, before)), sum(len(saved(folder)) for folder in before)
    return paragraph(
        "The device's ceilings are measured after the profile, since the large products lower the clock for a while. "
        f"Of the {sessions} sessions of earlier versions, which measured them before it, {longer} say that the kernels "
        "of FP16's full rows take longer than those of its padded rows, of which there are more; of the "
        f"{len(saved(since))} sessions of `{since}`, measured since, {full_longer(since)} do."
    )


def full_longer(folder: str) -> int:
    """Return how many sessions of a folder found longer kernel times in full rows of FP16 than in padded ones."""
    found = []
    for execution in ("graph", "eager"):
        times = (details(folder, f"fp16-{execution}", f"latency.{variant}_kernel_time_ms") for variant in VARIANTS)
        found.append([full > padded for full, padded in zip(*times, strict=True)])
    return sum(map(any, zip(*found, strict=True)))


def order() -> str:
    """By how much a visit's time changes from the first place of a session to the last, on every host."""
    tables = [
        order_bias(sessions).set_index("benchmark").set_axis([named(host)], axis=1)
        for host, sessions in sessions_of_hosts().items()
    ]
    return markdown_table(pd.concat(tables, axis=1).reset_index())


def old_intervals() -> str:
    """How often intervals that leave out other sessions held another session's figure."""
    columns = {}
    for host, sessions in sessions_of_hosts().items():
        rows = interval_rows(sessions, sorted(HOSTS[host].glob("rounds/*.npz")))
        columns[named(host)] = {
            (row["interval"], execution): row[execution] for execution in ("graph", "eager") for row in rows
        }
    table = pd.DataFrame(columns).rename_axis(["interval", "execution"]).reset_index()
    return markdown_table(table)


def gaps() -> str:
    """In which share of the time no round runs, in the default sessions of all hosts."""

    def share(*names: str) -> str:
        found = (values(folder, name, "loop_gap_share") for folder in FOLDERS for name in names)
        return span((one for of_case in found for one in of_case), "{:.1%}")

    return paragraph(
        f"In the sessions of [variance.md](variance.md) that is {share('fp32-graph')} of the time in FP32's graph, "
        f"{share('fp16-graph', 'mixed-graph')} in those of FP16 and mixed precision, and "
        f"{share(*(f'{name}-eager' for name in DEFAULT))} in eager."
    )


def cross_checks() -> str:
    """By how much the counter and the power over time differ, on all hosts."""
    first, *rest = (
        [one for name in DEFAULT for one in values(folder, f"{name}-graph", "cross_check_rel")] for folder in FOLDERS
    )
    return paragraph(
        f"On the last {COUNTS[len(rest)]} boards of [variance.md](variance.md) the two differed by "
        f"{span((one for of_host in rest for one in of_host), '{:+.1%}')}; the first ten sessions, on H100 0fc80ab7, "
        f"made the check on an eager loop ({span(first, '{:+.1%}')})."
    )


def cold_board() -> str:
    """What `reference.variance.cold_board` printed."""
    return (REFERENCE / "single" / "cold_board.md").read_text(encoding="utf-8").strip()


def named(host: str) -> str:
    """Return a host's name as a heading: `h100_0fc80ab7` is H100 0fc80ab7."""
    kind, board = host.split("_")
    return f"{kind.upper()} {board}"
