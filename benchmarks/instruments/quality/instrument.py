"""The instrument of quality: one untimed pass over the data for each precision."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from traceback import clear_frames
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.instruments.base import AfterLastVisit, AfterVisits
from benchmarks.instruments.quality.timed import require_same_predictions, timed_answers
from benchmarks.measured_case import MeasuredCase
from benchmarks.policies import Policies
from core.case import Case
from core.files import write
from core.metrics.figures import Figure
from core.metrics.records import Record, require_fields
from core.tasks import DEFAULT_TASK
from fixtures.dataset.batches import ShapedDataset, TokenizedDataset
from fixtures.device.memory import is_out_of_memory
from fixtures.precisions import PRECISIONS, Precision, baseline
from fixtures.tasks import Task
from fixtures.tasks.records import QualityRecord
from fixtures.tasks.task import Scored, ScoredRows

#: The folders of what is kept of each sequence, and of each answer.
PER_SEQUENCE, PER_TARGET = "per_sequence", "per_target"


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
        #: What tasks keep of the rows that go through the timed executions, by task, precision and sequence length.
        self._kept: dict[tuple[str, str, int], dict[Any, torch.Tensor]] = {}

    def records(self, tasks: Sequence[Task]) -> Sequence[type[Record]]:
        """Return the tasks' records."""
        return [task.scoring.record for task in tasks]

    def measure(self, case: MeasuredCase, after: AfterLastVisit) -> Record:
        """Return the figures; those of another case with the same precision and sequence length where it was scored.

        Raises `CaptureError` where the timed execution predicts something else than what was scored.
        """
        scoring, key, once = case.task.scoring, scored_key(case.case), (case.case.task, case.case.precision)
        with case.phase("quality"):
            if key not in self._scored:
                self._score_all(case, after.cases)
            if once not in self._extras:
                self._extras[once] = scoring.extras(case.model, case.settings, case.dataset)
            figures = self._scored[key]
            no_logits_reason = missing_reason(figures, case.task.words.headline)
            timed = timed_answers(case, after, partial(self._models_to_compare, case), no_logits_reason)
            require_same_predictions(timed.against_scored, case.case.id)
        meaningless = scoring.validity(case.checkpoint, case.is_stand_in)
        own_tokens = case.dataset.has_tokens_of(case.checkpoint.fact, case.checkpoint.name)
        return scoring.record(
            headline=case.task.words.headline,
            **figures,
            **self._extras[once],
            scored_vs_timed=timed.against_scored,
            timed_vs_fp32=timed.against_fp32,
            meaningful=own_tokens if meaningless is None else Figure(False, reason=meaningless),
        )

    def _models_to_compare(self, case: MeasuredCase) -> list[Scored]:
        """Return the case's own model as it is scored, and FP32's behind it where that is another."""
        precisions = [case.precision] if case.precision.is_baseline else [case.precision, baseline()]
        keys = [scored_key(case.case.partner(precision=precision.name)) for precision in precisions]
        kept = [self._kept.setdefault(key, {}) for key in keys]
        return [replace(as_scored(case, one), kept=of) for one, of in zip(precisions, kept, strict=True)]

    def _score_all(self, case: MeasuredCase, cases: Sequence[Case]) -> None:
        """Score the precisions of all cases with this sequence length; in turn where memory does not hold them all."""
        same_length = [other for other in cases if scored_key(other)[::2] == scored_key(case.case)[::2]]
        names = dict.fromkeys([other.precision for other in same_length] + [case.case.precision])
        others = [PRECISIONS[name].on(case.settings.device) for name in names if not PRECISIONS[name].is_baseline]
        if self._together and case.models.hold_together([baseline(), *others]):
            try:
                self._score(case, others, with_baseline=baseline().name in names)
                return
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or len(others) < 2:
                    raise
                clear_frames(error.__traceback__)  # which holds what had been allocated
        self._together = False
        self._kept.clear()
        own = [] if case.precision.is_baseline else [case.precision]
        self._score(case, own, with_baseline=case.precision.is_baseline)

    def _score(self, case: MeasuredCase, precisions: Sequence[Precision], *, with_baseline: bool) -> None:
        reference = as_scored(case, baseline())
        models = {precision.name: as_scored(case, precision) for precision in precisions}
        figures = case.task.scoring.score(
            scored_rows(case), models, reference, baseline().name if with_baseline else None
        )
        for name, found in figures.items():
            require_fields(case.task.scoring.record, found.fields)
            key = scored_key(case.case.partner(precision=name))
            self._scored[key] = {
                **found.fields,
                "per_sequence_file": self._save(case, name, PER_SEQUENCE, found.per_sample),
                "per_target_file": self._save(case, name, PER_TARGET, found.per_target),
            }

    def _save(
        self, case: MeasuredCase, precision: str, folder: str, arrays: Mapping[str, npt.NDArray[Any]]
    ) -> Figure[str]:
        if not arrays:
            return Figure(None, reason="there are none for this task and dataset")
        task = "" if case.case.task == DEFAULT_TASK else f"{case.case.task}_"
        name = task + precision + (f"_{case.data.sequence_length}" if case.data.is_cut else "")
        path = case.settings.results_dir / folder / f"{self._session}_{name}.npz"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, packed(arrays))
        except OSError as error:
            return Figure(None, reason=f"{path} cannot be written ({error.strerror})")
        return Figure(str(path))


def missing_reason(fields: Mapping[str, Any], headline: str) -> str | None:
    """Return why a task's loss or its headline could not be computed, or None."""
    figures = [figure for name in ("avg_loss_nats", headline) if isinstance(figure := fields.get(name), Figure)]
    return next((figure.reason for figure in figures if figure.reason is not None), None)


def scored_key(case: Case) -> tuple[str, str, int]:
    """Return what decides a case's quality."""
    return case.task, case.precision, case.sequence_length


def scored_rows(case: MeasuredCase) -> ScoredRows:
    """Return the rows that are scored: the first of all rows, whichever the workload takes."""
    rows = slice(case.settings.quality_rows(case.dataset.num_samples, case.task.scoring.rows_on_cpu))
    data = case.dataset.shaped(case.case.batch_size, case.case.sequence_length)
    text_bytes, dataset = case.dataset.text_bytes, case.dataset
    return ScoredRows(
        data.input_ids[rows],
        data.attention_mask[rows],
        data.labels[rows],
        partial(text_of, dataset, data),
        dataset.first_target,
        None if text_bytes is None else text_bytes[rows, : data.sequence_length],
        dataset.text_bytes_reason,
    )


def as_scored(case: MeasuredCase, precision: Precision) -> Scored:
    """Return the model to score in a precision, which keeps no casts: those that share a model take turns on it."""
    model = case.baseline_model() if precision.is_baseline else case.models.get(precision, beside=baseline()).model
    return Scored(model, partial(precision.running, case.settings.device, keeps_casts=False))


def packed(per_sample: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Return arrays as a compressed .npz file.

    Made in memory: an archive that is written to a full disk raises again when it is garbage-collected,
    where no caller can catch it.
    """
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **per_sample)
    return file.getvalue()


def text_of(dataset: TokenizedDataset, data: ShapedDataset, sample: int) -> dict[str, Any]:
    """Return the text of a row of the data, which holds all rows, or null and the reason."""
    decode = "generated text" if dataset.stand_in else dataset.decoder()
    if isinstance(decode, str):
        return {"text": None, "text_reason": decode}
    return {
        "text": decode(data.input_ids[sample, : data.lengths[sample]].tolist()),
        "text_reason": None,
    }
