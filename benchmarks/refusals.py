"""Proofs that have failed in a session: running a test again does not clear them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.instruments.energy.instrument import EnergyRequiredError
from fixtures.executions import CaptureError
from fixtures.executions.compilation import CompilationError
from fixtures.precisions import PrecisionError

#: What is timed is not what it says, or lacks what --energy require asks for.
PROOF_ERRORS = (CaptureError, CompilationError, PrecisionError, EnergyRequiredError)
#: The numbers of loading, and of what follows the visits, which are counted from 1 on.
LOADING, CLOSING = -1, 0


class RefusedError(Exception):
    """What a proof has refused in this session is run again."""


class Refusals:
    """What proofs have refused, by the case's id and the visit's number, and why."""

    def __init__(self) -> None:
        self._reasons: dict[tuple[str, int], str] = {}

    def require_none(self, case: str, number: int) -> None:
        """Raise `RefusedError` where this visit of a case was refused."""
        if (reason := self._reasons.get((case, number))) is not None:
            raise RefusedError(f"{case} was refused in this session ({reason.rstrip('.')}); run the session again.")

    @contextmanager
    def noted(self, case: str, number: int) -> Iterator[None]:
        """Note a refusal that is raised while open. Raises `RefusedError` where there has been one."""
        self.require_none(case, number)
        try:
            yield
        except PROOF_ERRORS as error:
            self._reasons[case, number] = str(error)
            raise
