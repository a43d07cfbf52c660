"""The instrument of quality: one untimed pass over the data for each precision."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Mapping, Sequence
from functools import partial
from traceback import clear_frames
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.instruments.base import AfterVisits
from benchmarks.instruments.quality.timed import require_same_predictions, timed_figures
from benchmarks.policies import Policies
from benchmarks.run import BenchmarkRun
from core.case import Case
from core.files import write
from core.metrics.records import Record
from core.tasks import DEFAULT_TASK
from fixtures.dataset.decoding import decoder
from fixtures.models.loading import is_out_of_memory
from fixtures.precisions import PRECISIONS, Precision, baseline
from fixtures.tasks import Task
from fixtures.tasks.task import QualityRecord, Scored, ScoredRows

FOLDER = "per_sequence"


class Quality(AfterVisits):
    """The task's quality, and how answers differ from the baseline's.

    It is the same in every execution and for every batch size: all precisions are scored together, once for each task
    and sequence length. What was timed is then compared with what was scored.
    """

    name = "quality"
    description = "the task's quality, and how answers differ from the baseline's"
    record = QualityRecord

    def __init__(self, policies: Policies) -> None:
        super().__init__(policies)
        # With the process number: of two sessions begun in one second neither overwrites the other's file.
        self._session = f"{time.strftime('%Y%m%d_%H%M%S')}-{os.getpid()}"
        self._scored: dict[tuple[str, str, int], dict[str, Any]] = {}
        #: Whether memory has sufficed to score all precisions in one pass.
        self._together = True
        self._extras: dict[tuple[str, str], Mapping[str, Any]] = {}

    def records(self, tasks: Sequence[Task]) -> Sequence[type[Record]]:
        """Return the tasks' records."""
        return [task.scoring.record for task in tasks]

    def measure(self, run: BenchmarkRun) -> Record:
        """Return the figures; those of another case with the same precision and sequence length where it was scored.

        Raises `CaptureError` where the timed execution predicts something else than what was scored.
        """
        scoring, key, once = run.task.scoring, scored_key(run.case), (run.case.task, run.case.precision)
        with run.phase("quality"):
            if key not in self._scored:
                self._score_all(run)
            if once not in self._extras:
                self._extras[once] = scoring.extras(run.model, run.settings)
            figures = self._scored[key]
            timed = timed_figures(run, no_logits_reason=figures["reason"])
            require_same_predictions(timed, figures.get("kl_vs_fp32_nats"), run.case.id)
        meaningless = scoring.validity(run.checkpoint, run.is_stand_in)
        return scoring.record(
            headline=run.task.words.headline,
            **figures,
            **self._extras[once],
            scored_vs_timed=timed,
            meaningful=meaningless is None,
            meaningful_reason=meaningless,
        )

    def _score_all(self, run: BenchmarkRun) -> None:
        """Score the precisions of all cases with this sequence length; in turn where memory does not hold them all."""
        alike = [case for case in run.cases if scored_key(case)[::2] == scored_key(run.case)[::2]]
        names = dict.fromkeys([case.precision for case in alike] + [run.case.precision])
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
        reference = scored_as(baseline(), run.baseline_model(), run.settings.device)
        models = {
            precision.name: scored_as(
                precision, run.models.get(precision, beside=baseline()).model, run.settings.device
            )
            for precision in precisions
        }
        figures = run.task.scoring.score(
            scored_rows(run), models, reference, baseline().name if with_baseline else None
        )
        for name, found in figures.items():
            key = scored_key(run.case.partner(precision=name))
            self._scored[key] = {**found.fields, **self._save(run, name, found.per_sample)}

    def _save(self, run: BenchmarkRun, precision: str, per_sample: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
        task = "" if run.case.task == DEFAULT_TASK else f"{run.case.task}_"
        name = task + precision + (f"_{run.data.sequence_length}" if run.data.is_cut else "")
        path = run.settings.results_dir / FOLDER / f"{self._session}_{name}.npz"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, packed(per_sample))
        except OSError as error:
            return {"per_sequence_file": None, "per_sequence_reason": f"{path} cannot be written ({error.strerror})"}
        return {"per_sequence_file": str(path), "per_sequence_reason": None}


def scored_key(case: Case) -> tuple[str, str, int]:
    """Return what decides a case's quality."""
    return case.task, case.precision, case.sequence_length


def scored_rows(run: BenchmarkRun) -> ScoredRows:
    """Return the rows of the data that are scored."""
    rows = slice(run.settings.quality_rows(run.dataset.num_samples, run.task.scoring.rows_on_cpu))
    data = run.dataset.shaped(run.case.batch_size, run.case.sequence_length)  # whatever the workload makes of it
    return ScoredRows(data.input_ids[rows], data.attention_mask[rows], data.labels[rows], partial(text_of, run))


def scored_as(precision: Precision, model: torch.nn.Module, device: torch.device) -> Scored:
    """Return a model to score in a precision, which keeps no casts: those that share a model take turns on it."""
    return Scored(model, partial(precision.running, device, keeps_casts=False))


def packed(per_sample: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Return arrays of one entry a sample as a compressed .npz file.

    Made in memory: an archive that is written to a full disk raises again when it is garbage-collected,
    where no caller can catch it.
    """
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **per_sample)
    return file.getvalue()


def text_of(run: BenchmarkRun, sample: int) -> dict[str, Any]:
    """Return a sample's text, or null and the reason."""
    decode = "generated text" if run.dataset.stand_in else decoder(run.task.dataset)
    if isinstance(decode, str):
        return {"text": None, "text_reason": decode}
    return {
        "text": decode(run.data.input_ids[sample, : run.data.lengths[sample]].tolist()),
        "text_reason": None,
    }
