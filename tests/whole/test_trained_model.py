"""The trained model of the package index on a CPU: what random weights do not show, in a few rows."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import transformers

from core.case import case_of
from core.errors import InputError
from data_prep.trained import SMOLLM2, bring
from tests.support.saved_runs import extra_info

ROWS = 16
#: Nats, around 1.6e-3, 4.8e-2 and 4.2e-3 on all of WikiText-2; seeded weights have 2.5e-5, 1.8e-4 and 1.2e-4 there.
DIVERGENCE = {"bf16": (2e-4, 6e-3), "int8": (6e-3, 0.2), "int8_weights": (1e-3, 1e-2)}


@torch.no_grad()
def perplexity(folder: Path, dataset: Path) -> float:
    """Return the perplexity of a dataset's first rows by a plain loop in FP32."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    ids, mask = (torch.load(dataset / f"{name}.pt", weights_only=True) for name in ("input_ids", "attention_mask"))
    losses = []
    for row, length in zip(ids[:ROWS], mask[:ROWS].sum(dim=1), strict=True):
        text = row[: int(length)]
        logits = model(input_ids=text[None]).logits[0, :-1].double()
        losses.append(torch.nn.functional.cross_entropy(logits, text[1:], reduction="none"))
    return math.exp(float(torch.cat(losses).mean()))


@pytest.mark.slow
def test_eight_bits_of_trained_weights_cost_what_they_cost(run_suite, saved_run, here, monkeypatch):
    try:
        bring(SMOLLM2)
    except InputError as error:
        pytest.skip(str(error))
    monkeypatch.setattr("data_prep.prepare.unreachable_reason", lambda: "it is not asked")
    monkeypatch.setattr("data_prep.text.from_hub", lambda *_: (_ for _ in ()).throw(InputError("It is not asked.")))
    options = ("--visits=1", "--rounds=2", "--warmup-rounds=1", f"--quality-samples={ROWS}")
    chosen = ("--benchmark-autosave", f"--precisions={','.join(['fp32', *DIVERGENCE])}", "--executions=eager")
    result = run_suite(*chosen, *options, model=Path(SMOLLM2.name), emulated=False)
    assert result.ret == 0, result.stdout.str()

    (folder,), (dataset,) = here.glob("datasets/*_from_gguf"), here.glob("datasets/*_python-topics_data")
    measured = {case_of(item).precision for item in saved_run()["benchmarks"]}
    assert measured >= {"fp32", "int8_weights"}  # the others where this CPU has their arithmetic
    found = {name: extra_info(saved_run(), f"{name}-eager")["quality"] for name in measured}
    assert found["fp32"]["perplexity"] == pytest.approx(perplexity(folder, dataset), rel=1e-5)
    assert all(quality["meaningful"] is True and quality["nonfinite_logits"] == 0 for quality in found.values())
    for name in measured - {"fp32"}:
        low, high = DIVERGENCE[name]
        assert low < found[name]["kl_vs_fp32_nats"] < high
