"""The figures that README.md and docs/ take from the reference runs: `python -m reference.figures [--write]`.

A page marks where they stand by `<!-- figures: NAME -->` and `<!-- end of figures -->`; what is between is made by the
function of that name in one of the modules beside this one. Without an option this says which pages differ
from the runs, with `--write` it rewrites them.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from core.errors import InputError
from core.files import write
from reference.figures import classification, coverage, generation, kinds, other_tools, precisions, results, variance

REPOSITORY = Path(__file__).parents[2]
PAGES = ("README.md", *(f"docs/{path.name}" for path in sorted((REPOSITORY / "docs").glob("*.md"))))
BLOCKS: dict[str, Callable[[], str]] = {
    block.__name__: block
    for block in (
        *(results.terminal, results.default, results.other_boards, results.cpu, results.cpu_spread, results.sweep),
        *(results.eager_kernels, results.seconds, results.parts, results.scoring),
        *(precisions.precisions, precisions.nine, precisions.batch_32, precisions.compiled_differences),
        *(precisions.sizes, precisions.eight_bits_on_h100, precisions.compiling_on_h100),
        *(precisions.compiled_elsewhere, precisions.compilation, precisions.on_cpu),
        *(generation.generation, generation.generation_elsewhere, generation.generation_speeds),
        *(generation.sweep_of_lengths, classification.classification),
        *(classification.classification_intervals, classification.classification_compiled),
        *(other_tools.forward, other_tools.tokens, other_tools.bare_loop, other_tools.differences),
        other_tools.without_meter,
        *(variance.boards, variance.variance, variance.repeatability, variance.temperatures, variance.options),
        *(variance.order, variance.old_intervals, variance.gaps, variance.cross_checks, variance.kernel_order),
        variance.cold_board,
        *(coverage.coverage_of_measured, coverage.coverage_of_shipped, coverage.coverage_by_host),
        *(coverage.worst_by_shipped, coverage.coverage_of_compiled, coverage.the_same_again, coverage.fp32_again),
        *(coverage.boards_of_one_name, coverage.coverage_in_short, coverage.coverage_in_words),
        coverage.eager_ratios,
        kinds.kinds,
    )
}
BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n)(?:(?!<!-- figures).)*?(\n<!-- end of figures -->)", re.DOTALL)


def written(page: str) -> str:
    """Return a page's text with every block regenerated. Raises `InputError` for an unknown or unclosed block."""
    begun, ended = page.count("<!-- figures: "), page.count("<!-- end of figures -->")
    if not begun == ended == len(BLOCK.findall(page)):
        raise InputError(
            f"A page begins {begun} blocks of figures and ends {ended}; expected each to end behind itself."
        )

    def replaced(match: re.Match[str]) -> str:
        if match[2] not in BLOCKS:
            raise InputError(f"A page has the block {match[2]}; expected one of {', '.join(BLOCKS)}.")
        return f"{match[1]}\n{BLOCKS[match[2]]()}\n{match[3]}"

    return BLOCK.sub(replaced, page)


def main() -> int:
    """Check or rewrite the pages; return 1 where one differs from the runs and was not rewritten."""
    parser = argparse.ArgumentParser(prog="python -m reference.figures", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--write", action="store_true", help="rewrite the pages")
    options = parser.parse_args()
    stale = []
    for name in PAGES:
        path = REPOSITORY / name
        text = path.read_text(encoding="utf-8")
        try:
            new = written(text)
        except InputError as error:
            print(f"error: {name}: {error}")
            return 1
        if new != text and options.write:
            write(path, new)
        elif new != text:
            stale.append(name)
    if stale:
        print(f"{', '.join(stale)}: figures differ from the runs in results/reference/; run this with --write.")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
