"""Writes perplexity, from one untimed pass for each precision."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.forward_run import ForwardRun
from benchmarks.measure.quality import quality_figures, score


class QualityPlugin:
    """Keeps each precision's figures, because quality does not depend on the execution."""

    def __init__(self) -> None:
        self._figures: dict[str, dict[str, Any]] = {}

    def pytest_forward_timed(self, run: ForwardRun) -> None:
        """Score the text once for each precision."""
        name = run.precision.name
        if name not in self._figures:
            rows = slice(run.settings.quality_samples)
            scores = score(run.model, run.dataset.input_ids[rows], run.dataset.attention_mask[rows])
            self._figures[name] = quality_figures(scores)
        stand_in = run.extra_info["workload"]["stand_in"]
        run.extra_info["quality"] = {
            **self._figures[name],
            "meaningful": not stand_in,
            "meaningful_reason": "generated text or seeded weights: the perplexity says nothing" if stand_in else None,
        }


def pytest_configure(config: pytest.Config) -> None:
    """Keep the figures for the session."""
    config.pluginmanager.register(QualityPlugin(), "forward-quality")
