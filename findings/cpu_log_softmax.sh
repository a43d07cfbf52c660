#!/usr/bin/env bash
# torch 2.13.0, seen on 2026-11-30 on an x86 CPU with AVX2.
#
# On a CPU, torch.log_softmax in FP32 adds up the exponentials of a row one behind the other, in as many sums as a vector
# register has places. Where one probability is near 1, as a language model's often is, the small ones beside it are
# rounded away, always in the same direction: over a vocabulary of 49,152 columns every log-probability comes out too
# large by 1e-5 on average, over 262,144 columns by 7e-5, and by up to 2e-4. One would expect the rounding of one FP32
# number, 1e-7 of a value near 1, and no common sign. torch.cross_entropy takes the same way. torch.logsumexp, beside it in
# the same library, adds in pairs and is right to 1e-6. A perplexity is then that much too low on a CPU, and a
# comparison of a CPU's with a GPU's fails at five digits.
#
# With ATEN_CPU_CAPABILITY=default it was the same as with AVX2.
#
# Output seen:
#   49152 columns: log_softmax too large by 1.0e-05 on average, logsumexp off by 0e+00
#   262144 columns: log_softmax too large by 7.0e-05 on average, logsumexp off by 0e+00
#   cross_entropy over 262144 columns: too small by 7.0e-05
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "torch==2.13.0" numpy
cat > "$folder/show.py" <<'P'
import sys

import torch

torch.manual_seed(0)
is_as_described = True
for columns in (49_152, 262_144):
    logits = 2 * torch.randn(256, columns)
    logits[:, 5] = logits.max(dim=1).values + 6  # one token that the model is nearly sure of
    exact = torch.log_softmax(logits.double(), dim=-1)[:, 5]
    off = float((torch.log_softmax(logits, dim=-1)[:, 5].double() - exact).mean())
    other = float(((logits - torch.logsumexp(logits, dim=-1, keepdim=True))[:, 5].double() - exact).mean())
    print(f"{columns} columns: log_softmax too large by {off:.1e} on average, logsumexp off by {round(other, 6):.0e}")
    is_as_described &= off > 2e-6 and abs(other) < 2e-7
loss = float(torch.nn.functional.cross_entropy(logits, torch.full((256,), 5)).double() + exact.mean())
print(f"cross_entropy over {columns} columns: too small by {-loss:.1e}")
sys.exit(not (is_as_described and -loss > 1e-5))
P
env -u PYTHONPATH "$folder/venv/bin/python" "$folder/show.py" || { echo "log_softmax on a CPU adds up in another way now"; exit 1; }
echo "as described"
