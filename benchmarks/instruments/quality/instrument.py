"""The instrument of quality: one untimed pass over the text for each precision."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Sequence
from functools import partial
from traceback import clear_frames
from typing import Any

import numpy as np
import torch

from analysis.metrics.records import Record
from analysis.storage.files import write
from benchmarks.instruments.base import AfterVisits
from benchmarks.instruments.quality.timed import require_same_predictions, timed_figures
from benchmarks.policies import Policies
from benchmarks.run import BenchmarkRun
from fixtures.dataset.decoding import decoder
from fixtures.model.loading import is_out_of_memory
from fixtures.precisions import PRECISIONS, Precision, baseline
from fixtures.tasks.language_modeling.divergence import Scored, compare, divergence_figures, no_divergence
from fixtures.tasks.language_modeling.paired import no_difference, perplexity_difference
from fixtures.tasks.language_modeling.perplexity import Scores, perplexity_validity, quality_figures, score
from fixtures.tasks.language_modeling.records import QualityRecord, StridedRecord
from fixtures.tasks.language_modeling.strided import strided_figures

FOLDER = "per_sequence"


class Quality(AfterVisits):
    """Perplexity, and how predictions differ from the baseline's.

    It is the same in every execution and for every batch size: all precisions are scored together, once for each
    sequence length. What was timed is then compared with what was scored.
    """

    record = QualityRecord

    def __init__(self, policies: Policies) -> None:
        super().__init__(policies)
        # With the process number: of two sessions begun in one second neither overwrites the other's file.
        self._session = f"{time.strftime('%Y%m%d_%H%M%S')}-{os.getpid()}"
        self._scored: dict[tuple[str, int], dict[str, Any]] = {}
        #: Whether memory has sufficed to score all precisions in one pass.
        self._together = True
        self._strided: dict[str, StridedRecord | None] = {}

    def measure(self, run: BenchmarkRun) -> Record:
        """Return the figures; those of another case with the same precision and sequence length where it was scored.

        Raises `CaptureError` where the timed execution predicts something else than what was scored.
        """
        key = (run.case.precision, run.case.sequence_length)
        with run.phase("quality"):
            if key not in self._scored:
                self._score_all(run)
            if run.case.precision not in self._strided:
                self._strided[run.case.precision] = strided(run)
            figures = self._scored[key]
            timed = timed_figures(run, no_logits_reason=figures["reason"])
            require_same_predictions(timed, figures["kl_vs_fp32_nats"], run.case.id)
        return QualityRecord(
            **figures,
            **perplexity_validity(run.is_stand_in, run.checkpoint.config["vocab_size"]),
            strided=self._strided[run.case.precision],
            scored_vs_timed=timed,
        )

    def _score_all(self, run: BenchmarkRun) -> None:
        """Score the precisions of all cases with this sequence length; in turn where memory does not hold them all."""
        names = dict.fromkeys(
            [case.precision for case in run.cases if case.sequence_length == run.case.sequence_length]
            + [run.case.precision]
        )
        others = [PRECISIONS[name].on(run.settings.device) for name in names if not PRECISIONS[name].is_baseline]
        if self._together and run.models.hold_together([baseline(), *others]):
            try:
                self._score(run, others, with_baseline=baseline().name in names)
                return
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or len(others) < 2:
                    raise
                clear_frames(error.__traceback__)  # which holds what had been allocated
        self._together = False
        own = [] if run.precision.is_baseline else [run.precision]
        self._score(run, own, with_baseline=run.precision.is_baseline)

    def _score(self, run: BenchmarkRun, precisions: Sequence[Precision], *, with_baseline: bool) -> None:
        rows, length = slice(run.settings.quality_rows(run.dataset.num_samples)), run.case.sequence_length
        tensors = run.data.input_ids[rows], run.data.attention_mask[rows]
        reference = scored_as(baseline(), run.baseline_model(), run.settings.device)
        models = {
            precision.name: scored_as(
                precision, run.models.get(precision, beside=baseline()).model, run.settings.device
            )
            for precision in precisions
        }
        comparisons = compare(models, reference, *tensors) if models else {}
        for name, comparison in comparisons.items():
            divergence = divergence_figures(comparison)
            for sequence in divergence["worst_sequences"]:
                sequence.update(text_of(run, sequence["sample"]))
            self._scored[name, length] = {
                **quality_figures(comparison.scores),
                **perplexity_difference(comparison.scores, comparison.reference),
                **divergence,
                **self._save(run, name, comparison.scores),
            }
        if with_baseline:
            if comparisons:
                scores = next(iter(comparisons.values())).reference
            else:
                with reference.running():
                    scores = score(reference.model, *tensors)
            reason = f"{baseline().name} is what the others are compared with"
            self._scored[baseline().name, length] = {
                **quality_figures(scores),
                **no_difference(reason),
                **no_divergence(reason),
                **self._save(run, baseline().name, scores),
            }

    def _save(self, run: BenchmarkRun, precision: str, scores: Scores) -> dict[str, Any]:
        name = precision + (f"_{run.data.sequence_length}" if run.data.is_cut else "")
        path = run.settings.results_dir / FOLDER / f"{self._session}_{name}.npz"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, packed(scores))
        except OSError as error:
            return {"per_sequence_file": None, "per_sequence_reason": f"{path} cannot be written ({error.strerror})"}
        return {"per_sequence_file": str(path), "per_sequence_reason": None}


def scored_as(precision: Precision, model: torch.nn.Module, device: torch.device) -> Scored:
    """Return a model to score in a precision, which keeps no casts: those that share a model take turns on it."""
    return Scored(model, partial(precision.running, device, keeps_casts=False))


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
