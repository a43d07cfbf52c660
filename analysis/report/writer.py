"""The files that a run leaves for people: a CSV with everything, a Markdown summary, pictures and a page."""

from __future__ import annotations

from pathlib import Path

from analysis.report.notices import STAND_IN_NOTICE, TITLE
from analysis.report.summary import RunSummary
from analysis.report.text_tables import interval_legend, markdown_table, summary_table
from analysis.storage.files import write
from data_prep.untrusted import escape_formula

CSV_NAME = "gpt2_quantization_benchmark_results.csv"
SUMMARY_NAME = "gpt2_benchmark_summary.md"
PAGE_NAME = "report.html"


def write_report(folder: Path, run: RunSummary) -> list[Path]:
    """Write tables, pictures and page of one run and return the paths of tables and page.

    Raises `OSError` where the folder cannot be written.
    """
    # Here, because templates and plots take their time to load, and most commands need neither.
    from analysis.report.page import page
    from analysis.report.plots import write_plots

    folder.mkdir(parents=True, exist_ok=True)
    paths = [
        write(folder / CSV_NAME, run.frame.drop(columns="case").map(escape_formula).to_csv(index=False)),
        write(folder / SUMMARY_NAME, summary(run)),
    ]
    return [*paths, write(folder / PAGE_NAME, page(run, write_plots(folder, run)))]


def summary(run: RunSummary) -> str:
    """Return the Markdown summary: conditions, one table, notes on every figure that is missing."""
    parts = [f"# {TITLE}"]
    if run.stand_in:
        parts.append(f"> **{STAND_IN_NOTICE}**")
    parts.append(bullets(run.conditions))
    parts.append(markdown_table(summary_table(run.frame, run.catalogue, run.dominated)))
    legend = interval_legend(run.frame, run.catalogue)
    parts += [legend] if legend else []
    parts += run.advice
    parts += [bullets(run.gains_and_costs)] if run.gains_and_costs else []
    if len(run.costs):
        parts.append(markdown_table(run.costs))
    if run.notes:
        parts.append(bullets(run.notes))
    return "\n\n".join(parts) + "\n"


def bullets(lines: list[str]) -> str:
    """Return lines as a Markdown list."""
    return "\n".join(f"- {line}" for line in lines)
