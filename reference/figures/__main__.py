"""The figures that README.md and docs/ take from the reference runs: `python -m reference.figures [--write]`.

Without an option this says which pages differ from their templates with the figures of the runs, with `--write` it
rewrites the marked parts of these pages.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from core.errors import InputError
from core.files import write
from reference.figures import (
    classification,
    coverage,
    generation,
    kinds,
    other_tools,
    precisions,
    results,
    trained,
    variance,
)
from reference.figures.pages import Figures, parts, written

REPOSITORY = Path(__file__).parents[2]
TEMPLATES = Path(__file__).parents[1] / "templates"
PAGES = ("README.md", *(f"docs/{path.name}" for path in sorted((REPOSITORY / "docs").glob("*.md"))))
FUNCTIONS: dict[str, Callable[[], Figures]] = {
    function.__name__: function
    for function in (
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
        *(variance.cold_board, variance.estimators, variance.freedoms, variance.slopes),
        *(coverage.coverage_of_measured, coverage.coverage_of_shipped, coverage.coverage_by_host),
        *(
            coverage.worst_by_shipped,
            coverage.coverage_of_compiled,
            coverage.the_same_again,
            coverage.fp32_again,
            coverage.changes_found,
        ),
        *(coverage.coverage_by_case, coverage.coverage_by_case_elsewhere, coverage.coverage_of_cpus, coverage.how_near),
        *(coverage.boards_of_one_name, coverage.coverage_in_short, coverage.coverage_in_words),
        coverage.eager_ratios,
        *(trained.trained, trained.trained_beside_seeded),
        kinds.kinds,
    )
}


def templates() -> dict[str, str]:
    """Return the text of every template by the path of its page. Raises `InputError` where there is no such page."""
    found = {path.relative_to(TEMPLATES).as_posix(): path for path in sorted(TEMPLATES.rglob("*.md"))}
    if lost := found.keys() - PAGES:
        raise InputError(f"{TEMPLATES} has {', '.join(sorted(lost))}; expected templates of pages that are there.")
    return {page: path.read_text(encoding="utf-8") for page, path in found.items()}


def require_all_used(of_pages: dict[str, str]) -> None:
    """Raise `InputError` where figures are made that no template names: a part was lost."""
    used = {name for page, template in of_pages.items() for name in parts(template, f"The template of {page}")}
    if unused := [name for name in FUNCTIONS if name not in used]:
        raise InputError(f"No template has the part {', '.join(unused)}; expected one for every function.")


def main() -> int:
    """Check or rewrite the pages; return 1 where one differs from the runs and was not rewritten."""
    parser = argparse.ArgumentParser(prog="python -m reference.figures", description=(__doc__ or "").split(":")[0])
    parser.add_argument("--write", action="store_true", help="rewrite the pages")
    options = parser.parse_args()
    stale = []
    try:
        of_pages = templates()
        require_all_used(of_pages)
        for name in PAGES:
            page = REPOSITORY / name
            text = page.read_text(encoding="utf-8")
            new = written(text, of_pages.get(name, ""), FUNCTIONS, name)
            if new != text and options.write:
                write(page, new)
            elif new != text:
                stale.append(name)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if stale:
        print(f"{', '.join(stale)}: figures differ from the runs in results/reference/; run this with --write.")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
