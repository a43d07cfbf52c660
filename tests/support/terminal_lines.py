"""What a session has written, its lines whole again: those that are longer than a terminal is wide are broken."""

from __future__ import annotations

import pytest


def whole_lines(result: pytest.RunResult) -> pytest.LineMatcher:
    """Return the lines of a run of pytest, each with those that continue it, which are indented."""
    lines: list[str] = []
    for line in result.outlines:
        if line.startswith("    ") and line.strip() and lines:
            lines[-1] = f"{lines[-1]} {line.strip()}"
        else:
            lines.append(line)
    return pytest.LineMatcher(lines)
