"""Work with saved runs: `python -m results --help`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from results.errors import ResultsError
from results.noise import noise_markdown
from results.report import write_report
from results.runs import load, select


def report(options: argparse.Namespace) -> None:
    """Write the tables of one saved run, the newest without a name."""
    run = load(select(options.runs)[-1])
    try:
        paths = write_report(options.results_dir, run.benchmarks, run.environment, {})
    except OSError as error:
        raise ResultsError(f"{options.results_dir} cannot be written ({error.strerror}).") from error
    print("\n".join(f"wrote {path}" for path in paths))


def noise(options: argparse.Namespace) -> None:
    """Print the run-to-run spread of every metric."""
    print(noise_markdown([load(path) for path in select(options.runs)]))


def main() -> int:
    """Run the command line; return 0, or 1 after one sentence on what went wrong."""
    parser = argparse.ArgumentParser(prog="python -m results", description="Tables from saved runs.")
    commands = parser.add_subparsers(required=True)
    for command in (report, noise):
        added = commands.add_parser(command.__name__, help=command.__doc__, description=command.__doc__)
        added.add_argument("runs", nargs="*", help="paths, numbers such as 0001, or globs; all runs without one")
        added.add_argument("--results-dir", type=Path, default=Path("results"), help="default: %(default)s")
        added.set_defaults(run=command)
    options = parser.parse_args()
    try:
        options.run(options)
    except ResultsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
