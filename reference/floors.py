"""Make the noise floors that come with the suite from the committed sessions: `python -m reference.floors`."""

from __future__ import annotations

import sys
from dataclasses import replace

from analysis.runs.saved import Run
from analysis.runs.validity import other_code_reason
from analysis.uncertainty.chosen_floors import SHIPPED
from analysis.uncertainty.floor_files import add_series
from reference.runs import saved
from reference.series import COMPILED, COMPILED_ELSEWHERE, DEFAULTS

#: The series that they are made of.
SERIES = (*DEFAULTS.values(), *COMPILED_ELSEWHERE, COMPILED)


def of_their_code(run: Run) -> Run:
    """Return a run without the benchmarks that ran what had been compiled for another."""
    return replace(run, benchmarks=tuple(item for item in run.benchmarks if other_code_reason(item) is None))


def main() -> int:
    """Write the floors and name their files; return the exit code."""
    for path in SHIPPED.glob("*.json"):
        path.unlink()
    written = {add_series(SHIPPED, [of_their_code(run) for run in saved(series)]) for series in SERIES}
    print("\n".join(f"wrote {path}" for path in sorted(written)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
