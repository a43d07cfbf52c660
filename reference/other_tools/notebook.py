"""An imitation of the procedure that this suite replaces: padding scored as text, `nvidia-smi` polled, Python timed.

`python reference/other_tools/notebook.py MODEL_FOLDER DATASET_FOLDER`. Do not quote its figures: that is its point.
"""

from __future__ import annotations

import math
import subprocess
import sys
import time
from pathlib import Path

import torch
import transformers

REPEATS, SAMPLES = 3, 200


def power_w() -> float:
    """Ask nvidia-smi for the power, and take 0 where it does not answer."""
    try:
        answer = subprocess.run(
            ["nvidia-smi", "--query-gpu=power.draw", "--format=csv,noheader,nounits"],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
        )
        return float(answer.stdout.split("\n")[0])
    except (OSError, subprocess.CalledProcessError, ValueError):
        return 0.0


@torch.no_grad()
def measure(model: torch.nn.Module, ids: torch.Tensor, mask: torch.Tensor) -> tuple[float, float, float]:
    """Return ms a sample, mJ a sample and perplexity, each as a notebook would."""
    total_s, energy_j, losses = 0.0, 0.0, []
    for sample in range(SAMPLES):
        row, its_mask = ids[sample : sample + 1], mask[sample : sample + 1]
        start_s = time.time()
        losses.append(float(model(input_ids=row, attention_mask=its_mask, labels=row).loss))
        seconds = time.time() - start_s
        total_s += seconds
        if sample % 20 == 0:
            watts = power_w()
        energy_j += watts * seconds
    return 1000 * total_s / SAMPLES, 1000 * energy_j / SAMPLES, math.exp(min(sum(losses) / SAMPLES, 700))


def main() -> None:
    """Print what it finds, several times over, for each precision."""
    model_folder, data = sys.argv[1:3]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ids = torch.load(Path(data) / "input_ids.pt", weights_only=True).to(device)
    mask = torch.load(Path(data) / "attention_mask.pt", weights_only=True).to(device)
    for name, dtype in (("fp32", torch.float32), ("fp16", torch.float16)):
        model = transformers.AutoModelForCausalLM.from_pretrained(model_folder, dtype=dtype).to(device).eval()
        for _ in range(REPEATS):
            start_s = time.perf_counter()
            latency_ms, energy_mj, perplexity = measure(model, ids, mask)
            print(
                f"notebook {name}: {latency_ms:.3f} ms, {energy_mj:.0f} mJ, perplexity {perplexity:.1f}, "
                f"{time.perf_counter() - start_s:.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
