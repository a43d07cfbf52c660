"""Whether generated texts are the same: in each execution as in eager, and in each precision as in FP32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch

from benchmarks.instruments.base import AfterLastVisit, AfterVisits
from benchmarks.measured_case import MeasuredCase
from benchmarks.policies import Policies
from core.case import Case
from core.metrics import SAME
from core.metrics.figures import NOT_MEASURED, Figure, Interval, Reason
from core.metrics.ranges import DIVERGENCE, NOT_NEGATIVE, SHARE
from core.metrics.records import Record, metric
from core.statistics.paired_shares import share_interval
from fixtures.dataset.batches import Batch
from fixtures.executions import EXECUTIONS, TRAITS, CaptureError, Forward, reference
from fixtures.precisions import baseline
from fixtures.tasks.log_probabilities import log_probabilities
from fixtures.tasks.predictions import Predictions
from fixtures.workloads.cache import generated_tokens

#: Prompts, at least, by what a step costs: a replay, or a call from Python, or a CPU's time.
PROMPTS = {"replayed": 32, "called": 2, "cpu": 2}
#: Tokens by which texts are compared; the first this many tell whether a prompt's text is FP32's.
TOKENS = {"cuda": 64, "cpu": 32}
FIRST_TOKENS = 32


@dataclass(frozen=True, kw_only=True)
class GenerationRecord(Record):
    """Greedy tokens behind the prompts, and the logits of the first step; null for workloads that generate none."""

    section: ClassVar[str] = "generation"
    same_as_eager: float | None = metric(
        "",
        None,
        "share of greedy tokens that are eager's",
        within=SHARE,
        column="generated_same_as_eager",
        place=930,
        default=None,
    )
    same_text_as_fp32: Figure[float] = metric(
        "",
        "higher",
        "share of prompts whose first 32 greedy tokens are FP32's",
        within=SHARE,
        interval=Interval(of="the share of prompts like these (exact, binomial)", stem="same_text"),
        reason=Reason("reason", after="tokens"),
        repeat=SAME,
        heading="same text as FP32",
        form=".1%",
        default=NOT_MEASURED,
    )
    first_difference: float | None = metric(
        "tokens",
        "higher",
        "mean position of the first token that differs from FP32's, where one does",
        within=NOT_NEGATIVE,
        default=None,
    )
    kl_vs_fp32_nats: float | None = metric(
        "nats",
        "lower",
        "mean divergence of the first step from FP32's",
        within=DIVERGENCE,
        column="decode_kl_vs_fp32_nats",
        default=None,
    )
    top1_agreement_vs_fp32: float | None = metric(
        "",
        "higher",
        "prompts whose most likely next token is FP32's",
        within=SHARE,
        column="decode_top1_vs_fp32",
        default=None,
    )
    prompts: int | None = None
    tokens: int | None = None


class Texts(NamedTuple):
    """Greedy tokens behind prompts, int64 [prompts, tokens], and log-probabilities of the first, [prompts, vocabulary].

    All on the CPU.
    """

    tokens: torch.Tensor
    log_p: torch.Tensor


class Generation(AfterVisits):
    """Generates with the timed execution, with eager and with FP32."""

    name = "generation"
    description = "greedy texts, against eager execution's and FP32's"
    record = GenerationRecord

    def __init__(self, policies: Policies) -> None:
        super().__init__(policies)
        #: FP32's, by the case without its precision and how it is launched.
        self._references: dict[tuple[Case, str], Texts] = {}

    def measure(self, case: MeasuredCase, after: AfterLastVisit) -> Record:
        """Return the figures. Raises `CaptureError` where a CUDA graph generates other tokens than eager execution."""
        if not case.workload.unit.is_token:
            return GenerationRecord(same_text_as_fp32=Figure(None, reason=f"{case.case.workload} generates no text"))
        with case.phase("quality"):
            return self._generation(case, after.loop.forward)

    def _generation(self, case: MeasuredCase, forward: Forward) -> GenerationRecord:
        device = case.settings.device.type
        launched = "cpu" if device == "cpu" else "replayed" if case.execution.traits.is_replayed else "called"
        room = generated_tokens(case.checkpoint.positions, case.case.sequence_length)
        tokens = min(TOKENS[device], room)
        wanted = -(-PROMPTS[launched] // case.case.batch_size)
        batches = case.data.batches[: max(1, min(wanted, case.data.samples // case.case.batch_size))]
        timed = texts_of(forward, batches, tokens)
        same = self._same_as_eager(case, batches[0], tokens, timed)
        expected = self._reference(case, launched, batches, tokens, timed)
        prompts = len(timed.tokens)
        if case.precision.is_baseline:
            missing: Figure[float] = Figure(None, reason=f"{case.case.precision} is what the others are compared with")
            return GenerationRecord(same_as_eager=same, prompts=prompts, tokens=tokens, same_text_as_fp32=missing)
        return GenerationRecord(same_as_eager=same, prompts=prompts, tokens=tokens, **against_fp32(timed, expected))

    def _same_as_eager(self, case: MeasuredCase, batch: Batch, tokens: int, timed: Texts) -> float | None:
        if case.execution.traits.is_reference:
            return None  # it would be compared with itself
        eager = texts_of(case.eager, [batch], tokens).tokens
        differing = float((eager != timed.tokens[: len(eager)]).double().mean())
        if differing and not case.execution.compiles:
            raise CaptureError(
                f"{case.case.id} generates other tokens than eager execution ({differing:.1%} of {eager.numel()}); "
                "expected the same. Its latency would be that of another computation."
            )
        return 1 - differing

    def _reference(
        self, case: MeasuredCase, launched: str, batches: Sequence[Batch], tokens: int, timed: Texts
    ) -> Texts:
        """Return FP32's texts for the batches, generated once for all precisions: its own, where it is measured."""
        key = (case.case.partner(precision="", execution=""), launched)
        if key not in self._references and case.precision.is_baseline:
            self._references[key] = timed
        if key not in self._references:
            replayed = TRAITS.replayed_reference if launched == "replayed" else None
            execution = EXECUTIONS[replayed] if replayed else reference()
            with baseline().running(case.settings.device, keeps_casts=False):
                forward = execution.prepare(case.baseline_model(), case.data.examples, workload=case.workload)
                self._references[key] = texts_of(forward, batches, tokens)
        return self._references[key]


