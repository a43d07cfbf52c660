"""Models stay on the device while they fit, and are loaded again where they do not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from fixtures.models import resident
from fixtures.models.resident import Models
from fixtures.precisions import PRECISIONS
from tests.toy_int8 import INT8

FP32, FP16, MIXED = (PRECISIONS[name] for name in ("fp32", "fp16", "mixed"))
GIGABYTE = 10**9


@pytest.fixture
def loaded(monkeypatch):
    """The precisions that were loaded, in their order, on a device with 10 GB of which 8 are free."""
    names: list[str] = []

    def load(checkpoint, precision, device):
        names.append(precision.name)
        return torch.nn.Linear(1, 1)

    monkeypatch.setattr(resident, "load_model", load)
    monkeypatch.setattr(resident, "free_and_total_bytes", lambda device: (8 * GIGABYTE, 10 * GIGABYTE))
    return names


def models(checkpoint_bytes: int) -> Models:
    return Models(SimpleNamespace(size_bytes=checkpoint_bytes), torch.device("cpu"))


def test_each_model_is_loaded_once_and_mixed_precision_has_fp32s(loaded):
    session = models(GIGABYTE)
    first = session.get(FP32)
    assert session.get(MIXED) is first
    assert session.get(FP16) is not first
    assert session.get(FP32) is first
    assert loaded == ["fp32", "fp16"]


def test_where_they_do_not_fit_the_others_are_dropped_but_for_the_one_in_use(loaded):
    session = models(2 * GIGABYTE)  # 8 - 2 x 2 GB would leave 40%
    session.get(FP32)
    session.get(FP16)
    assert [one.precision.name for one in session] == ["fp16"]
    session.get(FP32, beside=FP16)
    assert [one.precision.name for one in session] == ["fp16", "fp32"]
    assert loaded == ["fp32", "fp16", "fp32"]


def test_a_quantized_model_is_loaded_once_too_and_kept_beside_another(loaded):
    session = models(GIGABYTE)
    first = session.get(INT8)
    assert session.get(INT8) is first
    assert session.get(FP32) is not first
    assert loaded == ["int8_toy", "fp32"]
    session = models(2 * GIGABYTE)
    session.get(INT8)
    session.get(FP32, beside=INT8)
    assert [one.precision.name for one in session] == ["int8_toy", "fp32"]


def test_the_others_are_dropped_on_request(loaded):
    session = models(GIGABYTE)
    session.get(FP32)
    session.get(FP16)
    assert session.drop_others(FP16)
    assert [one.precision.name for one in session] == ["fp16"]
    assert not session.drop_others(FP16)


def test_half_of_the_memory_stays_free(loaded):
    session = models(3 * GIGABYTE // 2)  # 8 - 2 x 1.5 = 5 GB of 10
    session.get(FP32)
    session.get(FP16)
    assert len(list(session)) == 2


def test_memory_that_runs_out_nevertheless_drops_the_others_and_tries_once_more(loaded, monkeypatch):
    session, attempts = models(1), []
    session.get(FP32)

    def load(checkpoint, precision, device):
        attempts.append(precision.name)
        if len(attempts) == 1:
            torch.empty(2**50)
        return torch.nn.Linear(1, 1)

    monkeypatch.setattr(resident, "load_model", load)
    assert session.get(FP16).precision is FP16
    assert attempts == ["fp16", "fp16"]
    assert [one.precision.name for one in session] == ["fp16"]


def test_memory_that_runs_out_with_nothing_to_drop_is_the_callers(loaded, monkeypatch):
    monkeypatch.setattr(resident, "load_model", lambda *args: torch.empty(2**50))
    with pytest.raises(RuntimeError, match="allocate"):
        models(1).get(FP32)
