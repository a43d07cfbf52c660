"""Energy and time of a hand-written loop with Zeus 0.16 around it.

`python reference/other_tools/zeus_window.py MODEL_FOLDER DATASET_FOLDER`

(pip install zeus==0.16.0.) Eager, and a CUDA graph captured by hand, over full rows of 128 tokens: one window of
`begin_window` and `end_window`, as its documentation shows, for each repeat. Without a GPU it prints the 0 that Zeus
reports.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from zeus.monitor import ZeusMonitor

REPEATS, SECONDS = 3, 2.0


def captured(forward: Callable[[], object]) -> Callable[[], object]:
    """Return the replay of a forward."""
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            forward()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        forward()
    return graph.replay


@torch.no_grad()
def main() -> None:
    """Print ms and mJ a forward and the seconds of every repeat, precision and execution."""
    model_folder, data = sys.argv[1:3]
    on_gpu = torch.cuda.is_available()
    device = "cuda" if on_gpu else "cpu"
    mask = torch.load(Path(data) / "attention_mask.pt", weights_only=True)
    full = torch.load(Path(data) / "input_ids.pt", weights_only=True)[mask.bool().all(dim=1)]
    row = full[:1].to(device)
    monitor = ZeusMonitor(gpu_indices=[0] if on_gpu else None)
    for name, dtype in (("fp32", torch.float32), ("fp16", torch.float16)) if on_gpu else (("fp32", torch.float32),):
        model = transformers.AutoModelForCausalLM.from_pretrained(model_folder, dtype=dtype).to(device).eval()

        def forward(model: torch.nn.Module = model) -> object:
            return model(input_ids=row, use_cache=False).logits

        loops = {"eager": forward, **({"graph": captured(forward)} if on_gpu else {})}
        for execution, launch in loops.items():
            for _ in range(10):
                launch()
            for repeat in range(REPEATS):
                start_s, count = time.perf_counter(), 0
                monitor.begin_window("forward", sync_execution=on_gpu)
                while time.perf_counter() - start_s < SECONDS:
                    launch()
                    if on_gpu:
                        torch.cuda.synchronize()
                    count += 1
                window = monitor.end_window("forward", sync_execution=on_gpu)
                print(
                    f"Zeus {name} {execution} {repeat + 1}: {1000 * window.time / count:.3f} ms, "
                    f"{1000 * window.total_energy / count:.1f} mJ, {time.perf_counter() - start_s:.1f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
