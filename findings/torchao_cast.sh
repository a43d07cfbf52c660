#!/usr/bin/env bash
# torchao 0.18.0 with PyTorch 2.13.0, seen on 2026-11-29 (CPU).
#
# A linear layer whose weight is quantized to INT8 is cast with `.half()`. One would expect FP16 parameters, as
# `torch.nn.Module.half` says ("casts all floating point parameters"), or an error. The bias is cast; the weight says
# float32 before and after, nothing is raised, and the layer goes on in FP16 or FP32, whichever its input has. The other
# way round, an FP16 layer that is quantized and then cast with `.float()` keeps a weight that says float16. Whoever
# reads dtypes off the parameters to tell a model's precision is misled; so is a check such as
# `all(p.isfinite().all() for p in model.parameters())`, which raises NotImplementedError for a model that is sound.
#
# Output seen:
#   quantized, then half():  weight torch.float32, bias torch.float16
#   half(), quantized, then float():  weight torch.float16, bias torch.float32
#   output for FP32 input torch.float32, for FP16 input torch.float16
#   isfinite: NotImplementedError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "torch==2.13.0" "torchao==0.18.0" "numpy<3"
cd "$folder"
"$folder/venv/bin/python" -W ignore - 2>"$folder/log" <<'PYTHON'
import torch
from torchao.quantization import Int8WeightOnlyConfig, quantize_

first = torch.nn.Linear(64, 32)
quantize_(first, Int8WeightOnlyConfig())
first.half()
second = torch.nn.Linear(64, 32).half()
quantize_(second, Int8WeightOnlyConfig())
second.float()
rows = torch.randn(2, 64)
outputs = [first(rows).dtype, first(rows.half()).dtype]
try:
    raised = str(bool(first.weight.isfinite().all()))
except NotImplementedError as error:
    raised = type(error).__name__
print(f"quantized, then half():  weight {first.weight.dtype}, bias {first.bias.dtype}")
print(f"half(), quantized, then float():  weight {second.weight.dtype}, bias {second.bias.dtype}")
print(f"output for FP32 input {outputs[0]}, for FP16 input {outputs[1]}")
print(f"isfinite: {raised}")
assert (first.weight.dtype, first.bias.dtype) == (torch.float32, torch.float16), "half() casts the weight now"
assert (second.weight.dtype, second.bias.dtype) == (torch.float16, torch.float32), "float() casts the weight now"
assert outputs == [torch.float32, torch.float16], "the output's dtype no longer follows the input alone"
assert raised == "NotImplementedError", "weights can be asked whether they are finite now"
PYTHON
echo "as described"
