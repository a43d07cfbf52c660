"""Whether a benchmark's figures can be trusted: what was recorded of it, and what only several benchmarks show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.case import Case, case_of
from analysis.intervals import block_medians, effective_sample_size, welch
from analysis.metrics import lookup
from data_prep.errors import InputError
from data_prep.untrusted import finite_number

#: The key of `machine_info` with the benchmarks that were timed once more at the end: their cases, and the rounds.
TIMED_AGAIN_KEY = "timed_again"
#: A change of the machine by less than this moves no conclusion.
SMALLEST_DRIFT = 0.02


@dataclass(frozen=True)
class Drift:
    """How much longer a benchmark took at the end of the session than at first, relative, with its 95% interval."""

    sentinel: str
    change_rel: float
    low_rel: float
    high_rel: float

    @property
    def is_drift(self) -> bool:
        """Whether the interval lies wholly beyond ± 2%: a smaller change moves no conclusion."""
        return self.low_rel > SMALLEST_DRIFT or self.high_rel < -SMALLEST_DRIFT

    @property
    def reason(self) -> str:
        """The reason that it is not to trust a measurement."""
        return (
            f"drifted: {self.sentinel} changed by {self.change_rel:+.1%} ({self.low_rel:+.1%} to {self.high_rel:+.1%}) "
            "from its first timing to the end of the session; let the machine settle and run again"
        )


@dataclass(frozen=True)
class Judgement:
    """The status of a benchmark (valid, invalid, unknown, None where nothing was recorded) and why it is that."""

    status: str | None
    reasons: tuple[str, ...]
    drift: Drift | None


def drift(sentinel: str, first: Sequence[float], again: Sequence[float]) -> Drift | None:
    """Compare two timings of one benchmark, in any unit; None where there are too few rounds to tell.

    Welch's interval over the logarithms of block medians, each sample's variance widened by what its blocks have in
    common with their neighbours.
    """
    samples = [[math.log(median) for median in block_medians(rounds)] for rounds in (first, again)]
    if min(map(len, samples)) < 2:
        return None
    sizes = effective_sample_size(samples[0]), effective_sample_size(samples[1])
    centre, half_width = welch(np.array(samples[0]), np.array(samples[1]), sizes)
    return Drift(sentinel, *(math.expm1(centre + offset) for offset in (0, -half_width, half_width)))


def judgements(benchmarks: Iterable[Mapping[str, Any]], environment: Mapping[str, Any]) -> list[Judgement]:
    """Return the judgement of each benchmark of one run, by its own record and by the run's sentinels."""
    own = list(benchmarks)
    drifts = _drifts(own, environment)
    return [_judgement(item["extra_info"], drifts.get(case_of(item).execution)) for item in own]


def _judgement(extra_info: Mapping[str, Any], drifted: Drift | None) -> Judgement:
    status, stated = lookup(extra_info, "validity.status"), lookup(extra_info, "validity.reasons")
    reasons = [str(reason) for reason in stated] if isinstance(stated, list) else []
    drifted = drifted or _recorded_drift(lookup(extra_info, "validity.drift"))
    derived = []
    if finite_number(lookup(extra_info, "quality.nonfinite_logits")):
        derived.append(str(lookup(extra_info, "quality.reason")))
    if drifted is not None and drifted.is_drift:
        derived.append(drifted.reason)
    reasons += [reason for reason in derived if reason not in reasons]
    if derived:
        status = "invalid"
    return Judgement(status if isinstance(status, str) else None, tuple(reasons), drifted)


def _drifts(benchmarks: Sequence[Mapping[str, Any]], environment: Mapping[str, Any]) -> dict[str, Drift]:
    """Return the drift of each execution, from the first of its benchmarks, which was timed again at the end."""
    again = environment.get(TIMED_AGAIN_KEY)
    by_execution: dict[str, Drift] = {}
    for timing in again if isinstance(again, list) else ():
        case, rounds = _timing(timing)
        first: Mapping[str, Any] = next((item["extra_info"] for item in benchmarks if case_of(item) == case), {})
        drifted = drift(case.id, _rounds(lookup(first, "latency.series_ms")), rounds)
        if drifted is not None:
            by_execution[case.execution] = drifted
    return by_execution


def _timing(timing: object) -> tuple[Case, list[float]]:
    if not isinstance(timing, Mapping):
        raise InputError(f"The run's timings at its end hold {ascii(timing)[:80]}; expected a case and its series_ms.")
    return Case.from_json(timing.get("case")), _rounds(timing.get("series_ms"))


def _rounds(values: object) -> list[float]:
    """Return a series of times, empty where it is not one."""
    numbers = [finite_number(value) for value in values] if isinstance(values, list) else []
    known = [number for number in numbers if number is not None and number > 0]
    return known if len(known) == len(numbers) else []


def _recorded_drift(value: object) -> Drift | None:
    """Return the drift that a run of the first edition recorded."""
    if not isinstance(value, Mapping):
        return None
    ends = [finite_number(value.get(f"change_{end}")) for end in ("rel", "ci95_low", "ci95_high")]
    known = [end for end in ends if end is not None]
    return Drift(str(value.get("sentinel")), *known) if len(known) == len(ends) else None
