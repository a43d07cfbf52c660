"""The table with every figure of a run as CSV, one for each task."""

from __future__ import annotations

from analysis.report.summary import RunSummary
from core.safe_text import escape_formula
from core.tasks import TaskWords


def csv_name(words: TaskWords) -> str:
    """Return the name of the table with every figure of a task."""
    return f"{words.files}_quantization_benchmark_results.csv"


def csv_tables(run: RunSummary) -> dict[str, str]:
    """Return the tables of a run by the names of their files; tasks of one name share a table."""
    tables = {}
    for words in run.tasks.values():
        names = [name for name, of_task in run.tasks.items() if of_task.files == words.files]
        rows = run.frame[run.frame["task"].isin(names)].drop(columns=["case", *run.catalogue.empty_columns])
        tables[csv_name(words)] = rows.map(escape_formula).to_csv(index=False)
    return tables
