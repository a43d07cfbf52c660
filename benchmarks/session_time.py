"""Where the time of a session went, from the start of the process where that is known: each second in one phase."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

#: Phases of the session as a whole; those of its cases stand beside them.
OF_SESSION = IMPORTS, COLLECTION, LOADING, INTEGRITY = "imports", "collection", "loading", "integrity"
OTHER, TOTAL = "other", "total"


@dataclass
class SessionTime:
    """Seconds of the session by phase. Moments are those of `time.perf_counter`."""

    #: When the process began; None where the system does not say it, and the time of its imports is not known.
    process_s: float | None
    begun_s: float = field(default_factory=time.perf_counter)
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(OF_SESSION, 0.0))

    def __post_init__(self) -> None:
        if self.process_s is not None:
            self.begun_s = self.process_s

    def add(self, phase: str, seconds: float) -> None:
        """Add seconds to a phase."""
        self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds

    def as_json(self, cases: Iterable[Mapping[str, float]]) -> dict[str, float | None]:
        """Return the seconds of every phase until now, with those of `cases`, each by phase, and what is in no phase.

        Those of the report are not among them: it is written when the run has been saved.
        """
        total = time.perf_counter() - self.begun_s
        seconds = dict(self.seconds)
        for case in cases:
            for phase, spent in case.items():
                seconds[phase] = seconds.get(phase, 0.0) + spent
        rounded: dict[str, float | None] = {phase: round(spent, 2) for phase, spent in seconds.items()}
        if self.process_s is None:
            rounded[IMPORTS] = None
        return {TOTAL: round(total, 2), **rounded, OTHER: round(total - sum(seconds.values()), 2)}
