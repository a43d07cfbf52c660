"""Journals of runs that were killed."""

from __future__ import annotations

import json

GONE = 2**22 + 1  # above the largest number that Linux gives to a process


def line(*names: str) -> str:
    """A line of a journal, of the benchmarks of these names."""
    return json.dumps({"machine_info": {}, "benchmarks": [{"fullname": name} for name in names], "version": "5"})
