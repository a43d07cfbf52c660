"""Writes lines in a terminal that are no longer than it is wide."""

from __future__ import annotations

import pytest

from analysis.report.terminal import WIDEST, wrapped


def width_of(terminalreporter: pytest.TerminalReporter) -> int:
    """Return how many characters a line may have; a log has no width of its own."""
    return min(WIDEST, terminalreporter._tw.fullwidth) if terminalreporter.isatty() else WIDEST


def write_wrapped(terminalreporter: pytest.TerminalReporter, line: str, **look: bool) -> None:
    """Write a line, or several where it is longer than the terminal is wide."""
    for part in wrapped(line, width_of(terminalreporter)):
        terminalreporter.write_line(part, **look)
