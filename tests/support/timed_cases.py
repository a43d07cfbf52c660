"""Cases on made-up data, and visits whose rounds took known times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from hypothesis import strategies as st

from benchmarks.instruments.latency.statistics import Latency
from benchmarks.measured_case import MeasuredCase
from benchmarks.policies import Policies, TimingPolicy
from benchmarks.steady_state import WarmUp
from benchmarks.timed_rounds import TimedRounds, VisitLatency
from benchmarks.visit import Visit
from core.case import Case
from fixtures.dataset.batches import FULL, PADDED, Batch, ShapedDataset
from fixtures.tasks.language_modeling import TASK

CPU = torch.device("cpu")
TOKENS = 4
#: Seconds of a round and its variant.
Round = tuple[float, str]
timed_rounds = st.lists(st.tuples(st.floats(1e-6, 1e3), st.sampled_from([FULL, PADDED])), min_size=1, max_size=60)


def batches(*variants: str) -> list[Batch]:
    """Batches of one row, told apart by their tokens: all 0 in the first, all 1 in the second and so on."""
    return [
        Batch(torch.full((1, TOKENS), index), torch.ones(1, TOKENS), text_tokens=TOKENS - (variant == PADDED))
        for index, variant in enumerate(variants)
    ]


def dataset(full: int, padded: int, batch_size: int = 1) -> ShapedDataset:
    """So many full batches of 4 tokens a row, then so many padded ones with 3."""
    mask = torch.ones((full + padded) * batch_size, TOKENS, dtype=torch.int64)
    mask[full * batch_size :, -1] = 0
    return ShapedDataset.of(torch.ones_like(mask), mask, mask, batch_size, TOKENS, CPU)


def case_in_progress(data: Any = None, case: Case | None = None, rounds: int = 1, visits: int = 1) -> MeasuredCase:
    """A case on some data, before its first visit; there is no model."""
    case = case or Case("fp16", "eager")
    return MeasuredCase(
        SimpleNamespace(device=CPU, rounds=rounds, warmup_rounds=0),
        TimingPolicy(0, 0, 0),
        case,
        visits,
        checkpoint=None,
        dataset=SimpleNamespace(shaped=lambda batch_size, length, **_: data),
        models=None,
        task=TASK,
        session_start_s=0.0,
    )


def visited(
    number: int, rounds: Sequence[Round], shares: Mapping[str, float], disturbed: int = 0, steady: bool = True
) -> Visit:
    """A visit whose rounds took known times, after a warm-up of 3 rounds."""
    timed = TimedRounds([seconds for seconds, _ in rounds], [variant for _, variant in rounds], disturbed)
    latency = VisitLatency.of(timed, WarmUp(3, steady), shares, is_replayed=True)
    return Visit(number=number, position=number, started_s=float(number), timed=timed, latency=latency)


def latency_of(data: ShapedDataset, *visits: Sequence[Round], disturbed: int = 0, steady: bool = True) -> MeasuredCase:
    """A case after some visits, each of which warmed up for 3 rounds."""
    case = case_in_progress(data, Case("fp16", "eager", batch_size=data.batch_size), visits=len(visits))
    for number, rounds in enumerate(visits, start=1):
        case.visits.append(visited(number, rounds, data.variant_shares, disturbed, steady or number == 1))
    return case


def measured(data: ShapedDataset, *visits: Sequence[Round], **how: Any) -> dict[str, Any]:
    """What is recorded of the latency of such a case."""
    return Latency(Policies()).measure(latency_of(data, *visits, **how)).as_json()
