"""What one run says, ready to be laid out: as Markdown, in a terminal, as pictures and as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from analysis.records import lookup, measured_at, short_commit
from analysis.report.deployment import Tariff
from analysis.report.diagnosis import explanations, warnings
from analysis.report.recommendation import recommendation
from analysis.table import table

STAND_IN_NOTICE = (
    "STAND-IN: generated text or seeded weights. Latency, energy and size are real; perplexity means nothing."
)
HOW_TO_GET_THE_REAL_THING = (
    "For the real thing: on a machine that reaches the hub run `python -m data_prep --stand-in never`, or use "
    "`python -m data_prep --text-file wiki.test.raw --tokenizer FOLDER` and `pytest benchmarks --model FOLDER`."
)


@dataclass(frozen=True)
class Findings:
    """One run. `benchmarks` as in a pytest-benchmark file, one at least, `environment` as in its `machine_info`.

    `missing` maps a benchmark's name to what became of it instead of a measurement.
    """

    benchmarks: Sequence[dict[str, Any]]
    environment: Mapping[str, Any]
    missing: Mapping[str, str]
    tariff: Tariff | None = None

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row for each benchmark, a column for each metric."""
        return table(self.benchmarks)

    @property
    def stand_in(self) -> bool:
        """Whether any row is of generated text or seeded weights."""
        return bool(self.frame["stand_in"].eq(True).any())

    @property
    def advice(self) -> list[str]:
        """The sentences that say what the table means."""
        recommended = recommendation(self.frame)
        return [*([recommended] if recommended else []), *explanations(self.frame)]

    @property
    def warnings(self) -> list[str]:
        """What speaks against a figure, a line a benchmark."""
        return warnings(self.benchmarks)

    @property
    def notes(self) -> list[str]:
        """What speaks against a figure, and why others are missing."""
        return [
            *self.warnings,
            *missing_figures(self.frame),
            *(f"{name} {fate}{'' if fate.endswith('.') else '.'}" for name, fate in self.missing.items()),
        ]

    @property
    def conditions(self) -> list[str]:
        """What every figure of the run depends on, a line each; what an older run did not record is unknown."""
        first, environment = self.benchmarks[0]["extra_info"], self.environment
        gpu = environment.get("gpu")
        where = (
            f"{gpu.get('name')}, driver {gpu.get('driver')}"
            if isinstance(gpu, Mapping)
            else f"CPU, {environment.get('torch_threads')} threads"
        )
        return [
            f"{where}; PyTorch {environment.get('torch')}, transformers {environment.get('transformers')}",
            f"model {known(first, 'provenance.model')} ({known(first, 'provenance.parameters')} parameters, "
            f"weights sha256 {known(first, 'provenance.weights_sha256')})",
            f"text {known(first, 'provenance.dataset')} ({known(first, 'provenance.num_samples')} x "
            f"{known(first, 'sequence_length')} tokens, sha256 {known(first, 'provenance.dataset_sha256')}), batch "
            f"{known(first, 'batch_size')}",
            f"measured {measured_at(environment) or 'at an unknown time'}, commit {short_commit(environment, 12)}",
            "latency is the median of the timed rounds and its interval the 95% interval of this run's median, which "
            "does not predict the next run; speedup is the ratio of medians in the same execution",
        ]


def known(extra_info: dict[str, Any], path: str) -> str:
    """Return a condition as text: digests by their beginning, large numbers in groups of three digits."""
    value = lookup(extra_info, path)
    if isinstance(value, str) and len(value) == 64:
        return f"{value[:12]}…"
    return "unknown" if value is None else f"{value:,}" if type(value) is int else str(value)


def missing_figures(frame: pd.DataFrame) -> list[str]:
    """Return a sentence for each figure that could not be had."""
    notes = []
    for figure in ("energy", "quality"):
        for reason, group in frame.groupby(f"{figure}_reason"):
            notes.append(f"no {figure} for {', '.join(group['name'])}: {reason}.")
    return notes
