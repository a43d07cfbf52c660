"""Memory that runs out is one sentence, whichever memory and whenever; what is no such thing stays a traceback."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import GPT2LMHeadModel, xLSTMConfig, xLSTMForCausalLM

from benchmarks import made_visit
from fixtures.device.memory import is_out_of_memory

TOO_MUCH = 2**50  # bytes, which no machine has


def run_out(*_: object, **__: object) -> None:
    torch.empty(TOO_MUCH, dtype=torch.uint8)


def test_cpu_memory_that_runs_out_is_one_sentence(run_suite, monkeypatch, tmp_path):
    monkeypatch.setattr(made_visit, "settle", run_out)
    result = run_suite("--benchmark-autosave", "--precisions=fp32")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    asked = f"can't allocate memory: you tried to allocate {TOO_MUCH} bytes*"
    result.stdout.fnmatch_lines(
        [f"Out of memory in test_forward?fp32-eager-b1x16?: {asked}; * MB of * MB are free. Lower --batch-size, *"]
    )
    assert "Traceback" not in result.stdout.str()
    assert not list((tmp_path / "saved").rglob("*.json"))


def test_memory_that_runs_out_while_a_model_loads_is_not_blamed_on_the_model(run_suite, monkeypatch):
    monkeypatch.setattr(GPT2LMHeadModel, "forward", run_out)  # first called when it is loaded
    result = run_suite("--precisions=fp32")
    result.stdout.fnmatch_lines(["*Out of memory in test_forward?fp32-eager-b1x16?: *"])
    assert "could not be run" not in result.stdout.str()


def test_a_model_that_does_not_compute_in_a_precision_is_one_sentence(run_suite, tmp_path):
    sizes = {"hidden_size": 128, "num_hidden_layers": 1, "num_heads": 4, "chunk_size": 8}
    xLSTMForCausalLM(xLSTMConfig(vocab_size=50_257, **sizes)).save_pretrained(tmp_path / "xlstm")
    result = run_suite("--precisions=fp32,fp16", f"--model={tmp_path / 'xlstm'}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    said = (
        "xLSTMForCausalLM of transformers * does not run as fp16-eager-b1x16: RuntimeError: *; expected logits. Leave *"
    )
    result.stdout.fnmatch_lines([said])
    assert "Traceback" not in result.stdout.str()
    result.stdout.fnmatch_lines(["fp32-eager-b1x16 *"])


def test_another_error_keeps_its_traceback(run_suite, monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError("a defect of ours")

    monkeypatch.setattr(made_visit, "settle", fail)
    result = run_suite("--precisions=fp32")
    result.stdout.fnmatch_lines(["*test_failures.py:*: RuntimeError"])


def test_every_library_says_in_its_own_way_that_memory_has_run_out():
    with pytest.raises(MemoryError) as numpys:
        np.empty(TOO_MUCH, dtype=np.uint8)
    with pytest.raises(RuntimeError) as torchs:
        run_out()
    assert is_out_of_memory(numpys.value)
    assert is_out_of_memory(torchs.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert not is_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))
