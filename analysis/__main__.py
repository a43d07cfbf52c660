"""Work with saved runs: `python -m analysis --help`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from analysis.comparison.changes import changes
from analysis.comparison.gates import judge, parse_gate
from analysis.comparison.history import write_history
from analysis.comparison.latest import NoHistoryError, clock_note, sides_of
from analysis.comparison.noise import noise_markdown
from analysis.comparison.presentation import as_json, as_markdown
from analysis.comparison.variance import variance_markdown
from analysis.report.deployment import Tariff, parse_price
from analysis.report.missing_cases import missing_cases
from analysis.report.reply import ReplyLength
from analysis.report.summary import RunSummary
from analysis.report.writer import write_report
from analysis.runs.journal import RESULTS
from analysis.runs.quick import require_whole
from analysis.runs.recovery import recover_all
from analysis.runs.selection import STORAGE, storage_folder
from analysis.runs.storage import Storage
from core.errors import InputError
from core.metrics import Catalogue
from core.options import whole_number
from core.safe_text import one_line

Value = TypeVar("Value")
#: The exit code where a limit lies within the interval and `--undecided fail` is given.
UNDECIDED = 3
#: That where no earlier run of the same conditions is there yet: the first run of a new machine or version.
NO_HISTORY = 4
#: That where Ctrl-C ends a command, as shells have it.
INTERRUPTED = 130


def tell(kind: str, text: object) -> None:
    """Print a line beside the output, as `warning: …`; names of files in it may be anybody's."""
    print(f"{kind}: {one_line(str(text))}", file=sys.stderr)


def report(options: argparse.Namespace, storage: Storage) -> int:
    """Write tables, pictures and page of one saved run, the newest without a name."""
    if len(options.runs) > 1:
        raise InputError(
            f"report got {len(options.runs)} runs; expected one, or none for the newest. `python -m analysis history` "
            "shows several."
        )
    tariff = None if options.tariff is None else Tariff(options.tariff, options.currency)
    run = storage.newest(options.runs)
    try:
        length = ReplyLength(options.generate, options.prompt)
        missing = missing_cases(run.environment)
        summary = RunSummary(run.benchmarks, run.environment, missing, tariff, length)
        paths = write_report(options.results_dir, summary)
    except OSError as error:
        raise InputError(f"{options.results_dir} cannot be written ({error.strerror}).") from error
    print("\n".join(f"wrote {path}" for path in paths))
    return 0


def noise(options: argparse.Namespace, storage: Storage) -> int:
    """Print the run-to-run spread of every metric."""
    print(noise_markdown(storage.runs(options.runs, require=require_whole)))
    return 0


def variance(options: argparse.Namespace, storage: Storage) -> int:
    """Print how much visits and sessions of one board differ, from several runs of it."""
    print(variance_markdown(storage.runs(options.runs, require=require_whole)))
    return 0


def compare(options: argparse.Namespace, storage: Storage) -> int:
    """Compare saved runs: `compare EARLIER LATER`, or several a side with `compare EARLIER… --to LATER…`."""
    before, after = sides_of(options.runs, options.to, storage)
    catalogue = Catalogue.joined(run.catalogue for run in (*before, *after))
    gates = [gate.resolved(catalogue) for gate in options.fail]
    compared = changes(before, after)
    print(as_json(before, after, compared) if options.format == "json" else as_markdown(before, after, compared))
    if note := clock_note(before, after):
        tell("note", note)
    outcome = judge(compared, gates, allow_missing=options.allow_missing)
    for line in outcome.undecided:
        tell("undecided", line)
    for line in outcome.failed:
        tell("failed", line)
    if gates:
        print(outcome.closing_line, file=sys.stderr)
    if outcome.failed:
        return 1
    return UNDECIDED if outcome.undecided and options.undecided == "fail" else 0


def history(options: argparse.Namespace, storage: Storage) -> int:
    """Plot every metric over saved runs, and list them with commit and versions."""
    runs = storage.runs(options.runs, require=require_whole)
    try:
        listed, paths = write_history(options.results_dir, runs)
    except OSError as error:
        raise InputError(f"{options.results_dir} cannot be written ({error.strerror}).") from error
    print(listed)
    print("\n".join(f"wrote {path}" for path in paths))
    return 0


