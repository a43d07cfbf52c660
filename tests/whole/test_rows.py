"""A row is called by its number among all rows of the dataset, whatever rows a workload takes."""

from __future__ import annotations

import pytest

from fixtures.workloads.cache import too_old_reason
from tests.support.saved_runs import extra_info
from tests.support.tiny import LENGTHS, SEQUENCES, tiny_gpt2, tiny_tensors

#: Of the tiny dataset's rows all but one have as many tokens: prompts are the others.
TOKENS = 5
needs_cache = pytest.mark.skipif(too_old_reason() is not None, reason=str(too_old_reason()))


@needs_cache
@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("workloads", ["decode", "prefill", "forward,decode"])
def test_the_texts_of_the_worst_sequences_are_those_of_the_rows_that_are_named(
    run_suite, saved_run, monkeypatch, tmp_path, workloads, batch_size
):
    monkeypatch.setattr("fixtures.dataset.batches.decoder", lambda _: lambda ids: " ".join(map(str, ids)))
    tiny_gpt2(n_positions=64).save_pretrained(tmp_path / "model")
    result = run_suite(
        "--benchmark-autosave",
        f"--model={tmp_path / 'model'}",
        "--precisions=fp32,int8",
        f"--workloads={workloads}",
        f"--batch-size={batch_size}",
        f"--sequence-length={TOKENS}",
        "--quality-samples=all",
        "--visits=1",
        "--rounds=2",
    )
    assert result.ret == 0, result.stdout.str()
    for workload in workloads.split(","):
        part = "" if workload == "forward" else f"-{workload}"
        quality = extra_info(saved_run(), f"int8{part}-eager-b{batch_size}x{TOKENS}")["quality"]
        assert quality["samples"] == SEQUENCES
        assert quality["perplexity"] > 1
        worst = quality["worst_sequences"]
        assert len(worst) == 5
        for sequence in worst:
            row = sequence["sample"]
            ids = tiny_tensors()["input_ids"][row, : min(LENGTHS[row], TOKENS)]
            assert sequence["text"] == " ".join(map(str, ids.tolist()))
