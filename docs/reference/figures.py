"""The figures that README.md and docs/ take from the reference runs: `python -m docs.reference.figures [--write]`.

A page marks where they stand by `<!-- figures: NAME -->` and `<!-- end of figures -->`; what is between is made by the
function of that name in `tables.py`, `other_tools.py` or `spreads.py`. Without an option this says which pages differ
from the runs, with `--write` it rewrites them.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from analysis.storage.files import write
from data_prep.errors import InputError
from docs.reference import other_tools, spreads, tables

REPOSITORY = Path(__file__).parents[2]
SUBJECTS = ("results", "precisions", "generation", "classification", "coverage", "variance")
PAGES = ("README.md", *(f"docs/{name}.md" for name in SUBJECTS))
BLOCKS: dict[str, Callable[[], str]] = {
    block.__name__: block
    for block in (
        *(tables.terminal, tables.precisions, tables.default, tables.other_boards, tables.cpu, tables.seconds),
        *(tables.nine, tables.batch_32, tables.generation, tables.classification, tables.sweep),
        *(other_tools.forward, other_tools.tokens, other_tools.bare_loop),
        *(spreads.boards, spreads.variance, spreads.order, spreads.old_intervals),
        *(spreads.coverage_of_measured, spreads.coverage_of_shipped),
        *(spreads.coverage_in_short, spreads.coverage_in_words, spreads.eager_ratios),
    )
}
BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(\n<!-- end of figures -->)", re.DOTALL)


def written(page: str) -> str:
    """Return a page's text with every block regenerated. Raises `InputError` for an unknown block."""

    def replaced(match: re.Match[str]) -> str:
        if match[2] not in BLOCKS:
            raise InputError(f"A page has the block {match[2]}; expected one of {', '.join(BLOCKS)}.")
        return f"{match[1]}\n{BLOCKS[match[2]]()}\n{match[3]}"

    return BLOCK.sub(replaced, page)


def main() -> int:
    """Check or rewrite the pages; return 1 where one differs from the runs and was not rewritten."""
    parser = argparse.ArgumentParser(prog="python -m docs.reference.figures", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--write", action="store_true", help="rewrite the pages")
    options = parser.parse_args()
    stale = []
    for name in PAGES:
        path = REPOSITORY / name
        text = path.read_text(encoding="utf-8")
        new = written(text)
        if new != text and options.write:
            write(path, new)
        elif new != text:
            stale.append(name)
    if stale:
        print(f"{', '.join(stale)}: figures differ from the runs in results/reference/; run this with --write.")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
