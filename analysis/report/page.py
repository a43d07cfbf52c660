"""One run as one self-contained page: no network, sortable tables, pictures inside."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import jinja2
from markupsafe import Markup

from analysis.report.breakdown import breakdown_table, fused_table
from analysis.report.page_tables import (
    PROCEDURE_PATHS,
    activity_table,
    flat_environment,
    key_value_table,
    metric_table,
    results_table,
    seconds_table,
    table_of_paths,
    validity_table,
)
from analysis.report.plots import PLOTS, plots_of
from analysis.report.plots.plot import COURSES, REPEAT_PROMISE, SECTIONS
from analysis.report.plots.style import WIDTH_IN, conditions_height_in
from analysis.report.sentences import counted
from analysis.report.summary import RunSummary
from analysis.report.words import words_of
from analysis.runs.saved import SECONDS_KEY
from core.metrics import lookup

TEMPLATES = Path(__file__).parent
#: A list shows so many sentences, and folds those that follow.
MOST_SHOWN = 5
#: How an SVG file of matplotlib's says its size.
SVG_SIZE = re.compile(rb'<svg [^>]*?width="([\d.]+)pt" height="([\d.]+)pt"')
POINTS_PER_INCH = 72


class Picture(NamedTuple):
    """A picture of the page: its title and caption, the SVG file in base64, and how many times as wide as high."""

    title: str
    caption: str
    svg: str
    shape: str


def page(
    run: RunSummary,
    plots: Mapping[str, bytes],
    report_s: float | None = None,
    tables: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return the page of a run; `plots` are SVG files by their titles, and `report_s` the seconds that they took.

    `tables`: CSV files by their names, which the page holds and offers to save.

    Everything that comes from the run is escaped, and the page's own policy lets no script but its own run and nothing
    be loaded.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    script = asset("page.js")
    shown = pictures(run, plots)
    ids = {section: section.lower().replace(" ", "-") for section in SECTIONS}
    first = run.benchmarks[0]["extra_info"]
    return environment.get_template("page.html.j2").render(
        title=run.title,
        about=run.about,
        baselines=run.baselines,
        downloads={name: in_base64(content.encode()) for name, content in tables.items()},
        verdict=[sentence for sentence in run.advice if sentence not in run.explanations],
        run=run,
        most_shown=MOST_SHOWN,
        words=words_of(run.executions),
        results=results_table(run),
        pictures=shown,
        ids=ids,
        contents=contents(run, {ids[one]: one for one, plots in shown.items() if plots and one != COURSES}),
        counted=counted,
        courses=COURSES,
        conditions_share=f"{conditions_height_in(run) / WIDTH_IN:.2%}",
        procedures=table_of_paths(run, PROCEDURE_PATHS),
        activity=activity_table(run),
        validity=validity_table(run),
        metrics=metric_table(run),
        breakdown=breakdown_table(run),
        fused=fused_table(run),
        provenance=key_value_table(first.get("provenance")),
        integrity=key_value_table(lookup(first, "integrity.checks"), ("check", "passed")),
        environment=key_value_table(flat_environment(run.environment)),
        seconds=seconds_table(run.environment.get(SECONDS_KEY), report_s),
        style=asset("page.css"),
        script=script,
        script_sha256=in_base64(hashlib.sha256(script.encode()).digest()),
    )


def in_base64(content: bytes) -> str:
    """Return bytes as a data URL has them."""
    return base64.b64encode(content).decode()


def shape_of(svg: bytes, hidden_in: float) -> str:
    """Return how many times as wide as high a picture is without its lowest inches, which the page hides.

    `1` for one that does not say its size.
    """
    size = SVG_SIZE.search(svg)
    if size is None:
        return "1"
    width_pt, height_pt = map(float, size.groups())
    return f"{width_pt / max(height_pt - POINTS_PER_INCH * hidden_in, 1.0):.3f}"


def asset(name: str) -> Markup:
    """Return one of the page's own files, which is not escaped: nothing in it comes from a run."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704


def contents(run: RunSummary, sections: Mapping[str, str]) -> dict[str, str]:
    """Return the headings of the page by the names that links have for them; `sections` are those of pictures."""
    caveats = {"caveats": "Caveats"} if run.notes else {}
    return {"verdict": "What to use", "results": "Results", **caveats, **sections, "details": "Details"}


def pictures(run: RunSummary, plots: Mapping[str, bytes]) -> dict[str, list[Picture]]:
    """Return each section's pictures; `plots` are SVG files by title."""
    sections: dict[str, list[Picture]] = {section: [] for section in SECTIONS}
    hidden_in = conditions_height_in(run)
    for plot in (*PLOTS.values(), *plots_of(run.tasks)):
        if plot.title in plots:
            caption = plot.caption.replace(REPEAT_PROMISE, run.repeat_promise)
            content = plots[plot.title]
            sections[plot.section].append(
                Picture(plot.title, caption, in_base64(content), shape_of(content, hidden_in))
            )
    return sections
