"""Measure GPT-2 in FP32 and FP16 with optimum-benchmark 0.6.0: a forward, prefill and decode, with energy.

`python reference/other_tools/optimum_inference.py MODEL_FOLDER [cuda|cpu]`

(pip install optimum-benchmark==0.6.0 codecarbon accelerate "datasets<5" "transformers<5", in an environment of its own:
it does not go with transformers 5.) Batch 1, 128 tokens, 64 more to generate. Its forward is that of the model without
the output layer; its energy is CodeCarbon's.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from optimum_benchmark import Benchmark, BenchmarkConfig, BenchmarkReport, InferenceConfig, InlineConfig, PyTorchConfig

REPEATS, SECONDS, NEW_TOKENS = 3, 4, 64
#: What optimum-benchmark calls the work, and the parts of its report.
TASKS = {"feature-extraction": ("forward",), "text-generation": ("prefill", "decode")}
MJ_PER_KWH = 3.6e9


def measure(model: str, device: str, dtype: str, task: str) -> BenchmarkReport:
    """Return the report of one launch."""
    scenario = InferenceConfig(
        latency=True,
        memory=False,
        energy=True,
        duration=SECONDS,
        input_shapes={"batch_size": 1, "sequence_length": 128},
        generate_kwargs={"max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS},
    )
    backend = PyTorchConfig(model=model, task=task, library="transformers", device=device, torch_dtype=dtype)
    return Benchmark.launch(
        BenchmarkConfig(name=f"{task}-{dtype}", launcher=InlineConfig(), scenario=scenario, backend=backend)
    )


def main() -> None:
    """Print median latency, energy and seconds of every repeat, part and precision.

    A decode is all the tokens after the first: both figures are divided by their number here.
    """
    model, device = str(Path(sys.argv[1]).resolve()), sys.argv[2] if len(sys.argv) > 2 else "cuda"
    os.chdir(tempfile.mkdtemp())  # CodeCarbon leaves files that say where the machine is
    for repeat in range(REPEATS):
        for dtype in ("float32", "float16") if device == "cuda" else ("float32",):
            for task, parts in TASKS.items():
                start_s = time.perf_counter()
                report = measure(model, device, dtype, task)
                seconds = time.perf_counter() - start_s
                for part in parts:
                    measured, steps = getattr(report, part), NEW_TOKENS - 1 if part == "decode" else 1
                    print(
                        f"optimum-benchmark {dtype} {part} {repeat + 1}: median "
                        f"{1000 * measured.latency.p50 / steps:.3f} ms, GPU "
                        f"{MJ_PER_KWH * measured.energy.gpu / steps:.1f} mJ, CPU "
                        f"{MJ_PER_KWH * measured.energy.cpu / steps:.1f} mJ, {seconds:.1f} s",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
