"""How far a timed forward's logits may be from eager ones: a tolerance, or what the precision itself makes of FP32."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from benchmarks.instruments.numerics import difference_from_eager
from fixtures.dataset.batches import Batch
from fixtures.executions import CaptureError, logits_distance, reference
from fixtures.precisions import PRECISIONS
from fixtures.workloads import FORWARD
from tests.support.tiny import tiny_gpt2

IDS = torch.arange(16).reshape(2, 8)
BATCH = Batch(IDS, torch.ones_like(IDS), text_tokens=16)
INT8 = replace(PRECISIONS["int8"], load_dtype=torch.float32, cpu_load_dtype=None, tolerance=1e-6)


def case_of(precision, model) -> SimpleNamespace:
    """Return what is read of a case, timed in another way than eagerly."""
    return SimpleNamespace(
        case=SimpleNamespace(id="int8-other"),
        precision=precision,
        execution=SimpleNamespace(traits=SimpleNamespace(is_reference=False)),
        eager=reference().prepare(model, [BATCH]),
        baseline_model=tiny_gpt2,
        workload=FORWARD,
        settings=SimpleNamespace(device=torch.device("cpu")),
        data=SimpleNamespace(variant_shares={"full": 1.0}, of_variant=lambda *_: [BATCH], examples=[BATCH]),
    )


def off_by(logits: torch.Tensor, share: float) -> SimpleNamespace:
    """Return a loop whose logits are off by a share of their norm."""
    return SimpleNamespace(run_on=lambda _: logits * (1 + share))


@torch.no_grad()
def test_what_is_no_farther_from_eager_than_twice_eagers_own_distance_from_fp32_passes():
    case = case_of(INT8, INT8.transform(tiny_gpt2()))
    eager = case.eager(BATCH).clone()
    own = logits_distance(eager, tiny_gpt2()(input_ids=IDS).logits, BATCH.attention_mask)
    assert own > 1e-4
    difference, tolerated = difference_from_eager(case, off_by(eager, 1.9 * own))
    assert difference == pytest.approx(1.9 * own, rel=1e-3)
    assert tolerated == pytest.approx(2 * own, rel=1e-3)
    with pytest.raises(CaptureError, match="int8-other differ from eager ones by"):
        difference_from_eager(case, off_by(eager, 2.1 * own))


@torch.no_grad()
def test_within_the_tolerance_fp32_is_not_run():
    case = case_of(replace(INT8, tolerance=0.1), INT8.transform(tiny_gpt2()))
    case.baseline_model = None
    difference, tolerated = difference_from_eager(case, off_by(case.eager(BATCH).clone(), 0.05))
    assert difference == pytest.approx(0.05, rel=1e-3)
    assert tolerated == 0.1


@torch.no_grad()
def test_nan_in_other_places_fails_though_eager_has_nan_too():
    case = case_of(INT8, INT8.transform(tiny_gpt2()))
    nan = case.eager(BATCH).clone()
    nan[0, 0, 0] = torch.nan
    timed = case.eager(BATCH).clone()
    timed[0, 1, 0] = torch.nan
    case.eager = lambda _: nan
    with pytest.raises(CaptureError, match="differ from eager ones by inf"):
        difference_from_eager(case, SimpleNamespace(run_on=lambda _: timed))


@torch.no_grad()
def test_fp32_has_its_tolerance_alone():
    case = case_of(PRECISIONS["fp32"], tiny_gpt2())
    with pytest.raises(CaptureError, match="expected at most 1e-05"):
        difference_from_eager(case, off_by(case.eager(BATCH).clone(), 1e-3))
