"""Every metric over saved runs: what a new driver, library or commit did to it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, product
from pathlib import Path
from string import ascii_lowercase

import pandas as pd

from analysis.comparison.alike import OF_ONE_LINE, Alike, alike, models_of, words
from analysis.report.plots import FORMATS, rendered
from analysis.report.plots.history import history_figure
from analysis.report.table import tables
from analysis.report.text_tables import markdown_table
from analysis.runs.saved import Run, measured_at, short_commit
from core.files import write
from core.metrics import Catalogue, Column, lookup

NAME = "history"
#: What a run ran on, where `extra_info` has it.
VERSIONS = ("device_name", "driver", "torch", "transformers")


def write_history(folder: Path, runs: Sequence[Run]) -> tuple[str, list[Path]]:
    """Write the pictures of runs in the order given; return the list of runs as Markdown, and the pictures' paths.

    Each benchmark has a line for each model and machine. Raises `OSError` where the folder cannot be written.
    """
    listed = table_of_runs(runs)
    notes = [", ".join(f"{name} {value}" for name, value in row.items()) for row in listed.to_dict("records")]
    figure = history_figure(values_over_runs(runs), len(runs), notes, stand_in=any(map(is_stand_in, runs)))
    folder.mkdir(parents=True, exist_ok=True)
    paths = [write(folder / f"{NAME}.{form}", rendered(figure, form)) for form in FORMATS]
    return "\n\n".join([markdown_table(listed), *lines_in_words(runs)]), paths


def series_of(runs: Sequence[Run]) -> dict[str, Alike]:
    """Return the runs by model and machine, under a letter each where there are several: a, b, …, z, aa."""
    groups = alike(runs, OF_ONE_LINE)
    if len(groups) == 1:
        return {"": groups[0]}
    letters = ("".join(one) for length in count(1) for one in product(ascii_lowercase, repeat=length))
    return dict(zip(letters, groups, strict=False))


def letters_of(runs: Sequence[Run]) -> list[str]:
    """Return the letter of each run's series."""
    letters = {id(run): letter for letter, group in series_of(runs).items() for run in group.runs}
    return [letters[id(run)] for run in runs]


def lines_in_words(runs: Sequence[Run]) -> list[str]:
    """Return a sentence for each series, where there are several."""
    series = series_of(runs)
    if len(series) == 1:
        return []
    named = zip(series, words(list(series.values())), strict=True)
    return [
        "The runs are not of one thing: lines join those of one series alone.",
        "\n".join(f"- {letter}: {name}" for letter, name in named),
    ]


def table_of_runs(runs: Sequence[Run]) -> pd.DataFrame:
    """Return a row for each run: its number in the pictures, its file, when, from which commit, on what."""
    rows = []
    for number, (run, letter) in enumerate(zip(runs, letters_of(runs), strict=True), start=1):
        first = run.benchmarks[0]["extra_info"]
        versions = {name: str(lookup(first, f"environment.{name}") or "unknown") for name in VERSIONS}
        rows.append(
            {
                "#": str(number),
                **({"series": letter} if letter else {}),
                "run": run.path.name,
                "model": ", ".join(models_of(run)),
                "measured": measured_at(run.environment) or "unknown",
                "commit": short_commit(run.environment, 8),
                **versions,
                "procedure": str(first.get("procedure", "unknown")),
                "stand-in": "yes" if is_stand_in(run) else "no",
            }
        )
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def is_stand_in(run: Run) -> bool:
    """Tell whether any benchmark of a run is of generated text or seeded weights."""
    return any(lookup(item["extra_info"], "provenance.stand_in") for item in run.benchmarks)


def values_over_runs(runs: Sequence[Run]) -> dict[Column, pd.DataFrame]:
    """Return for each metric that can get better and worse, and has a value, a column a benchmark and a row a run.

    Where there are several series, a column is a benchmark of one of them, with its letter in parentheses.
    """
    frame = tables(runs).drop_duplicates(["run", "name"])
    letters = [letter and f" ({letter})" for letter in letters_of(runs)]
    frame["name"] += [letters[number] for number in frame["run"]]
    frame["run"] += 1
    names = frame["name"].unique()
    by_metric = {}
    for metric in Catalogue.joined(run.catalogue for run in runs).compared:
        values = frame.pivot(index="run", columns="name", values=metric.column).reindex(columns=names)
        values = values.dropna(axis="columns", how="all")
        if len(values.columns):
            by_metric[metric] = values
    return by_metric
