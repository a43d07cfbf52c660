"""What the timed execution predicts, against what was scored: other kernels, and it must be the same computation."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from benchmarks.instruments.base import AfterLastVisit
from benchmarks.measured_case import MeasuredCase
from core.metrics.figures import Figure
from fixtures.executions import CaptureError
from fixtures.tasks.clusters import clustered_mean, clustered_share
from fixtures.tasks.predictions import Predictions, rounding_reason
from fixtures.tasks.records import TimedQualityRecord, TimedRecord
from fixtures.tasks.task import Scored
from fixtures.workloads import FORWARD

#: Rows that go through the timed execution, by type of device: on a CPU each takes a tenth of a second or more.
ROWS = {"cuda": 128, "cpu": 16}
#: The same in a quick session.
QUICK_ROWS = 2
#: A divergence of this many nats has no consequence.
TOLERATED_NATS = 1e-6
#: The timed and the scored forward may differ by as much as the precision itself makes a difference, times this.
TOLERATED_SHARE = 3
#: Of a trained model's targets a few change completely by rounding alone: of SmolLM2-135M's 195,000 in FP16 the largest
#: divergence is 7.8 nats, half of the sum of all, where the median is 1.5e-5 (H200). One of those among 13,000 would
#: decide their mean. Means that must agree leave out the targets of the largest divergence, one in this many.
LEFT_OUT_ONE_IN = 1000

IS_BASELINE = "this is what the others are compared with"


class TimedAnswers(NamedTuple):
    """What is known of the rows that went through the timed execution."""

    against_scored: TimedRecord
    against_fp32: TimedQualityRecord


def timed_answers(
    case: MeasuredCase, after: AfterLastVisit, models: Callable[[], list[Scored]], no_logits_reason: str | None
) -> TimedAnswers:
    """Run the first rows through the timed execution and compare its predictions with the scorer's, and with FP32's.

    `models` returns the case's own model as it is scored, and behind it FP32's where that is another; it is called
    where something is compared. Called in the precision's context.
    """
    reason = no_logits_reason or other_work_reason(case)
    if reason is not None:
        return without_answers(reason)
    device, batch_size = case.settings.device, case.case.batch_size
    rows_timed = QUICK_ROWS if case.settings.quick else ROWS[device.type]
    batches = case.data.batches[: max(1, rows_timed // batch_size)]
    compared = models()
    from_timed, from_fp32, scored_from_fp32 = Predictions(device), Predictions(device), Predictions(device)
    differences, samples = [torch.zeros(0, device=device)], [torch.zeros(0, dtype=torch.int64)]
    for part in case.task.scoring.timed(after.loop.run_on, compared, case.data, batches):
        scored, expected = part.scored[0], part.scored[-1]
        from_timed.add(scored, part.timed)
        from_fp32.add(part.timed, expected)
        scored_from_fp32.add(scored, expected)
        right = part.right[:, None]
        differences.append((scored.gather(1, right) - part.timed.gather(1, right))[:, 0])
        samples.append(part.sample)
    losses, rows = torch.cat(differences).double(), len(batches) * batch_size
    if not len(losses):
        return without_answers("the rows hold nothing to answer", rows)
    tolerated = max(TOLERATED_NATS, TOLERATED_SHARE * trimmed_mean(scored_from_fp32.kl_nats))
    against_scored = TimedRecord(
        kl_nats=Figure(float(from_timed.kl_nats.double().mean())),
        loss_difference_nats=float(losses.mean()),
        top1_agreement=float(from_timed.same_top.double().mean()),
        rows=rows,
        targets=len(losses),
        kl_trimmed_nats=trimmed_mean(from_timed.kl_nats),
        tolerated_nats=tolerated,
    )
    if len(compared) == 1:
        return TimedAnswers(against_scored, no_difference(IS_BASELINE, rows, len(losses)))
    return TimedAnswers(against_scored, against_fp32(from_fp32, torch.cat(samples), rows))


def without_answers(reason: str, rows: int = 0) -> TimedAnswers:
    """Return the records where nothing was compared, and why."""
    missing: Figure[float] = Figure(None, reason=reason)
    return TimedAnswers(TimedRecord(kl_nats=missing, rows=rows), no_difference(reason, rows, 0))


def against_fp32(predictions: Predictions, sample: torch.Tensor, rows: int) -> TimedQualityRecord:
    """Return how predictions differ from FP32's, with intervals by rows; null where rounding alone tells them apart."""
    kl = predictions.kl_nats.double()
    reason = rounding_reason(float(kl.mean()))
    if reason is not None:
        return no_difference(reason, rows, len(kl))
    return TimedQualityRecord(
        kl_vs_fp32_nats=Figure.estimated(*clustered_mean(kl, sample)),
        top1_agreement_vs_fp32=Figure.estimated(*clustered_share(predictions.same_top, sample)),
        top1_strict_vs_fp32=Figure.estimated(*clustered_share(predictions.same_first, sample)),
        rows=rows,
        targets=len(kl),
    )


def no_difference(reason: str, rows: int, targets: int) -> TimedQualityRecord:
    """Return the record of a divergence that is not known."""
    missing: Figure[float] = Figure(None, reason=reason)
    return TimedQualityRecord(
        kl_vs_fp32_nats=missing,
        top1_agreement_vs_fp32=missing,
        top1_strict_vs_fp32=missing,
        rows=rows,
        targets=targets,
    )


def trimmed_mean(kl_nats: torch.Tensor) -> float:
    """Return the mean of divergences, float32 [targets], without the largest thousandth; NaN where one is NaN."""
    in_order = kl_nats.double().sort().values  # NaN come last
    kept = in_order[: len(in_order) - len(in_order) // LEFT_OUT_ONE_IN]
    return float(kept.mean() if not torch.isnan(in_order[-1]) else in_order[-1])


def other_work_reason(case: MeasuredCase) -> str | None:
    """Return why what is timed is not compared with what is scored, and what is compared instead; or None."""
    if case.workload is not FORWARD:
        return f"scoring is of whole sequences; the logits of {case.case.workload} are compared with eager ones"
    return None


def require_same_predictions(timed: TimedRecord, name: str) -> None:
    """Raise `CaptureError` where timed and scored predictions differ by more than the precision explains."""
    if timed.kl_trimmed_nats is None or timed.tolerated_nats is None:
        return
    if not timed.kl_trimmed_nats <= timed.tolerated_nats:
        raise CaptureError(
            f"What {name} predicts while it is timed differs from what was scored by {timed.kl_trimmed_nats:.1e} nats "
            f"a target; expected at most {timed.tolerated_nats:.1e}. Its latency and its quality would be those of two "
            "computations."
        )
