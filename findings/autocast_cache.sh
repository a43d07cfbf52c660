#!/usr/bin/env bash
# torch 2.12.1, seen on 2026-11-30 on an x86 CPU; with 2.11.0 on an H100 and an H200 too. 2.13.0 has it right.
#
# torch.compile keeps what it has compiled on disk, and later processes take it from there. Up to 2.12 the key of the
# outer of its two caches says whether autocast was on and not which dtype it casts to. A model that was once compiled
# under FP16 autocast therefore runs its FP16 code under BF16 autocast, and the other way round, silently: one would
# expect another dtype to be another compilation. On a GPU the time, energy and quality of "BF16 autocast, compiled" are
# then those of FP16. Without the outer cache (torch._functorch.config.enable_autograd_cache = False) the inner one,
# which goes by the operators, keeps the two apart. The order below decides; with an empty folder both are right.
#
# Output seen:
#   first process, autocast float16: eager gives torch.float16, compiled gives torch.float16
#   second process, autocast bfloat16: eager gives torch.bfloat16, compiled gives torch.float16
#   without the outer cache, autocast bfloat16: eager gives torch.bfloat16, compiled gives torch.bfloat16
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "torch==2.12.1" numpy
cat > "$folder/show.py" <<'P'
import sys

import torch
import torch._functorch.config

name, dtype, with_outer_cache = sys.argv[1], getattr(torch, sys.argv[2]), sys.argv[3] == "yes"
torch._functorch.config.enable_autograd_cache = with_outer_cache
torch.manual_seed(0)
layer, values = torch.nn.Linear(64, 64), torch.randn(8, 64)
with torch.no_grad(), torch.autocast("cpu", dtype=dtype):
    eager, compiled = layer(values).dtype, torch.compile(layer)(values).dtype
print(f"{name}, autocast {sys.argv[2]}: eager gives {eager}, compiled gives {compiled}")
sys.exit((compiled is eager) != (name != "second process"))
P
export TORCHINDUCTOR_CACHE_DIR="$folder/cache"
"$folder/venv/bin/python" "$folder/show.py" "first process" float16 yes 2> /dev/null
"$folder/venv/bin/python" "$folder/show.py" "second process" bfloat16 yes 2> /dev/null
"$folder/venv/bin/python" "$folder/show.py" "without the outer cache" bfloat16 no 2> /dev/null
