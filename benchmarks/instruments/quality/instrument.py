"""The instrument of quality: one untimed pass over the text for each precision."""

from __future__ import annotations

import io
import os
import time
from functools import partial
from typing import Any

import numpy as np

from analysis.storage.files import write
from benchmarks.instruments.base import Instrument, Record
from benchmarks.instruments.quality.divergence import compare, divergence_figures, no_divergence
from benchmarks.instruments.quality.paired import no_difference, perplexity_difference
from benchmarks.instruments.quality.perplexity import Scores, perplexity_validity, quality_figures, score
from benchmarks.instruments.quality.strided import strided_figures
from benchmarks.policies import Policies
from benchmarks.run import BenchmarkRun
from fixtures.dataset.decoding import decoder
from fixtures.precisions import baseline

FOLDER = "per_sequence"


class Quality(Instrument):
    """Perplexity, and how predictions differ from the baseline's; the same in every execution of a precision."""

    def __init__(self, policies: Policies) -> None:
        super().__init__(policies)
        # With the process number: of two sessions begun in one second neither overwrites the other's file.
        self._session = f"{time.strftime('%Y%m%d_%H%M%S')}-{os.getpid()}"

    def measure(self, run: BenchmarkRun) -> Record:
        """Return the figures, from another execution of this precision where one has been scored already."""
        scored = [one.extra_info["quality"] for one in run.finished.values() if one.precision == run.precision.name]
        if scored:
            figures: dict[str, Any] = scored[0]
        else:
            with run.phase("quality"):
                figures = self._score(run) | {"strided": strided(run)}
        if figures["nonfinite_logits"]:
            run.invalidate(figures["reason"])
        stand_in = run.extra_info["provenance"]["stand_in"]
        return {"quality": figures | perplexity_validity(stand_in, run.checkpoint.config["vocab_size"])}

    def _score(self, run: BenchmarkRun) -> dict[str, Any]:
        rows = slice(run.settings.quality_rows(run.dataset.num_samples))
        tensors = run.dataset.input_ids[rows], run.dataset.attention_mask[rows]
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
        path = run.settings.results_dir / FOLDER / f"{self._session}_{run.precision.name}.npz"
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


def strided(run: BenchmarkRun) -> dict[str, Any] | None:
    """Return the figures of the published protocol, or None where they were not requested."""
    if run.whole_text is None:
        return None
    settings, text = run.settings, run.whole_text
    ids = text.ids.to(settings.device)
    figures = strided_figures(run.model, ids, text.words, settings.quality_context, settings.quality_stride)
    return figures | {"source": text.source}


def text_of(run: BenchmarkRun, sample: int) -> dict[str, Any]:
    """Return a sample's text, or null and the reason."""
    decode = decoder() if not run.dataset.stand_in else "generated text"
    if isinstance(decode, str):
        return {"text": None, "text_reason": decode}
    return {
        "text": decode(run.dataset.input_ids[sample, : run.dataset.lengths[sample]].tolist()),
        "text_reason": None,
    }
