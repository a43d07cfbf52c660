"""A task in one file: a model that gives each sequence a number, told by how far that is from the right one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import transformers

from core.metrics import SAME
from core.metrics.figures import Figure
from core.metrics.records import metric
from core.tasks import TaskWords
from data_prep.datasets import sst2
from fixtures.dataset.integrity import checks
from fixtures.models.kind import ModelKind
from fixtures.tasks.task import Figures, QualityRecord, Scored, ScoredRows, Scoring, Task, TimedPart


@dataclass(frozen=True, kw_only=True)
class GradeRecord(QualityRecord):
    """The mean distance of grades from the right ones."""

    mean_error: float = metric(
        "",
        "lower",
        "mean distance from the right grade",
        repeat=SAME,
        heading="mean error",
        in_terminal=True,
        place=200,
    )
    error_change: float | None = metric("", "lower", "mean error minus FP32's", repeat=SAME, default=None)


class GradeScoring(Scoring):
    """Runs every sequence on its own."""

    record = GradeRecord

    def score(
        self, rows: ScoredRows, models: Mapping[str, Scored], reference: Scored, baseline: str | None
    ) -> Mapping[str, Figures]:
        """Return the mean error of each model."""
        expected = self.errors(rows, reference)
        everyone = {name: self.errors(rows, scored) for name, scored in models.items()}
        everyone |= {} if baseline is None else {baseline: expected}
        return {
            name: Figures(
                {
                    "mean_error": float(errors.mean()),
                    "error_change": None if name == baseline else float(errors.mean() - expected.mean()),
                    "verdict": Figure(None, reason="is FP32") if name == baseline else Figure("equal"),
                    "targets": len(errors),
                    "samples": len(errors),
                    "nonfinite_logits": 0,
                },
                {"error": errors.numpy()},
            )
            for name, errors in everyone.items()
        }

    def errors(self, rows: ScoredRows, scored: Scored) -> torch.Tensor:
        """Return the distance from the right grade of each sequence, float64 [samples]."""
        with scored.running():
            grades = scored.model(input_ids=rows.input_ids, attention_mask=rows.attention_mask).logits[:, 0]
        return (grades.double() - rows.labels).abs().cpu()

    def timed(self, run_on: Callable, model: object, data: object, batches: object) -> Iterator[TimedPart]:
        """Give nothing: there are no choices whose probabilities could be compared."""
        return iter(())


SPEC = replace(sst2.SPEC, task="grading", folder=Path("datasets/grades"), stand_in_folder=Path("datasets/no_grades"))
TASK = Task(
    name=SPEC.task,
    dataset=SPEC,
    checks=checks(()),
    model=ModelKind(
        description="a model that gives each sequence a number",
        default="nobody/grades",
        short_name="grader",
        auto=transformers.AutoModelForSequenceClassification,
        types={"distilbert": None},
        architectures=("ForSequenceClassification",),
        seeded=lambda: transformers.DistilBertForSequenceClassification(transformers.DistilBertConfig(num_labels=1)),
        stand_in_folder=Path("datasets/grader_stand_in"),
        require_sound=lambda name, model, tolerance, device: None,
    ),
    scoring=GradeScoring(),
    words=TaskWords(
        model="Grader",
        files="grader",
        headline="mean_error",
        cost="mean_error",
        change="error_change",
        change_form="+.2f",
        change_of="grades",
        margin="within 0.1 grades",
        answer="grade",
    ),
)
