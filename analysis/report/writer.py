"""The files that a run leaves behind for people: a CSV with everything, a Markdown summary, pictures and a page."""

from __future__ import annotations

from pathlib import Path

from analysis.report.deployment import deployment
from analysis.report.summary import STAND_IN_NOTICE, Findings
from analysis.report.text_tables import compact
from analysis.storage.files import write
from data_prep.untrusted import escape_formula

CSV_NAME = "gpt2_quantization_benchmark_results.csv"
SUMMARY_NAME = "gpt2_benchmark_summary.md"
PAGE_NAME = "report.html"


def write_report(folder: Path, findings: Findings) -> list[Path]:
    """Write tables, pictures and page of one run and return the paths of tables and page.

    Raises `OSError` where the folder cannot be written.
    """
    # Here, because templates and plots take their time to load, and most commands need neither.
    from analysis.report.page import page
    from analysis.report.plots import write_plots

    folder.mkdir(parents=True, exist_ok=True)
    written = [
        write(folder / CSV_NAME, findings.frame.map(escape_formula).to_csv(index=False)),
        write(folder / SUMMARY_NAME, summary(findings)),
    ]
    return [*written, write(folder / PAGE_NAME, page(findings, write_plots(folder, findings)))]


def summary(findings: Findings) -> str:
    """Return the Markdown summary: conditions, one table, notes on every figure that is missing."""
    parts = ["# GPT-2 precision benchmark"]
    if findings.stand_in:
        parts.append(f"> **{STAND_IN_NOTICE}**")
    parts.append(bullets(findings.conditions))
    parts.append(compact(findings.frame).to_markdown(index=False, disable_numparse=True))
    parts += findings.advice
    cost = deployment(findings.frame, findings.tariff)
    if len(cost):
        parts.append(cost.to_markdown(index=False, disable_numparse=True))
    if findings.notes:
        parts.append(bullets(findings.notes))
    return "\n\n".join(parts) + "\n"


def bullets(lines: list[str]) -> str:
    """Return lines as a Markdown list."""
    return "\n".join(f"- {line}" for line in lines)
