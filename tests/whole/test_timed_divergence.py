"""The divergence that is printed is that of what was timed, told by a computation of its own."""

from __future__ import annotations

import pytest
import torch
import transformers

from tests.support.saved_runs import extra_info
from tests.support.tiny import LENGTHS, tiny_tensors

EXECUTIONS = ("eager", "compiled")
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))]


@pytest.fixture(scope="module", autouse=True)
def compiler() -> None:
    """Compile something before pytester comes, which forgets what a test imported; PyTorch cannot import it twice."""
    torch.compile(torch.sin)(torch.ones(3))


def predictions(folder, dtype: torch.dtype, device: str, *, compiled: bool) -> torch.Tensor:
    """The log-probabilities of all targets by transformers and PyTorch alone, FP64, a row at a time."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).to(device).eval()
    forward = torch.compile(model) if compiled else model
    rows = []
    with torch.no_grad():
        for ids, length in zip(tiny_tensors()["input_ids"].to(device), LENGTHS, strict=True):
            logits = forward(input_ids=ids[None], use_cache=False).logits[0, : length - 1]
            rows.append(logits.double().log_softmax(dim=-1))
    return torch.cat(rows).cpu()


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # PyTorch's own compiler uses it
@pytest.mark.parametrize("device", DEVICES)
def test_the_divergence_of_compiled_bf16_is_that_of_compiled_bf16(run_suite, saved_run, tiny_model, device):
    expected = predictions(tiny_model, torch.float32, device, compiled=False)
    timed = {name: predictions(tiny_model, torch.bfloat16, device, compiled=name == "compiled") for name in EXECUTIONS}
    options = ("--precisions=fp32,bf16", f"--executions={','.join(EXECUTIONS)}", f"--device={device}", "--energy=off")
    # In a process of its own: a pytest run inside this one forgets what it was the first to import of the compiler.
    result = run_suite("--benchmark-autosave", *options, in_process=False)
    assert result.ret == 0
    for execution, log_p in timed.items():
        divergence = float((expected.exp() * (expected - log_p)).sum(-1).mean())
        agrees = float((expected.argmax(-1) == log_p.argmax(-1)).double().mean())
        found = extra_info(saved_run(), f"bf16-{execution}-b1x16")["quality"]["timed_vs_fp32"]
        assert found["kl_vs_fp32_nats"] == pytest.approx(divergence, rel=0.1)
        assert found["top1_strict_vs_fp32"] == pytest.approx(agrees, abs=2 / len(expected))
