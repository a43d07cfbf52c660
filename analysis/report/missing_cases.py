"""Cases that a session was to measure and has not, and why, as a saved run holds them. Light to import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The key of `machine_info` with the id of each such case and why it was not measured, such as "was not run: ….".
MISSING_KEY = "missing_cases"


def missing_cases(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return each such case and why, from a run's environment; none where an earlier version did not record it."""
    recorded = environment.get(MISSING_KEY)
    entries = recorded.items() if isinstance(recorded, Mapping) else ()
    return {str(name): reason for name, reason in entries if isinstance(reason, str)}
