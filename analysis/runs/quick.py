"""Quick sessions: a first look, which no noise floor is made of and no history has."""

from __future__ import annotations

from analysis.runs.saved import Run
from core.errors import InputError

#: The key of `machine_info` and of `extra_info` that says whether a session was a quick one.
QUICK_KEY = "quick"
QUICK_NOTICE = (
    "QUICK (--quick): a first look of few visits, rounds and rows scored. No noise floor and no history takes it; "
    "measure without --quick before you decide."
)


def is_quick(run: Run) -> bool:
    """Tell whether a run is of a quick session, or a benchmark in it is."""
    parts = run.environment, *(item["extra_info"] for item in run.benchmarks)
    return any(part.get(QUICK_KEY) is True for part in parts)


def require_whole(run: Run) -> None:
    """Raise `InputError` where a run is of a quick session."""
    if is_quick(run):
        raise InputError(
            f"{run.path} is of a quick session (--quick); expected a whole one, as noise floors and histories are made "
            "of. `pytest benchmarks --benchmark-autosave` makes one."
        )
