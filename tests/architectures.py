"""What the suite does with each type of transformers' mapping of causal models: `python -m tests.architectures`.

The sweep (tests/whole/test_architecture_sweep.py) is run, which takes minutes, and its counts are printed; `--write`
keeps them in tests/data/architecture_sweep.csv, with which it compares afterwards, and in docs/models.md. What else is
given goes to pytest, such as `-n auto`.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Mapping

import pytest

from tests.support.architecture_sweep import COLUMNS, OUTCOMES, TRACEBACK, WRONG, outcome_of
from tests.support.tiny import REPOSITORY

SWEEP = REPOSITORY / "tests" / "whole" / "test_architecture_sweep.py"
TABLE = REPOSITORY / "tests" / "data" / "architecture_sweep.csv"
PAGE = REPOSITORY / "docs" / "models.md"
MARKED = re.compile(r"(?<=<!-- architectures -->\n).*?(?=<!-- end of architectures -->)", re.DOTALL)
#: The version whose mapping is swept.
TRANSFORMERS = "5.23.0"
#: The outcome of each column, by model type.
Table = Mapping[str, Mapping[str, str]]


class Collector:
    """A plugin of the sweep, which collects what its tests note, whatever becomes of them."""

    def __init__(self) -> None:
        self.table: dict[str, dict[str, str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the cells of a type."""
        noted = dict(report.user_properties)
        if report.when == "call" and "cells" in noted:
            self.table[noted["type"]] = {column: outcome_of(cell) for column, cell in noted["cells"].items()}


def read_table() -> Table:
    """The table that is kept."""
    with TABLE.open(newline="") as file:
        return {row.pop("type"): row for row in csv.DictReader(file)}


def write_table(table: Table) -> None:
    """Keep a table, and its counts on the page."""
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["type", *COLUMNS], lineterminator="\n")
        writer.writeheader()
        writer.writerows({"type": name, **row} for name, row in sorted(table.items()))
    PAGE.write_text(MARKED.sub(f"\n{counts(table)}\n\n", PAGE.read_text()))


def counts(table: Table) -> str:
    """How often each outcome occurs in each column, as Markdown."""
    occurring = {outcome for row in table.values() for outcome in row.values()}
    outcomes = [outcome for outcome in OUTCOMES if outcome not in {WRONG, TRACEBACK} - occurring]
    lines = [f"| of {len(table)} types | {' | '.join(outcomes)} |", f"|---{'|---' * len(outcomes)}|"]
    for column in COLUMNS:
        found = [row[column] for row in table.values()]
        lines.append(f"| `{column}` | {' | '.join(str(found.count(outcome)) for outcome in outcomes)} |")
    return "\n".join(lines)


def main() -> None:
    """Sweep, print the counts, and keep them where that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.architectures", description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep the counts")
    given, options = parser.parse_known_args()
    collector = Collector()
    pytest.main([str(SWEEP), "-q", "-mslow", "-phypothesispytest", *options], plugins=[collector])
    if given.write:
        write_table(collector.table)
    print(counts(collector.table))


if __name__ == "__main__":
    main()
