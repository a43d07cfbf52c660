"""Whether a benchmark's figures can be trusted: what was recorded of it, and what only several benchmarks show."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.runs.visits import saved_visits, was_visited
from core.case import case_of
from core.guards import LIMITS, finite_number
from core.metrics import lookup
from core.statistics.intervals import student_t

#: A change over the session by less than this moves no conclusion.
SMALLEST_DRIFT = 0.03
#: Two one-sided tests at 5% are one interval of 90% (Schuirmann, 1987).
DRIFT_CONFIDENCE = 0.90
#: Visits of one case that scatter by more say that something besides the case decided how long it took. In a graph on a
#: GPU they scatter by 0.3%, on two quiet cores of a CPU by 5% or more.
LARGEST_SCATTER = 0.05
#: What a benchmark may be, the worst first.
STATUSES = ("invalid", "unknown", "valid")
#: Names of NVIDIA's kernels that multiply in a format: CUTLASS's and older ones say it, nvjet's have a letter for each
#: operand (t: BF16, h: FP16, s: FP32).
BF16_KERNELS, FP16_KERNELS = re.compile(r"bf16|bfloat|_tst_|_ttt_"), re.compile(r"fp?16|_hsh_|_hhh_|h16816|half")


@dataclass(frozen=True)
class Drift:
    """How much more time benchmarks took at the end of the session than at its beginning, relative, with its interval.

    `of` names what drifted. The interval is of 90%.
    """

    of: str
    change_rel: float
    low_rel: float
    high_rel: float

    @property
    def is_drift(self) -> bool:
        """Whether the interval lies wholly beyond ± 3%."""
        return self.low_rel > SMALLEST_DRIFT or self.high_rel < -SMALLEST_DRIFT

    @property
    def is_steady(self) -> bool:
        """Whether the interval lies wholly within ± 3%."""
        return self.low_rel >= -SMALLEST_DRIFT and self.high_rel <= SMALLEST_DRIFT

    @property
    def reason(self) -> str:
        """What there is to say of a measurement that was not steady."""
        change = f"{self.change_rel:+.1%} ({self.low_rel:+.1%} to {self.high_rel:+.1%}) over the session"
        if self.is_drift:
            return f"drifted: {self.of} changed by {change}; let the machine settle and run again"
        return (
            f"whether it drifted cannot be told: {self.of} changed by {change}; expected within ± {SMALLEST_DRIFT:.0%}"
        )


@dataclass(frozen=True)
class Judgement:
    """The status of a benchmark (valid, invalid or unknown) and why it is that."""

    status: str
    reasons: tuple[str, ...]
    drift: Drift | None
    #: The status apart from drift, which falls on both sides of a ratio.
    paired_status: str


def session_drift(of: str, cases: Iterable[Sequence[tuple[float, float]]]) -> Drift | None:
    """Return the trend over the visits of several cases, or None where there are too few visits to tell.

    Each case is given as pairs of the moment of a visit, in any unit, and the time that a forward took in it. One
    slope is fitted to the logarithms of all, by least squares with a mean of its own for each case; the change is from
    the first visit of all to the last.
    """
    known = [case for case in cases if len(case) > 1]
    moments = [moment for case in known for moment, _ in case]
    if not known:
        return None
    spread = covariance = residual = 0.0
    for case in known:
        times, logs = [moment for moment, _ in case], [math.log(value) for _, value in case]
        time, log = statistics.fmean(times), statistics.fmean(logs)
        spread += sum((one - time) ** 2 for one in times)
        covariance += sum((one - time) * (value - log) for one, value in zip(times, logs, strict=True))
        residual += sum((value - log) ** 2 for value in logs)
    degrees_of_freedom = len(moments) - len(known) - 1
    if degrees_of_freedom < 1 or spread == 0:
        return None
    slope, span = covariance / spread, max(moments) - min(moments)
    variance = max(0.0, residual - slope * covariance) / degrees_of_freedom / spread
    half_width = student_t(degrees_of_freedom, DRIFT_CONFIDENCE) * math.sqrt(variance)
    changes = ((slope + offset) * span for offset in (0.0, -half_width, half_width))
    return Drift(of, *(math.expm1(min(change, LIMITS.largest_logarithm)) for change in changes))


def judgements(benchmarks: Iterable[Mapping[str, Any]]) -> list[Judgement]:
    """Return the judgement of each benchmark of one run, by its own record and by the visits of its execution."""
    own = list(benchmarks)
    drifts = _drifts(own)
    return [
        _judgement(item["extra_info"], drifts.get(case_of(item).execution), other_code_reason(item)) for item in own
    ]


def other_code_reason(benchmark: Mapping[str, Any]) -> str | None:
    """Return why what was timed was not what a benchmark's name says, or None.

    Up to PyTorch 2.12 what had been compiled under autocast to one dtype ran under autocast to another
    (findings/autocast_cache.sh): the kernels of its products are then the other's. Runs that record the dtype of the
    timed logits were not so.
    """
    precision, extra_info = case_of(benchmark).precision, benchmark["extra_info"]
    was_compiled = finite_number(lookup(extra_info, "seconds.compilation")) is not None
    kernels = lookup(extra_info, "numerics.products")
    if precision not in ("mixed", "mixed_bf16") or not was_compiled or not isinstance(kernels, Mapping):
        return None
    if isinstance(lookup(extra_info, "numerics.timed_logits_dtype"), str):
        return None
    of_bf16 = any(BF16_KERNELS.search(str(name)) for name in kernels)
    of_fp16 = any(FP16_KERNELS.search(str(name)) and not BF16_KERNELS.search(str(name)) for name in kernels)
    if (of_bf16 and precision == "mixed") or (of_fp16 and not of_bf16 and precision == "mixed_bf16"):
        return f"ran what had been compiled for {'BF16' if of_bf16 else 'FP16'} autocast: measure it again"
    return None


def _judgement(extra_info: Mapping[str, Any], drifted: Drift | None, other_code: str | None) -> Judgement:
    status, stated = lookup(extra_info, "validity.status"), lookup(extra_info, "validity.reasons")
    reasons = [str(reason) for reason in stated[: LIMITS.reasons]] if isinstance(stated, list) else []
    if status not in STATUSES:
        said = "nothing" if status is None else ascii(status)[:40]
        reasons.append(f"the run says {said} of its validity; expected {', '.join(STATUSES[:-1])} or {STATUSES[-1]}")
        status = "unknown"
    if finite_number(lookup(extra_info, "quality.nonfinite_logits")):
        status = "invalid"
        reasons.append(str(lookup(extra_info, "quality.reason")))
    if other_code is not None:
        status = "invalid"
        reasons.append(other_code)
    if isinstance(extra_info.get("incomplete"), str):
        status = worse(status, "unknown")
        reasons.append(str(extra_info["incomplete"]))
    paired_status = status
    if drifted is not None and drifted.is_drift:
        status = "invalid"
        reasons.append(drifted.reason)
    elif was_visited(extra_info) and (drifted is None or not drifted.is_steady):
        status = worse(status, "unknown")
        reasons.append(drifted.reason if drifted else "whether it drifted cannot be told: too few visits were made")
    if (scatter := scatter_reason(extra_info)) is not None:
        status = worse(status, "unknown")
        reasons.append(scatter)
    return Judgement(status, tuple(dict.fromkeys(reasons)), drifted, paired_status)


def scatter_reason(extra_info: Mapping[str, Any]) -> str | None:
    """Return what there is to say of a benchmark whose visits scatter by more than 5%, or None."""
    medians = [visit.median_ms for visit in saved_visits(extra_info) if visit.median_ms is not None]
    if len(medians) < 2:
        return None
    scatter = statistics.stdev(map(math.log, medians))
    if not scatter > LARGEST_SCATTER:
        return None
    return (
        f"{len(medians)} visits scatter by {scatter:.1%} (expected within {LARGEST_SCATTER:.0%}): quiet the machine, "
        "or quote a graph's figures"
    )


def worse(status: str, other: str) -> str:
    """Return the worse of two statuses."""
    return min(status, other, key=STATUSES.index)


def _drifts(benchmarks: Sequence[Mapping[str, Any]]) -> dict[str, Drift]:
    """Return the drift of each execution, over the visits of all its cases."""
    by_execution: dict[str, list[list[tuple[float, float]]]] = {}
    for item in benchmarks:
        medians = [
            (visit.started_s, visit.median_ms)
            for visit in saved_visits(item["extra_info"])
            if visit.started_s is not None and visit.median_ms is not None
        ]
        by_execution.setdefault(case_of(item).execution, []).append(medians)
    found = {execution: session_drift(f"{execution} execution", cases) for execution, cases in by_execution.items()}
    return {execution: drifted for execution, drifted in found.items() if drifted is not None}
