"""The saved runs of the reference as files, which its archives are not."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from reference.unpack import unpack

#: It goes with the process.
PLACE = tempfile.TemporaryDirectory(prefix="reference-")


@cache
def unpacked(host: str) -> Path:
    """The folder of a host with its files, unpacked once a process; tests write nothing there."""
    unpack(host, Path(PLACE.name))
    return Path(PLACE.name) / host


def run_paths(series: str) -> list[Path]:
    """The saved runs of a series such as h100_99080df7/default, in their order."""
    host, _, name = series.partition("/")
    found = sorted((unpacked(host) / name).glob("*.json"))
    assert found, series
    return found
