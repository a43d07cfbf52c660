"""The files that a run leaves for people: a CSV with everything, a Markdown summary, pictures and a page."""

from __future__ import annotations

import time
from pathlib import Path

from analysis.report.csv_tables import csv_tables
from analysis.report.summary import RunSummary
from analysis.report.text_tables import interval_legend, markdown_table, summary_table
from core.files import write
from core.folders import replaced_files
from core.safe_text import markdown, markdown_block
from core.tasks import TaskWords

PAGE_NAME = "report.html"
#: The file with the names of the others, by which the next run's take their place.
MANIFEST = ".report_files.txt"


def summary_name(words: TaskWords) -> str:
    """Return the name of the summary of a task."""
    return f"{words.files}_benchmark_summary.md"


def write_report(folder: Path, run: RunSummary) -> list[Path]:
    """Write tables, pictures and page of one run and return the paths of tables and page.

    Each task has a table of its own; the summary, called after the first, and the page have all of them. They take the
    place of those of the run before, all of them or, on a failure, none.

    Raises `OSError` where the folder cannot be written.
    """
    # Here, because templates and plots take their time to load, and most commands need neither.
    from analysis.report.page import page
    from analysis.report.plots import write_plots

    start_s = time.perf_counter()
    with replaced_files(folder, MANIFEST) as unfinished:
        tables = csv_tables(run)
        paths = [write(unfinished / name, content) for name, content in tables.items()]
        paths.append(write(unfinished / summary_name(next(iter(run.tasks.values()))), summary(run)))
        plots = write_plots(unfinished, run)
        paths.append(write(unfinished / PAGE_NAME, page(run, plots, time.perf_counter() - start_s, tables)))
    return [folder / path.name for path in paths]


def summary(run: RunSummary) -> str:
    """Return the Markdown summary: conditions, one table, notes on every figure that is missing."""
    parts = [f"# {markdown(run.title)}"]
    parts += [f"> **{markdown(notice)}**" for notice in run.notices]
    parts.append(bullets(run.conditions))
    parts.append(markdown_table(summary_table(run.frame, run.catalogue, run.dominated)))
    legend = interval_legend(run.frame, run.catalogue)
    parts += [markdown_block(legend)] if legend else []
    parts += map(markdown_block, [*run.advice, *run.published])
    parts += [bullets(run.gains_and_costs)] if run.gains_and_costs else []
    parts += [bullets(run.crossovers)] if run.crossovers else []
    if len(run.replies):
        parts.append(markdown_table(run.replies))
    if len(run.costs):
        parts.append(markdown_table(run.costs))
    if run.notes:
        parts.append(bullets(run.notes))
    return "\n\n".join(parts) + "\n"


def bullets(lines: list[str]) -> str:
    """Return lines as a Markdown list."""
    return "\n".join(f"- {markdown_block(line)}" for line in lines)
