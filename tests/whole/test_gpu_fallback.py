"""A compiled precision that a GPU has no kernel for, as the suite finds it: torchao's INT8 weights at 32 rows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers

from fixtures.device.requirements import FP16, OnCuda
from fixtures.precisions import PRECISIONS
from fixtures.precisions.precision import Precision
from fixtures.precisions.quantized import layers_to_quantize
from tests.support.registries import register
from tests.support.saved_runs import extra_info

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("brief"),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
]


def with_torchaos_weights(model: torch.nn.Module) -> torch.nn.Module:
    """The model with its matrix layers in torchao's INT8 weights."""
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    layers = layers_to_quantize(model)
    quantize_(model, Int8WeightOnlyConfig(set_inductor_config=False), filter_fn=lambda _, name: name in layers)
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One block of a GPT-2 with wide layers."""
    config = transformers.GPT2Config(n_layer=1, n_embd=4096, n_head=32, n_positions=64)
    with torch.device("cuda"):
        model = transformers.GPT2LMHeadModel(config)
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_torchaos_int8_weights_are_told_at_32_rows(run_suite, saved_run, folder, monkeypatch):
    pytest.importorskip("torchao.quantization")
    precision = Precision(
        "int8_torchao",
        "INT8 weights by torchao",
        torch.float16,
        transform=with_torchaos_weights,
        weights=torch.int8,
        requires=(OnCuda(FP16),),
        tolerance=0.1,
    )
    register(monkeypatch, PRECISIONS, precision)
    options = (
        "--device=cuda",
        "--precisions=fp32,fp16,int8_torchao",
        "--executions=compiled",
        "--batch-size=2",
        "--visits=3",
    )
    result = run_suite("--benchmark-autosave", *options, f"--model={folder}", "--rounds=20")
    assert result.ret == 0
    record = extra_info(saved_run(), "int8_torchao-compiled-b2x16")["fallback"]
    assert (record["base"], record["checked"]) == ("fp16", True)
    assert record["slower_than_base"] > record["slower_than_base_low"] > 1.5
    assert record["longest_kernel_share"] > 0.5
    assert "far slower than fp16" in str(result.stdout)
