"""What the timed execution predicts, against what was scored: other kernels, and it must be the same computation."""

from __future__ import annotations

import torch

from benchmarks.instruments.base import AfterLastVisit
from benchmarks.measured_case import MeasuredCase
from core.metrics.figures import Figure
from fixtures.executions import TRAITS, CaptureError
from fixtures.tasks.predictions import Predictions
from fixtures.tasks.task import TimedRecord
from fixtures.workloads import FORWARD

#: Rows that go through the timed execution, by type of device: on a CPU each takes a tenth of a second or more.
ROWS = {"cuda": 128, "cpu": 16}
#: A divergence of this many nats has no consequence.
TOLERATED_NATS = 1e-6
#: The timed and the scored forward may differ by as much as the precision itself makes a difference, times this.
TOLERATED_SHARE = 3


def timed_figures(case: MeasuredCase, after: AfterLastVisit, no_logits_reason: str | None) -> TimedRecord:
    """Run the first rows through the timed execution and compare its predictions with the scorer's for those rows.

    Called in the precision's context. Eager execution is not run again where the session has the same precision in a
    CUDA graph, whose logits are compared with eager ones.
    """
    reason = no_logits_reason or compared_elsewhere(case, after)
    if reason is not None:
        return TimedRecord(kl_nats=Figure(None, reason=reason))
    device, batch_size = case.settings.device, case.case.batch_size
    batches = case.data.batches[: max(1, ROWS[device.type] // batch_size)]
    predictions = Predictions(device)
    differences = [torch.zeros(0, device=device)]
    for part in case.task.scoring.timed(after.loop.run_on, case.model, case.data, batches):
        predictions.add(part.scored, part.timed)
        right = part.right[:, None]
        differences.append((part.scored.gather(1, right) - part.timed.gather(1, right))[:, 0])
    losses, rows = torch.cat(differences).double(), len(batches) * batch_size
    if not len(losses):
        return TimedRecord(kl_nats=Figure(None, reason="the rows hold nothing to answer"), rows=rows)
    return TimedRecord(
        kl_nats=Figure(float(predictions.kl_nats.double().mean())),
        loss_difference_nats=float(losses.mean()),
        top1_agreement=float(predictions.same_top.double().mean()),
        rows=rows,
        targets=len(losses),
    )


def compared_elsewhere(case: MeasuredCase, after: AfterLastVisit) -> str | None:
    """Return why what is timed is not compared with what is scored, and what is compared instead; or None."""
    if case.workload is not FORWARD:
        return f"scoring is of whole sequences; the logits of {case.case.workload} are compared with eager ones"
    graph = case.case.partner(execution=TRAITS.replayed_reference or "")
    if case.execution.traits.is_reference and graph in after.cases:
        return f"{graph.id} has this comparison, and its logits are compared with eager ones"
    return None


def require_same_predictions(timed: TimedRecord, kl_vs_fp32_nats: float | None, name: str) -> None:
    """Raise `CaptureError` where timed and scored predictions differ by more than the precision explains."""
    limit = max(TOLERATED_NATS, TOLERATED_SHARE * (kl_vs_fp32_nats or 0.0))
    if timed.kl_nats.value is not None and not timed.kl_nats.value <= limit:
        raise CaptureError(
            f"What {name} predicts while it is timed differs from what was scored by {timed.kl_nats.value:.1e} nats a "
            f"target; expected at most {limit:.1e}. Its latency and its quality would be those of two computations."
        )
