"""Draw the pictures of the reference that pages show again: `python -m reference.pictures`.

Each is drawn of the first session of a series, into `docs/pictures/`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from analysis.report.summary import RunSummary
from analysis.report.writer import write_report
from core.case import case_of
from core.files import write
from reference import series
from reference.commands import exit_code
from reference.runs import ran_other_code, saved

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
#: For each picture, the series that it is drawn from and the name that a report gives it.
PICTURES = {
    "precisions_overview.png": (series.COMPILED, "overview.png"),
    "precisions_frontier_energy.png": (series.COMPILED, "frontier_energy.png"),
    "sweep_speedup.png": (series.SWEEP, "sweep_speedup.png"),
    "sweep_latency.png": (series.SWEEP_LENGTHS, "sweep_latency.png"),
}


def draw(folder: Path) -> list[Path]:
    """Draw every picture into a folder, and return their paths."""
    drawn = []
    for path in dict.fromkeys(path for path, _ in PICTURES.values()):
        first = saved(path)[0]
        with tempfile.TemporaryDirectory() as place:
            own = [item for item in first.benchmarks if not ran_other_code(first, case_of(item).id)]
            write_report(Path(place), RunSummary(own, first.environment, {}))
            for name, (of, report_name) in PICTURES.items():
                if of == path:
                    drawn.append(write(folder / name, (Path(place) / report_name).read_bytes()))
    return drawn


def main() -> int:
    """Draw the pictures; return the exit code."""
    argparse.ArgumentParser(prog="python -m reference.pictures", description=(__doc__ or "").split(":")[0]).parse_args()
    return exit_code(lambda: print("\n".join(f"wrote {path}" for path in draw(FOLDER))))


if __name__ == "__main__":
    sys.exit(main())
