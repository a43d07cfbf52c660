"""Score the prepared tokens with lm-evaluation-harness, as this suite scores them.

`python reference/other_tools/harness_perplexity.py MODEL_FOLDER DATASET_FOLDER TOKENIZER_FOLDER`
(pip install lm-eval==0.4.13 accelerate).
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path

import torch
import transformers
from lm_eval.models.huggingface import HFLM

REPEATS = 3


def main() -> None:
    """Print perplexity over text targets and seconds of several repeats, for each precision."""
    model_folder, data, tokenizer_folder = sys.argv[1:4]
    ids = torch.load(Path(data) / "input_ids.pt", weights_only=True)
    mask = torch.load(Path(data) / "attention_mask.pt", weights_only=True)
    texts = [row[: int(length)].tolist() for row, length in zip(ids, mask.sum(dim=1), strict=True)]
    requests = [(("", ""), text[:1], text[1:]) for text in texts]
    tokenizer = transformers.AutoTokenizer.from_pretrained(tokenizer_folder)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for name, dtype in (("fp32", torch.float32), ("fp16", torch.float16)):
        model = transformers.AutoModelForCausalLM.from_pretrained(model_folder, dtype=dtype).to(device).eval()
        harness = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=64)
        for _ in range(REPEATS):
            start_s = time.perf_counter()
            found = harness._loglikelihood_tokens(requests, disable_tqdm=True)
            seconds = time.perf_counter() - start_s
            loss = -sum(loglikelihood for loglikelihood, _ in found) / sum(len(text) - 1 for text in texts)
            print(f"lm-evaluation-harness {name}: perplexity {math.exp(loss):.3f}, {seconds:.2f} s", flush=True)


if __name__ == "__main__":
    main()
