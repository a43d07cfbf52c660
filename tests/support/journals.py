"""Journals of runs that were killed."""

from __future__ import annotations

import json

from tests.support.saved_runs import benchmark

GONE = 2**22 + 1  # above the largest number that Linux gives to a process


def line(*names: str, **more: object) -> str:
    """A line of a journal, of benchmarks of these names, each in the precision of its name; `more` is added to it."""
    items = [benchmark(name, 1.0) | {"fullname": name} for name in names]
    return json.dumps({"machine_info": {}, "benchmarks": items, "version": "5", **more})