def texts_of(forward: Forward, batches: Sequence[Batch], tokens: int) -> Texts:
    """Return the greedy tokens that follow the first one behind each prompt, and the logits of the first step."""
    texts, firsts = [], []
    for batch in batches:
        logits, text = forward(batch), []
        firsts.append(log_probabilities(logits[:, -1]).cpu())
        for number in range(tokens):
            following = logits[:, -1:].argmax(dim=-1)
            text.append(following)
            if number + 1 < tokens:
                forward.put({"input_ids": following})
                logits = forward.run()
        texts.append(torch.cat(text, dim=1).cpu())
    return Texts(torch.cat(texts), torch.cat(firsts))


def against_fp32(found: Texts, expected: Texts) -> dict[str, Any]:
    """Return how many texts are FP32's and where those that are not differ first, and the first steps' divergence."""
    differs = found.tokens != expected.tokens
    same_texts = int((~differs[:, :FIRST_TOKENS].any(dim=1)).sum())
    other = differs[differs.any(dim=1)]
    predictions = Predictions(found.log_p.device)
    predictions.add(found.log_p, expected.log_p)
    return {
        "same_text_as_fp32": Figure(same_texts / len(differs), *share_interval(same_texts, len(differs))),
        "first_difference": float(other.int().argmax(dim=1).double().mean()) if len(other) else None,
        "kl_vs_fp32_nats": float(predictions.kl_nats.double().mean()),
        "top1_agreement_vs_fp32": float(predictions.same_top.double().mean()),
    }
