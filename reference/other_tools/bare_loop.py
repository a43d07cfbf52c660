"""The suite's loop against a hand-written one, alternating round by round in one process, on a GPU.

    python -m reference.other_tools.bare_loop --dataset-dir datasets/gpt2_tokenized_data --pairs 400

Prints, for each precision and execution, the median over pairs of (suite's round / bare round - 1) with the 95%
interval of that median, and the two medians. Rows are padded ones: a plain capture always holds a mask.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.loop import ForwardLoop
from core.statistics.intervals import quantile_interval
from data_prep.datasets.wikitext2 import SPEC
from fixtures.dataset.batches import PADDED, Batch, ShapedDataset, TokenizedDataset
from fixtures.dataset.folder import DatasetFolder
from fixtures.dataset.integrity import verify
from fixtures.executions import EXECUTIONS
from fixtures.models.checkpoint import find_checkpoint
from fixtures.models.loading import load_model
from fixtures.precisions import AUTO, PRECISIONS, precision_names
from fixtures.tasks.language_modeling import TASK

WARM_UP_PAIRS = 20


def bare_eager(model: torch.nn.Module) -> Callable[[Batch], float]:
    """Return a round as a user would write it: seconds of one forward."""

    def timed(batch: Batch) -> float:
        torch.cuda.synchronize()
        start_s = time.perf_counter()
        _ = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False).logits
        torch.cuda.synchronize()
        return time.perf_counter() - start_s

    return timed


def bare_graph(model: torch.nn.Module, example: Batch) -> Callable[[Batch], float]:
    """Return a round of PyTorch's own recipe for CUDA graphs: seconds of one replay."""
    ids, mask = example.input_ids.clone(), example.attention_mask.clone()
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            model(input_ids=ids, attention_mask=mask, use_cache=False)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        model(input_ids=ids, attention_mask=mask, use_cache=False)

    def timed(batch: Batch) -> float:
        ids.copy_(batch.input_ids)
        mask.copy_(batch.attention_mask)
        torch.cuda.synchronize()
        start_s = time.perf_counter()
        graph.replay()
        torch.cuda.synchronize()
        return time.perf_counter() - start_s

    return timed


def of_suite(model: torch.nn.Module, execution: str, batches: list[Batch]) -> Callable[[Batch], float]:
    """Return a round of the suite's: seconds as its loop takes them."""
    forward = EXECUTIONS[execution].prepare(model, batches[:1])
    loops = {id(batch): ForwardLoop(forward, [batch], batch.input_ids.device) for batch in batches}
    return lambda batch: loops[id(batch)].run_rounds(lambda _: False).durations_s[0]


def compared(name: str, execution: str, data: ShapedDataset, model: torch.nn.Module, pairs: int) -> str:
    """Return one line on a precision in an execution."""
    batches = data.of_variant(PADDED, pairs)
    bare = bare_eager(model) if execution == "eager" else bare_graph(model, batches[0])
    rounds = (of_suite(model, execution, batches), bare)
    seconds = np.zeros((2, WARM_UP_PAIRS + pairs))
    for pair in range(WARM_UP_PAIRS + pairs):
        for side in (0, 1) if pair % 2 else (1, 0):
            seconds[side, pair] = rounds[side](batches[pair % len(batches)])
    seconds = seconds[:, WARM_UP_PAIRS:]
    ratios = seconds[0] / seconds[1] - 1
    low, high = quantile_interval(ratios.tolist(), 0.5)
    suite_ms, bare_ms = 1000 * np.median(seconds, axis=1)
    return (
        f"{name}-{execution}: {np.median(ratios):+.2%} ({low:+.2%} to {high:+.2%}) over {pairs} pairs; "
        f"{suite_ms:.3f} ms, bare {bare_ms:.3f} ms"
    )


def main() -> None:
    """Compare the default precisions in eager and graph."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset-dir", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=400)
    options = parser.parse_args()
    device, folder = torch.device("cuda", 0), DatasetFolder(options.dataset_dir, SPEC)
    data = TokenizedDataset(folder, verify(folder, TASK.checks), device).shaped(1, 128)
    checkpoint = find_checkpoint(TASK.model, TASK.model.default, "auto")
    for name in precision_names(AUTO, device):
        precision = PRECISIONS[name]
        model = load_model(checkpoint, precision, device)
        with precision.running(device):
            for execution in ("eager", "graph"):
                print(compared(name, execution, data, model, options.pairs), flush=True)


if __name__ == "__main__":
    main()
