"""Time GPT-2 in FP32 and FP16 with optimum-benchmark 0.6.0: prefill of one sequence of 128 tokens.

`python docs/side_by_side/optimum_prefill.py MODEL_FOLDER` (pip install optimum-benchmark==0.6.0
"transformers<5" accelerate, in an environment of its own: it does not go with transformers 5).
"""

from __future__ import annotations

import sys
import time

from optimum_benchmark import Benchmark, BenchmarkConfig, InferenceConfig, InlineConfig, PyTorchConfig


def main() -> None:
    """Print the median and the spread of the rounds, and the seconds that the whole took, for each precision."""
    model, device = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "cuda"
    for name, dtype in (("fp32", "float32"), ("fp16", "float16")):
        if device == "cpu" and name == "fp16":
            continue
        start_s = time.perf_counter()
        report = Benchmark.launch(
            BenchmarkConfig(
                name=name,
                launcher=InlineConfig(),
                scenario=InferenceConfig(
                    latency=True, memory=False, energy=False, input_shapes={"batch_size": 1, "sequence_length": 128}
                ),
                backend=PyTorchConfig(
                    model=model, task="text-generation", library="transformers", device=device, torch_dtype=dtype
                ),
            )
        )
        latency = report.prefill.latency
        print(
            f"optimum-benchmark {name}: median {1000 * latency.p50:.3f} ms, mean {1000 * latency.mean:.3f} ms, "
            f"{time.perf_counter() - start_s:.1f} s in all",
            flush=True,
        )


if __name__ == "__main__":
    main()