def recover(options: argparse.Namespace, storage: Storage) -> int:
    """Make saved runs of the journals that killed runs have left."""
    try:
        for line in recover_all(options.results_dir, options.runs, storage.folder):
            print(one_line(line))
    except OSError as error:  # one that a full disk causes names no file
        raise InputError(
            f"{error.filename or storage.folder} cannot be written ({error.strerror}); the journal is untouched."
        ) from error
    return 0


def argument(parse: Callable[[str], Value]) -> Callable[[str], Value]:
    """Return a parser of an option's value that raises what argparse shows as a usage error."""

    def parse_argument(text: str) -> Value:
        try:
            return parse(text)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse_argument


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, with a parser for each command."""
    runs_help = "paths, numbers such as 0001, or globs"
    command_line = argparse.ArgumentParser(
        prog="python -m analysis", description="Tables and comparisons of saved runs."
    )
    add_storage(command_line, STORAGE)
    commands = command_line.add_subparsers(required=True)
    for command in (report, noise, variance, compare, history, recover):
        added = commands.add_parser(command.__name__, help=command.__doc__, description=command.__doc__)
        if command is recover:
            added.add_argument(
                "runs", nargs="*", type=Path, metavar="JOURNAL", help="default: all of runs that have ended"
            )
        else:
            added.add_argument("runs", nargs="*", help=runs_help)
        added.set_defaults(run=command)
        add_storage(added, argparse.SUPPRESS)  # what stands before the command is not put back to the default
        if command in (report, history, recover):
            added.add_argument("--results-dir", type=Path, default=RESULTS, help="default: %(default)s")
        if command is report:
            add_report_options(added)
        if command is compare:
            add_compare_options(added, runs_help)
    return command_line


def add_storage(command: argparse.ArgumentParser, default: object) -> None:
    """Add the option that says where saved runs are, before a command and after it."""
    command.add_argument(
        "--storage",
        type=argument(storage_folder),
        default=default,
        metavar="DIR",
        help=f"the folder of saved runs, as --benchmark-storage names it (default: {STORAGE})",
    )


def add_report_options(command: argparse.ArgumentParser) -> None:
    """Add the options of `report`."""
    command.add_argument(
        "--tariff", type=argument(parse_price), metavar="PRICE", help="of a kWh, for the cost of a million tokens"
    )
    command.add_argument(
        "--generate",
        type=whole_number(1),
        default=ReplyLength().generated,
        metavar="N",
        help="new tokens of a reply, where prefill and decode were measured (default: %(default)s)",
    )
    command.add_argument(
        "--prompt", type=whole_number(1), metavar="N", help="its prompt's tokens (default: every length measured)"
    )
    command.add_argument("--currency", default="EUR", help="of the tariff (default: %(default)s)")


def add_compare_options(command: argparse.ArgumentParser, runs_help: str) -> None:
    """Add the options of `compare`."""
    command.add_argument(
        "--to",
        nargs="+",
        metavar="RUN",
        help=f"the later side: {runs_help}; last:N as the earlier side names the last N other runs of the same "
        f"conditions (exit code {NO_HISTORY} where there are none yet)",
    )
    command.add_argument(
        "--fail",
        action="append",
        default=[],
        type=argument(parse_gate),
        metavar="METRIC:PERCENT%",
        help="exit code 1 beyond",
    )
    command.add_argument(
        "--undecided",
        choices=("pass", "fail"),
        default="pass",
        help=f"what a limit that lies within the interval does; fail: exit code {UNDECIDED} (default: %(default)s)",
    )
    command.add_argument("--allow-missing", action="store_true", help="a metric may be missing on a side")
    command.add_argument("--format", choices=("markdown", "json"), default="markdown", help="default: %(default)s")


def main() -> int:
    """Run the command line; return 0, or 1 after one sentence on what went wrong or each limit that was passed."""
    options = parser().parse_args()
    storage = Storage(options.storage, warn=partial(tell, "warning"))
    try:
        code: int = options.run(options, storage)
    except NoHistoryError as error:
        tell("no history yet", error)
        return NO_HISTORY
    except InputError as error:
        tell("error", error)
        return 1
    except KeyboardInterrupt:
        print("interrupted: files that were not finished are those of before.", file=sys.stderr)
        return INTERRUPTED
    return code


if __name__ == "__main__":
    sys.exit(main())
