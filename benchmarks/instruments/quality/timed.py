"""What the timed execution predicts, against what was scored: other kernels, and it must be the same computation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from analysis.case import EAGER
from analysis.metrics.records import Record, metric
from benchmarks.run import BenchmarkRun
from fixtures.dataset.batches import Batch
from fixtures.executions import CaptureError
from fixtures.tasks.language_modeling.divergence import Predictions
from fixtures.tasks.language_modeling.scoring import Scorer, TargetBatch, chunks

#: Rows that go through the timed execution, by type of device: on a CPU each takes a tenth of a second or more.
ROWS = {"cuda": 128, "cpu": 16}
#: A divergence of this many nats has no consequence.
TOLERATED_NATS = 1e-6
#: The timed and the scored forward may differ by as much as the precision itself makes a difference, times this.
TOLERATED_SHARE = 3


@dataclass(frozen=True, kw_only=True)
class TimedRecord(Record):
    """The timed execution's predictions against the scored ones, on some rows; null with a reason where not compared.

    KL(timed || scored) and the difference of the losses, timed less scored, are means a target.
    """

    kl_nats: float | None = metric(
        "nats", None, "divergence of what was scored from what was timed", column="scored_vs_timed_kl_nats"
    )
    loss_difference_nats: float | None
    top1_agreement: float | None
    rows: int
    targets: int
    reason: str | None


def timed_figures(run: BenchmarkRun, no_logits_reason: str | None) -> TimedRecord:
    """Run the first rows through the timed execution and compare its predictions with the scorer's for those rows.

    Called in the precision's context. Eager execution is not run again where the session has the same precision in a
    CUDA graph, whose logits are compared with eager ones.
    """
    graph = run.case.partner(execution="graph")
    reason = no_logits_reason
    if reason is None and run.case.execution == EAGER and graph in run.cases:
        reason = f"{graph.id} has this comparison, and its logits are compared with eager ones"
    if reason is not None:
        return TimedRecord(
            kl_nats=None, loss_difference_nats=None, top1_agreement=None, rows=0, targets=0, reason=reason
        )
    batches = run.data.batches[: max(1, ROWS[run.settings.device.type] // run.case.batch_size)]
    scorer = Scorer.from_model(run.model, run.data.input_ids)
    predictions = Predictions(run.settings.device)
    differences = [torch.zeros(0, device=run.settings.device)]
    for group in groups(batches, max(1, scorer.tokens_per_batch // batches[0].input_ids.numel())):
        scored = in_order(group)
        features, done = scorer.features(scored), 0
        for timed in timed_logits(run, group, -(-scorer.positions_per_chunk // 2)):
            part = slice(done, done + len(timed))
            done += len(timed)
            timed_log_p, scored_log_p = (
                torch.log_softmax(logits[:, : scorer.vocabulary], dim=-1, dtype=torch.float32)
                for logits in (timed, scorer.output_layer(features[part]))
            )
            predictions.add(scored_log_p, timed_log_p)
            targets = scored.target_ids[part, None]
            differences.append((scored_log_p.gather(1, targets) - timed_log_p.gather(1, targets))[:, 0])
    losses = torch.cat(differences).double()
    if not len(losses):
        reason = "the rows hold no text target"
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
            f"target; expected at most {limit:.1e}. Its latency and its perplexity would be those of two computations."
        )


def groups(batches: list[Batch], size: int) -> Iterator[list[Batch]]:
    """Cut batches into groups."""
    return (batches[part] for part in chunks(len(batches), size))


def in_order(batches: list[Batch]) -> TargetBatch:
    """Return the rows of some batches and their targets, row by row: the order of `timed_logits`."""
    ids, mask = (torch.cat([getattr(one, name) for one in batches]) for name in ("input_ids", "attention_mask"))
    row, position = torch.nonzero(mask[:, 1:], as_tuple=True)
    width = ids.shape[1] - 1
    return TargetBatch(ids[:, :width], row * width + position, ids[:, 1:][row, position], row.cpu())


def timed_logits(run: BenchmarkRun, batches: list[Batch], at_once: int) -> Iterator[torch.Tensor]:
    """Give the timed execution's logits of the batches' targets, row by row, about `at_once` positions each time."""
    kept: list[torch.Tensor] = []
    for batch in batches:
        logits = run.loop.run_on(batch)[:, :-1].flatten(0, 1)
        positions = torch.nonzero(batch.attention_mask[:, 1:].flatten(), as_tuple=True)[0]
        for part in chunks(len(positions), at_once):
            if kept and sum(map(len, kept)) + len(positions[part]) > at_once:
                yield torch.cat(kept)
                kept = []
            kept.append(logits[positions[part]])
    if kept:
        yield torch.cat(kept)
