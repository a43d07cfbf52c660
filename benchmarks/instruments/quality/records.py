"""What the instrument of quality returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from analysis.metrics import SAME
from benchmarks.instruments.base import Record, metric
from benchmarks.instruments.quality.probabilities import ProbabilityRecord
from benchmarks.instruments.quality.timed import TimedRecord

#: What the intervals of the divergence are of.
ON_SUCH_TEXT = "the figure on text like this"


@dataclass(frozen=True, kw_only=True)
class StridedRecord(Record):
    """The whole text by the published protocol."""

    perplexity: float | None = metric(
        "", "lower", "of the whole text, by the published protocol", column="strided_perplexity", repeat=SAME
    )
    word_perplexity: float | None = metric(
        "", "lower", "the same for each word", column="strided_word_perplexity", repeat=SAME
    )
    word_perplexity_reason: str | None
    avg_loss_nats: float | None
    reason: str | None
    targets: int
    words: int
    context: int
    stride: int
    source: str


@dataclass(frozen=True, kw_only=True)
class QualityRecord(Record):
    """Perplexity over the text targets, and how the predictions differ from FP32's at each of them."""

    section: ClassVar[str] = "quality"
    perplexity: float | None = metric(
        "",
        "lower",
        "exp of the mean loss over text targets",
        reason_column="quality_reason",
        repeat=SAME,
        heading="perplexity",
        in_terminal=True,
        form=".3f",
    )
    avg_loss_nats: float | None = metric("nats", "lower", "mean loss over text targets", repeat=SAME)
    reason: str | None = metric("", None, "why there is no perplexity", column="quality_reason")
    targets: int = metric("", None, "text targets scored")
    samples: int
    nonfinite_logits: int = metric("", "lower", "logits that are NaN or infinite", repeat=SAME)
    delta_perplexity_vs_fp32: float | None = metric(
        "",
        "lower",
        "perplexity minus FP32's",
        interval_of="the difference on this text",
        low_column="delta_perplexity_ci95_low",
        high_column="delta_perplexity_ci95_high",
        repeat=SAME,
        heading="perplexity vs FP32",
        form="+.4f",
    )
    delta_perplexity_ci95_low: float | None = metric("", None, "lower end of its 95% interval")
    delta_perplexity_ci95_high: float | None = metric("", None, "upper end of its interval")
    delta_perplexity_rel: float | None = metric("", "lower", "the same, as a share of FP32's", repeat=SAME)
    delta_perplexity_rel_ci95_low: float | None
    delta_perplexity_rel_ci95_high: float | None
    delta_reason: str | None
    verdict: str | None = metric(
        "",
        None,
        "equal within 0.1%, worse, better or undecided",
        column="quality_verdict",
        heading="against FP32",
        in_terminal=True,
    )
    kl_vs_fp32_nats: float | None = metric(
        "nats",
        "lower",
        "mean divergence from FP32 a token",
        interval_of=ON_SUCH_TEXT,
        low_column="kl_vs_fp32_ci95_low_nats",
        high_column="kl_vs_fp32_ci95_high_nats",
        repeat=SAME,
        heading="KL nats",
        form=".3g",
    )
    kl_vs_fp32_ci95_low_nats: float | None = metric("nats", None, "lower end of its 95% interval")
    kl_vs_fp32_ci95_high_nats: float | None = metric("nats", None, "upper end of its 95% interval")
    kl_vs_fp32_median_nats: float | None = metric("nats", "lower", "its median", repeat=SAME)
    kl_vs_fp32_median_ci95_low_nats: float | None
    kl_vs_fp32_median_ci95_high_nats: float | None
    kl_vs_fp32_p99_nats: float | None = metric("nats", "lower", "its 99th percentile", repeat=SAME)
    kl_vs_fp32_p99_ci95_low_nats: float | None
    kl_vs_fp32_p99_ci95_high_nats: float | None
    kl_vs_fp32_max_nats: float | None = metric("nats", "lower", "the largest", repeat=SAME)
    top1_agreement_vs_fp32: float | None = metric(
        "",
        "higher",
        "FP32's most likely token is among this one's most likely",
        interval_of=ON_SUCH_TEXT,
        low_column="top1_agreement_ci95_low",
        high_column="top1_agreement_ci95_high",
        repeat=SAME,
        heading="top-1 of FP32",
        form=".2%",
    )
    top1_agreement_vs_fp32_ci95_low: float | None = metric(
        "", None, "lower end of its 95% interval", column="top1_agreement_ci95_low"
    )
    top1_agreement_vs_fp32_ci95_high: float | None = metric(
        "", None, "upper end of its 95% interval", column="top1_agreement_ci95_high"
    )
    delta_probability: ProbabilityRecord | None
    top1_tied_share: float | None = metric("", None, "targets with several most likely tokens")
    divergence_reason: str | None
    worst_sequences: Sequence[Mapping[str, Any]]
    per_sequence_file: str | None
    per_sequence_reason: str | None
    strided: StridedRecord | None
    scored_vs_timed: TimedRecord
    meaningful: bool = metric("", None, "false with generated text or seeded weights", column="quality_meaningful")
    meaningful_reason: str | None
