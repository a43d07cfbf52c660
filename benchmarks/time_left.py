"""How long a session still takes: from what its tests have taken, and before the first closing from the rounds."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.instruments.quality.timed import ROWS

if TYPE_CHECKING:
    from benchmarks.measured_case import MeasuredCase

#: What a test does: compile a case, make a visit to it, or measure what follows the visits.
COMPILATION, VISIT, CLOSING = KINDS = ("compilation", "visit", "closing")
#: Seconds of the report; of a case's compilation until one has been made; of a closing beside what it scores.
REPORT_S, COMPILATION_S, CLOSING_S = 5.0, 30.0, 2.0
#: How many times as fast rows are in large batches as in a round, by type of device.
BATCH_GAIN: Mapping[str, float] = {"cuda": 5.0, "cpu": 1.0}
#: A row that goes through the timed execution is scored and compared with FP32's too: in rounds.
ROUNDS_A_TIMED_ROW = 2.5


@dataclass
class TimeLeft:
    """The tests of a session that are not over, and what those of their kind have taken.

    `tests`: kind and case of each.
    """

    tests: list[tuple[str, str]]
    #: What is expected of the scoring of all precisions, which the first closing does, and of each case's own rows.
    scoring_s: float = 0.0
    timed_rows_s: dict[str, float] = field(default_factory=dict)
    _taken: dict[str, list[tuple[str, float]]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    def over(self, kind: str, case: str, seconds: float) -> None:
        """Note that a test is over."""
        if (kind, case) in self.tests:
            self.tests.remove((kind, case))
        self._taken[kind].append((case, seconds))

    def expect(self, cases: Collection[MeasuredCase]) -> None:
        """Tell from the rounds of cases that have been visited how long their scoring will take."""
        visited = [case for case in cases if case.done]
        row_s = {case.case.id: row_seconds(case) for case in visited}
        by_precision = {
            (case.case.task, case.precision.name): row_s[case.case.id]
            * case.settings.quality_rows(case.dataset.num_samples, case.task.scoring.rows_on_cpu)
            for case in visited
        }
        self.scoring_s = sum(by_precision.values())
        self.timed_rows_s = {
            case.case.id: CLOSING_S + ROUNDS_A_TIMED_ROW * ROWS[case.settings.device.type] * row_s[case.case.id]
            for case in visited
        }

    @property
    def seconds(self) -> float | None:
        """Seconds until the session is over; None until a visit has been made."""
        if not self._taken[VISIT]:
            return None
        visits = sum(self._of_visit(case) for case in self._left(VISIT))
        compilations = len(self._left(COMPILATION)) * self._mean(COMPILATION, COMPILATION_S)
        return visits + compilations + self._of_closings() + REPORT_S

    def _of_visit(self, case: str) -> float:
        """As long as the case's own visits, or those of all cases where it has none."""
        own = [seconds for name, seconds in self._taken[VISIT] if name == case]
        return statistics.fmean(own) if own else self._mean(VISIT, 0.0)

    def _of_closings(self) -> float:
        """As long as what was expected; the first scores for all."""
        left = sum(self.timed_rows_s.get(case, CLOSING_S) for case in self._left(CLOSING))
        return left if self._taken[CLOSING] else left + self.scoring_s

    def _left(self, kind: str) -> list[str]:
        return [case for of, case in self.tests if of == kind]

    def _mean(self, kind: str, otherwise: float) -> float:
        taken = [seconds for _, seconds in self._taken[kind]]
        return statistics.fmean(taken) if taken else otherwise


def row_seconds(case: MeasuredCase) -> float:
    """Return the seconds of a row of a large batch, about, from the case's last visit."""
    return case.done[-1].latency.median_ms / 1000 / case.case.batch_size / BATCH_GAIN[case.settings.device.type]
