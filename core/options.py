"""Types of command-line options: what argparse calls, and turns their errors into usage errors."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

from core.executions import USUAL_EXECUTIONS
from core.folders import is_folder
from core.registry import NAME
from core.spelled_names import SpelledNames
from core.tasks import DEFAULT_TASK

#: The values of --stand-in, --quality-protocol and --energy.
StandInMode: TypeAlias = Literal["auto", "always", "never"]
QualityProtocol: TypeAlias = Literal["padded", "strided"]
EnergyMode: TypeAlias = Literal["auto", "require", "off"]
#: Names that stand for several precisions: those that a device runs by default, and all that are native on it.
AUTO, ALL = "auto", "all"
#: What is measured where no workload is named.
DEFAULT_WORKLOAD = "forward"
#: What the options name that name things of a kind.
NAMES = {
    "--task": SpelledNames("fixtures.tasks", "Task", first=(DEFAULT_TASK,)),
    "--precisions": SpelledNames("fixtures.precisions", "Precision", words=(AUTO, ALL)),
    "--executions": SpelledNames("fixtures.executions", "Execution", first=USUAL_EXECUTIONS),
    "--workloads": SpelledNames("fixtures.workloads", "Workload", first=(DEFAULT_WORKLOAD,)),
}
#: The largest number that an option takes; a larger one is a typing error.
LARGEST_COUNT = 10**9
#: Where the next part of a list of TASK=VALUE begins: a value may hold commas.
NEXT_TASK = re.compile(rf",(?={NAME.pattern}=)", NAME.flags)


def whole_number(minimum: int, maximum: int = LARGEST_COUNT) -> Callable[[str], int]:
    """Return a parser of whole numbers in a range."""

    def parse(text: str) -> int:
        if text.isascii() and text.isdecimal() and len(text) < 12 and minimum <= int(text) <= maximum:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number from {minimum} to {maximum:,}")

    return parse


def whole_number_or_all(minimum: int) -> Callable[[str], int | str]:
    """Return a parser of whole numbers in a range, or the word all."""
    parse = whole_number(minimum)
    return lambda text: text if text == "all" else parse(text)


def not_empty(text: str) -> str:
    """Return a name, which must not be empty."""
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty; expected a name")
    return text


def folder(text: str) -> Path:
    """Return a folder's path, which must have a name."""
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty; expected the path of a folder")
    return Path(text)


def names(text: str) -> tuple[str, ...]:
    """Return the names of a comma-separated list, in the order given; none may be there twice."""
    listed = tuple(name.strip() for name in text.split(","))
    if not any(listed):
        raise argparse.ArgumentTypeError("is empty; expected names separated by commas")
    if not all(listed):
        raise argparse.ArgumentTypeError(f"has nothing between two commas in {text[:40]!r}; expected a name there")
    repeated = [name for name in listed if listed.count(name) > 1]
    if repeated:
        raise argparse.ArgumentTypeError(f"has {repeated[0][:40]!r} more than once; expected each once")
    return listed


def whole_numbers(minimum: int, maximum: int) -> Callable[[str], tuple[int, ...]]:
    """Return a parser of comma-separated whole numbers in a range, none of them twice."""
    parse = whole_number(minimum, maximum)

    def parse_all(text: str) -> tuple[int, ...]:
        numbers = [parse(name) for name in names(text)]
        return tuple(int(number) for number in names(",".join(map(str, numbers))))  # 01 is 1

    return parse_all


def of_tasks(expected: str) -> Callable[[str], tuple[tuple[str | None, str], ...]]:
    """Return a parser of a comma-separated list of TASK=VALUE, or of one value without a task.

    A text that is no such list, or the path of a folder that is there, is one value, whatever commas and equals signs
    are in it. `expected` says what a value is.
    """

    def parse(text: str) -> tuple[tuple[str | None, str], ...]:
        if not text.strip():
            raise argparse.ArgumentTypeError(f"is empty; expected {expected}")
        parts = [part.partition("=") for part in re.split(NEXT_TASK, text)]
        if is_folder(text) or not all(NAME.fullmatch(task) and value for task, _, value in parts):
            return ((None, text),)
        return tuple((task, value) for task, _, value in parts)

    return parse
