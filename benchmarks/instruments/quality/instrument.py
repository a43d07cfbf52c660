"""The instrument of quality: one untimed pass over the text for each precision."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from analysis.storage.files import write
from benchmarks.instruments.base import AfterVisits, Record, metric
from benchmarks.instruments.quality.divergence import compare, divergence_figures, no_divergence
from benchmarks.instruments.quality.paired import no_difference, perplexity_difference
from benchmarks.instruments.quality.perplexity import Scores, perplexity_validity, quality_figures, score
from benchmarks.instruments.quality.strided import strided_figures
from benchmarks.policies import Policies
from benchmarks.run import BenchmarkRun
from fixtures.dataset.decoding import decoder
from fixtures.precisions import baseline

FOLDER = "per_sequence"


@dataclass(frozen=True, kw_only=True)
class StridedRecord(Record):
    """The whole text by the published protocol."""

    perplexity: float | None = metric(
        "", "lower", "of the whole text, by the published protocol", column="strided_perplexity"
    )
    word_perplexity: float | None = metric("", "lower", "the same for each word", column="strided_word_perplexity")
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
        heading="perplexity",
        in_terminal=True,
        form=".3f",
    )
    avg_loss_nats: float | None = metric("nats", "lower", "mean loss over text targets")
    reason: str | None = metric("", None, "why there is no perplexity", column="quality_reason")
    targets: int = metric("", None, "text targets scored")
    samples: int
    nonfinite_logits: int = metric("", "lower", "logits that are NaN or infinite")
    delta_perplexity_vs_fp32: float | None = metric(
        "",
        "lower",
        "perplexity minus FP32's",
        interval_of="the difference on this text",
        low_column="delta_perplexity_ci95_low",
        high_column="delta_perplexity_ci95_high",
        heading="perplexity vs FP32",
        form="+.4f",
    )
    delta_perplexity_ci95_low: float | None = metric("", None, "lower end of its 95% interval")
    delta_perplexity_ci95_high: float | None = metric("", None, "upper end of its interval")
    delta_perplexity_rel: float | None = metric("", "lower", "the same, as a share of FP32's")
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
    kl_vs_fp32_nats: float | None = metric("nats", "lower", "mean divergence from FP32 a token")
    kl_vs_fp32_p99_nats: float | None = metric("nats", "lower", "its 99th percentile")
    kl_vs_fp32_max_nats: float | None = metric("nats", "lower", "the largest")
    top1_agreement_vs_fp32: float | None = metric("", "higher", "same most likely token as FP32")
    divergence_reason: str | None
    worst_sequences: Sequence[Mapping[str, Any]]
    per_sequence_file: str | None
    per_sequence_reason: str | None
    strided: StridedRecord | None
    meaningful: bool = metric("", None, "false with generated text or seeded weights", column="quality_meaningful")
    meaningful_reason: str | None


class Quality(AfterVisits):
    """Perplexity, and how predictions differ from the baseline's.

    It is the same in every execution and for every batch size: a precision is scored once for each sequence length.
    """

    record = QualityRecord

    def __init__(self, policies: Policies) -> None:
        super().__init__(policies)
        # With the process number: of two sessions begun in one second neither overwrites the other's file.
        self._session = f"{time.strftime('%Y%m%d_%H%M%S')}-{os.getpid()}"
        self._scored: dict[tuple[str, int], QualityRecord] = {}
        self._strided: dict[str, StridedRecord | None] = {}

    def measure(self, run: BenchmarkRun) -> Record:
        """Return the figures; those of another case with the same precision and sequence length where it was scored."""
        key = (run.case.precision, run.case.sequence_length)
        if key not in self._scored:
            with run.phase("quality"):
                if run.case.precision not in self._strided:
                    self._strided[run.case.precision] = strided(run)
                self._scored[key] = QualityRecord(
                    **self._score(run),
                    **perplexity_validity(run.is_stand_in, run.checkpoint.config["vocab_size"]),
                    strided=self._strided[run.case.precision],
                )
        return self._scored[key]

    def _score(self, run: BenchmarkRun) -> dict[str, Any]:
        rows = slice(run.settings.quality_rows(run.dataset.num_samples))
        tensors = run.data.input_ids[rows], run.data.attention_mask[rows]
        if run.precision.is_baseline:
            scores = score(run.model, *tensors)
            reason = f"{run.precision.name} is what the others are compared with"
            return {
                **quality_figures(scores),
                **no_difference(reason),
                **no_divergence(reason),
                **self._save(run, scores),
            }
        in_baseline = partial(baseline().running, run.settings.device)
        comparison = compare(run.model, run.baseline_model(), in_baseline, *tensors)
        divergence = divergence_figures(comparison)
        for sequence in divergence["worst_sequences"]:
            sequence.update(text_of(run, sequence["sample"]))
        return {
            **quality_figures(comparison.scores),
            **perplexity_difference(comparison.scores, comparison.reference),
            **divergence,
            **self._save(run, comparison.scores),
        }

    def _save(self, run: BenchmarkRun, scores: Scores) -> dict[str, Any]:
        name = run.case.precision + (f"_{run.data.sequence_length}" if run.data.is_cut else "")
        path = run.settings.results_dir / FOLDER / f"{self._session}_{name}.npz"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, packed(scores))
        except OSError as error:
            return {"per_sequence_file": None, "per_sequence_reason": f"{path} cannot be written ({error.strerror})"}
        return {"per_sequence_file": str(path), "per_sequence_reason": None}


def packed(scores: Scores) -> bytes:
    """Return `nll_nats` (float64) and `targets` (int64), one entry a sequence, as a compressed .npz file.

    Made in memory: an archive that is written to a full disk raises again when it is garbage-collected,
    where no caller can catch it.
    """
    file = io.BytesIO()
    np.savez_compressed(file, nll_nats=scores.nll_nats.numpy(), targets=scores.targets.numpy())
    return file.getvalue()


def strided(run: BenchmarkRun) -> StridedRecord | None:
    """Return the figures of the published protocol, or None where they were not requested."""
    if run.whole_text is None:
        return None
    settings, text = run.settings, run.whole_text
    ids = text.ids.to(settings.device)
    figures = strided_figures(run.model, ids, text.words, settings.quality_context, settings.quality_stride)
    return StridedRecord(**figures, source=text.source)


def text_of(run: BenchmarkRun, sample: int) -> dict[str, Any]:
    """Return a sample's text, or null and the reason."""
    decode = decoder() if not run.dataset.stand_in else "generated text"
    if isinstance(decode, str):
        return {"text": None, "text_reason": decode}
    return {
        "text": decode(run.data.input_ids[sample, : run.data.lengths[sample]].tolist()),
        "text_reason": None,
    }
