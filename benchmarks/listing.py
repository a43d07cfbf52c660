"""Everything that can be named in an option or found in a saved run, and whether a device can run it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from tabulate import tabulate

from analysis.report.plots import PLOTS
from benchmarks.instruments import INSTRUMENTS, in_measuring_order, require_consistent
from benchmarks.meters import METERS, MeterError, MeterSource
from benchmarks.policies import Policies
from benchmarks.seconds import SecondsRecord
from core.metrics.declarations import catalogue
from data_prep.datasets import DATASETS, DatasetSpec
from fixtures.device.nvml import NvmlError
from fixtures.executions import EXECUTIONS
from fixtures.families import FAMILIES
from fixtures.options import parse_device
from fixtures.precisions import PRECISIONS, unavailable_reason
from fixtures.tasks import TASKS
from fixtures.workloads import WORKLOADS


class Line(NamedTuple):
    """A thing: its name, what it is, and why the device cannot run it, or None."""

    name: str
    description: str
    reason: str | None = None


def listing(device_option: str) -> str:
    """Return every kind with a line each for what there is of it, as text, for the device that --device names.

    Raises `InputError` where there is no such device.
    """
    device = parse_device(device_option)
    return "\n\n".join(section(heading, lines) for heading, lines in kinds(device))


def section(heading: str, lines: Iterable[Line]) -> str:
    """Return one kind as text: a heading, and a line each."""
    rows = [(f"  {line.name}", "no" if line.reason else "yes", f"{line.description}{because(line)}") for line in lines]
    return f"{heading}\n{tabulate(rows, tablefmt='plain', disable_numparse=True, preserve_whitespace=True)}"


def because(line: Line) -> str:
    """Return why a device cannot run a thing, in parentheses, or nothing."""
    return f" ({line.reason})" if line.reason else ""


def kinds(device: torch.device) -> Iterator[tuple[str, list[Line]]]:
    """Give every kind: a heading that says how one is chosen, and its lines."""
    yield (
        f"precisions (--precisions), on {device}",
        [
            Line(precision.name, precision.description, unavailable_reason(precision, device, allow_emulated=False))
            for precision in PRECISIONS.values()
            if not precision.is_hidden
        ],
    )
    yield "workloads (--workloads)", [Line(one.name, one.description) for one in WORKLOADS.values()]
    yield (
        f"executions (--executions), on {device}",
        [Line(one.name, one.description, one.unavailable_reason(device)) for one in EXECUTIONS.values()],
    )
    yield "tasks (--task)", [Line(one.name, one.description) for one in TASKS.values()]
    yield "datasets (python -m data_prep --name)", [Line(one.name, described(one)) for one in DATASETS.values()]
    yield "model families (--model)", [Line(one.name, one.description) for one in FAMILIES.values()]
    yield "instruments, in their order", [Line(one.name, one.description) for one in in_measuring_order(INSTRUMENTS)]
    meters = sorted(METERS.values(), key=lambda one: one.rank)
    yield f"meters (--energy), on {device}, the best first", [metered(one, device) for one in meters]
    yield "pictures", [Line(one.name, one.description) for one in PLOTS.values()]
    yield "metrics (columns of the CSV, --metric-fail)", list(metrics())


def described(dataset: DatasetSpec) -> str:
    """Return what a dataset is, and whether it is there."""
    state = f"in {dataset.folder}" if dataset.folder.is_dir() else f"made by {dataset.command}"
    return f"{dataset.description}, {state}"


def metered(source: MeterSource, device: torch.device) -> Line:
    """Return a meter's line; it is opened to find out whether it answers."""
    if device.type not in source.devices:
        return Line(
            source.name, source.description, f"for {' and '.join(device.upper() for device in source.devices)} alone"
        )
    try:
        source.open(device, Policies().energy)
    except (NvmlError, MeterError) as error:
        return Line(source.name, source.description, str(error))
    return Line(source.name, source.description)


def metrics() -> Iterator[Line]:
    """Give a line for each metric of any task, with its unit and direction. Raises `DeclarationError`."""
    instruments = [instrument(Policies()) for instrument in in_measuring_order(INSTRUMENTS)]
    require_consistent(instruments, TASKS.values())
    records = [record for instrument in instruments for record in instrument.records(list(TASKS.values()))]
    for metric in catalogue([*records, SecondsRecord]):
        facts = ", ".join(filter(None, (metric["unit"], metric["better"] and f"{metric['better']} is better")))
        yield Line(metric["column"], f"{metric['description']}{f' ({facts})' if facts else ''}")
