"""What one run says, ready to be laid out: as Markdown, in a terminal, as pictures and as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.report.about import about, model_name
from analysis.report.crossover import crossovers
from analysis.report.deployment import Tariff, deployment
from analysis.report.diagnosis import caveats, explanations
from analysis.report.fallbacks import fallbacks
from analysis.report.notices import GENERATED_TEXT, SEEDED_WEIGHTS, quality_notices, repeat_promise, stand_in_notice
from analysis.report.precisions import precision_sentences
from analysis.report.published import published_sentences
from analysis.report.recommendation import dominated, recommendations
from analysis.report.reply import ReplyLength, replies
from analysis.report.reruns import rerun_sentences
from analysis.report.sentences import counted, names_by_text
from analysis.report.sources import sources
from analysis.report.table import table
from analysis.runs.quick import QUICK_NOTICE, is_quick
from analysis.runs.saved import Run, measured_at, short_commit
from analysis.runs.validity import judgements
from analysis.uncertainty.chosen_floors import floors_of
from core.case import is_own
from core.executions import Executions
from core.metrics import INTERVAL_ASSUMED, VALIDITY, Catalogue, lookup
from core.tasks import TaskWords, tasks_of, title


@dataclass(frozen=True)
class RunSummary:
    """One run. `benchmarks` as in a pytest-benchmark file, one at least, `environment` as in its `machine_info`.

    `missing` maps the name of a benchmark that was not measured to the reason.
    """

    benchmarks: Sequence[dict[str, Any]]
    environment: Mapping[str, Any]
    missing: Mapping[str, str]
    tariff: Tariff | None = None
    reply: ReplyLength = field(default_factory=ReplyLength)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row for each benchmark, a column for each metric."""
        return table(self.benchmarks, self.environment)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The metrics of the run."""
        return Catalogue.of(self.environment)

    @cached_property
    def executions(self) -> Executions:
        """What the run says of its executions."""
        return Executions.of(self.environment)

    @cached_property
    def dominated(self) -> dict[str, str]:
        """By name, each benchmark that another beats in everything, and which one that is."""
        return dominated(self.frame, self.catalogue)

    @cached_property
    def costs(self) -> pd.DataFrame:
        """Energy, and at a tariff cost, of a million tokens."""
        return deployment(self.frame, self.tariff)

    @cached_property
    def replies(self) -> pd.DataFrame:
        """Time, speed, energy and cost of whole replies, where prefill and decode were measured."""
        return replies(self.frame, self.reply, self.tariff)

    @cached_property
    def published(self) -> list[str]:
        """Figures beside published ones, where the same protocol was run."""
        return published_sentences(self.benchmarks, self.tasks)

    @cached_property
    def crossovers(self) -> list[str]:
        """From which batch size on each precision pays, where several were measured."""
        return crossovers(self.frame)

    @cached_property
    def tasks(self) -> dict[str, TaskWords]:
        """How the run speaks of the tasks that its benchmarks are of, by name."""
        described = tasks_of(self.environment)
        first = next(iter(described.values()))  # for one that the run does not describe
        return {name: described.get(name, first) for name in dict.fromkeys(self.frame["task"])}

    def of_task(self, task: str) -> RunSummary:
        """Return the run with the benchmarks of one task alone."""
        if len(self.tasks) == 1:
            return self
        chosen = [one for one, name in zip(self.benchmarks, self.frame["task"], strict=True) if name == task]
        return replace(self, benchmarks=chosen)

    @property
    def title(self) -> str:
        """What heads everything about the run."""
        return title(self.models)

    @property
    def models(self) -> list[str]:
        """What the model of each task is called."""
        named = zip(self.tasks.values(), self._firsts, strict=True)
        return list(dict.fromkeys(model_name(words, first) for words, first in named))

    @property
    def about(self) -> dict[str, str]:
        """What the run is of: model, device, date, software and command."""
        shapes = dict.fromkeys(case.shape for case in self.frame["case"])
        return about(self.models, self._firsts[0], self.environment, shapes)

    @property
    def stand_in(self) -> bool:
        """Whether any row is of generated text or seeded weights."""
        return bool(self.stand_in_tasks)

    @property
    def stand_in_notice(self) -> str:
        """What is not real in the run."""
        parts = {"provenance.stand_in_text": GENERATED_TEXT, "provenance.stand_in_weights": SEEDED_WEIGHTS}
        own = [item["extra_info"] for item in self.benchmarks if is_own(item)]
        return stand_in_notice(
            {words for path, words in parts.items() if any(lookup(one, path) is True for one in own)}
        )

    @property
    def notices(self) -> list[str]:
        """What must not be overlooked in the run: that it is a quick one, what is not real, what quality rests on."""
        quick = is_quick(Run(Path(), tuple(self.benchmarks), dict(self.environment)))
        return [
            *([QUICK_NOTICE] if quick else []),
            *([self.stand_in_notice] if self.stand_in else []),
            *self.quality_notices,
        ]

    @property
    def quality_notices(self) -> list[str]:
        """Why quality says nothing of the models where nothing is a stand-in, or that this is not known."""
        return quality_notices(item["extra_info"] for item in self.benchmarks if is_own(item))

    @property
    def baselines(self) -> list[str]:
        """What FP32 is made of where weights were not stored as floating-point numbers, each once."""
        found = (lookup(item["extra_info"], "provenance.baseline") for item in self.benchmarks if is_own(item))
        return list(dict.fromkeys(one for one in found if isinstance(one, str)))

    @property
    def stand_in_tasks(self) -> list[str]:
        """The tasks that have such rows."""
        return list(dict.fromkeys(self.frame.loc[self.frame["stand_in"].eq(True), "task"]))

    @cached_property
    def advice(self) -> list[str]:
        """The sentences that say what the table means."""
        return [*recommendations(self.frame, self.catalogue, self.tasks, self.executions), *self.explanations]

    @cached_property
    def explanations(self) -> list[str]:
        """The sentences that say why 16 bits are or are not faster here."""
        return explanations(self.frame, self.benchmarks, self.executions)

    @cached_property
    def gains_and_costs(self) -> list[str]:
        """A sentence for each precision: what it gives and what it costs."""
        return precision_sentences(self.frame, self.catalogue, self.tasks, self.executions)

    @cached_property
    def warnings(self) -> list[str]:
        """GPUs that PyTorch could not use, and caveats of the measurements, a line for each benchmark that has some."""
        judged = judgements(self.benchmarks)
        slower = (one.sentence for one in fallbacks(self.frame))
        return [*unusable_gpus(self.environment), *caveats(self.benchmarks, judged), *slower]

    @cached_property
    def notes(self) -> list[str]:
        """Caveats, which visits were run again, and why figures and benchmarks are missing."""
        notes = [*self.warnings, *rerun_sentences(self.benchmarks), *missing_figures(self.frame)]
        for name, reason in self.missing.items():
            notes.append(f"{name} {reason.removesuffix('.')}.")
        return notes

    @cached_property
    def conditions(self) -> list[str]:
        """What every figure of the run depends on, a line each; what an older run did not record is unknown."""
        environment = self.environment
        gpu = environment.get("gpu")
        if isinstance(gpu, Mapping):
            device = f"{gpu.get('name')}, driver {gpu.get('driver')}"
        else:
            device = f"CPU, {counted(environment.get('torch_threads'), 'thread')}"
        return [
            f"{device}; PyTorch {environment.get('torch')}, transformers {environment.get('transformers')}",
            *(line for first in self._firsts for line in sources(first)),
            self._shapes,
            f"measured {measured_at(environment) or 'at an unknown time'}, commit {short_commit(environment, 12)}",
            "latency is the mean over visits of the median round, full and padded batches by their share; speed vs "
            "FP32 is the ratio in the same execution and shape. pytest-benchmark's own median is of all rounds "
            "together",
            f"an interval of a repeat {self.repeat_promise}",
            f"noise floor: {self.floor}",
        ]

    @property
    def repeat_promise(self) -> str:
        """What the run's intervals of a repeat are worth."""
        assumed, invalid = self.frame[INTERVAL_ASSUMED.column], self.frame[VALIDITY.column].eq("invalid")
        measured = assumed.eq(False) & ~invalid
        return repeat_promise(int(measured.sum()), int(assumed.notna().sum()), len(self.frame))

    @property
    def floor(self) -> str:
        """What the intervals of a repeat are made with, by execution."""
        floors = floors_of(Run(Path(), tuple(self.benchmarks), dict(self.environment))).spreads
        by_source: dict[str, dict[str, None]] = {}
        for key, floor in floors.items():
            if key.figure == "latency":
                by_source.setdefault(floor.source, {})[key.execution] = None
        return "; ".join(f"{', '.join(executions)} {source}" for source, executions in by_source.items())

    @property
    def _firsts(self) -> list[dict[str, Any]]:
        """The `extra_info` of the first benchmark of each task."""
        firsts: dict[str, dict[str, Any]] = {}
        for task, benchmark in zip(self.frame["task"], self.benchmarks, strict=True):
            firsts.setdefault(task, benchmark["extra_info"])
        return list(firsts.values())

    @property
    def _shapes(self) -> str:
        """What the batches are, and for saved runs of several cases which shapes there are."""
        shapes = list(dict.fromkeys(case.shape for case in self.frame["case"]))
        return f"{'batches' if len(shapes) > 1 else 'batch'} of {', '.join(shapes)} tokens"


def unusable_gpus(environment: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each GPU of the machine that PyTorch could not use, where the CPU was measured instead."""
    gpus = environment.get("unusable_gpus")
    if environment.get("device") != "cpu" or not isinstance(gpus, list):
        return []
    sentences = (gpu.get("sentence") for gpu in gpus if isinstance(gpu, Mapping))
    return list(dict.fromkeys(sentence for sentence in sentences if isinstance(sentence, str)))


def missing_figures(frame: pd.DataFrame) -> list[str]:
    """Return a sentence for each figure that could not be measured."""
    notes = []
    for figure in ("energy", "quality"):
        for reason, group in frame.groupby(f"{figure}_reason"):
            notes.append(f"no {figure} for {', '.join(group['name'])}: {reason}.")
    columns = frame["name"], frame["energy_marks"]
    marked = {name: str(marks) for name, marks in zip(*columns, strict=True) if not pd.isna(marks)}
    for names, marks in names_by_text(marked):
        notes.append(f"read the energy of {', '.join(names)} with care: {marks}.")
    return notes
