"""Writes perplexity, and how predictions differ from FP32's, from one untimed pass for each precision."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from analysis.storage.files import write
from benchmarks.instruments.machine.validity import invalidate
from benchmarks.instruments.quality.divergence import compare, divergence_figures, no_divergence
from benchmarks.instruments.quality.paired import no_difference, perplexity_difference
from benchmarks.instruments.quality.per_sequence import packed
from benchmarks.instruments.quality.perplexity import Scores, meaning, quality_figures, score
from benchmarks.instruments.quality.strided import strided_figures
from benchmarks.run import ForwardRun
from fixtures.dataset.decoding import decoder
from fixtures.precisions import BASELINE, PRECISIONS

FOLDER = "per_sequence"


class QualityPlugin:
    """Keeps each precision's figures, because quality does not depend on the execution."""

    def __init__(self) -> None:
        self._figures: dict[str, dict[str, Any]] = {}
        # With the process's number: of two sessions begun in one second neither overwrites the other's file.
        self._session = f"{time.strftime('%Y%m%d_%H%M%S')}-{os.getpid()}"

    def pytest_forward_timed(self, run: ForwardRun) -> None:
        """Score the text once for each precision."""
        name = run.precision.name
        if name not in self._figures:
            with run.phase("quality"):
                self._figures[name] = self._measure(run) | {"strided": strided(run)}
        provenance = run.extra_info["provenance"]
        figures = self._figures[name] | meaning(provenance["stand_in"], run.checkpoint.config["vocab_size"])
        run.extra_info["quality"] = figures
        if figures["nonfinite_logits"]:
            invalidate(run.extra_info["validity"], figures["reason"])

    def _measure(self, run: ForwardRun) -> dict[str, Any]:
        rows = slice(run.settings.quality_rows(run.dataset.num_samples))
        tensors = run.dataset.input_ids[rows], run.dataset.attention_mask[rows]
        if run.precision.name == BASELINE:
            scores = score(run.model, *tensors)
            reason = f"{BASELINE} is what the others are compared with"
            return {
                **quality_figures(scores),
                **no_difference(reason),
                **no_divergence(reason),
                **self._saved(run, scores),
            }
        baseline = PRECISIONS[BASELINE]
        compared = compare(run.model, run.baseline_model(), partial(baseline.running, run.settings.device), *tensors)
        divergence = divergence_figures(compared)
        for sequence in divergence["worst_sequences"]:
            sequence.update(text_of(run, sequence["sample"]))
        return {
            **quality_figures(compared.scores),
            **perplexity_difference(compared.scores, compared.reference),
            **divergence,
            **self._saved(run, compared.scores),
        }

    def _saved(self, run: ForwardRun, scores: Scores) -> dict[str, Any]:
        path: Path = run.settings.results_dir / FOLDER / f"{self._session}_{run.precision.name}.npz"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, packed(scores))
        except OSError as error:
            return {"per_sequence_file": None, "per_sequence_reason": f"{path} cannot be written ({error.strerror})"}
        return {"per_sequence_file": str(path), "per_sequence_reason": None}


def strided(run: ForwardRun) -> dict[str, Any] | None:
    """Return the figures of the published protocol, or None where nobody asked for them."""
    if run.whole_text is None:
        return None
    settings, text = run.settings, run.whole_text
    ids = text.ids.to(settings.device)
    found = strided_figures(run.model, ids, text.words, settings.quality_context, settings.quality_stride)
    return found | {"source": text.source}


def text_of(run: ForwardRun, sample: int) -> dict[str, Any]:
    """Return a sample's text, or null and the reason."""
    decode = decoder() if not run.dataset.stand_in else "generated text"
    if isinstance(decode, str):
        return {"text": None, "text_reason": decode}
    return {
        "text": decode(run.dataset.input_ids[sample, : run.dataset.lengths[sample]].tolist()),
        "text_reason": None,
    }


def pytest_configure(config: pytest.Config) -> None:
    """Keep the figures for the session."""
    config.pluginmanager.register(QualityPlugin(), "forward-quality")
