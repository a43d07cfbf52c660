"""What the timed execution predicts, against what was scored: other kernels, and it must be the same computation."""

from __future__ import annotations

import torch

from benchmarks.run import BenchmarkRun
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


def timed_figures(run: BenchmarkRun, no_logits_reason: str | None) -> TimedRecord:
    """Run the first rows through the timed execution and compare its predictions with the scorer's for those rows.

    Called in the precision's context. Eager execution is not run again where the session has the same precision in a
    CUDA graph, whose logits are compared with eager ones.
    """
    graph = run.case.partner(execution=TRAITS.replayed_reference or "")
    reason = no_logits_reason
    if reason is None and run.workload is not FORWARD:
        reason = f"scoring is of whole sequences; the logits of {run.case.workload} are compared with eager ones"
    if reason is None and run.execution.traits.is_reference and graph in run.cases:
        reason = f"{graph.id} has this comparison, and its logits are compared with eager ones"
    if reason is not None:
        return TimedRecord(
            kl_nats=None, loss_difference_nats=None, top1_agreement=None, rows=0, targets=0, reason=reason
        )
    batches = run.data.batches[: max(1, ROWS[run.settings.device.type] // run.case.batch_size)]
    predictions = Predictions(run.settings.device)
    differences = [torch.zeros(0, device=run.settings.device)]
    for part in run.task.scoring.timed(run.loop.run_on, run.model, run.data, batches):
        predictions.add(part.scored, part.timed)
        right = part.right[:, None]
        differences.append((part.scored.gather(1, right) - part.timed.gather(1, right))[:, 0])
    losses = torch.cat(differences).double()
    if not len(losses):
        reason = "the rows hold nothing to answer"
    return TimedRecord(
        kl_nats=None if reason else float(predictions.kl_nats.double().mean()),
        loss_difference_nats=None if reason else float(losses.mean()),
        top1_agreement=None if reason else float(predictions.same_top.double().mean()),
        rows=len(batches) * run.case.batch_size,
        targets=len(losses),
        reason=reason,
    )


def require_same_predictions(timed: TimedRecord, kl_vs_fp32_nats: float | None, name: str) -> None:
    """Raise `CaptureError` where timed and scored predictions differ by more than the precision explains."""
    limit = max(TOLERATED_NATS, TOLERATED_SHARE * (kl_vs_fp32_nats or 0.0))
    if timed.kl_nats is not None and not timed.kl_nats <= limit:
        raise CaptureError(
            f"What {name} predicts while it is timed differs from what was scored by {timed.kl_nats:.1e} nats a "
            f"target; expected at most {limit:.1e}. Its latency and its quality would be those of two computations."
        )
