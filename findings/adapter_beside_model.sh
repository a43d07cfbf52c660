#!/usr/bin/env bash
# transformers 5.23.0 with and without peft 0.21.2, torch 2.13.0, seen on 2026-12-01 on an x86 CPU.
#
# A folder that holds a whole model and an adapter beside it, as fine-tuning into the model's own folder leaves it, is two
# models: where the package peft is installed, `from_pretrained` applies the adapter, and where it is not, it loads the whole
# model and says nothing. Code, weights, versions of transformers and torch are the same; installing a package that the code
# does not import changes what it computes. One would expect the adapter to be ignored in both, or missed by its name.
#
# Output seen (the sum of absolute logits of one text):
#   without peft: the model's own
#   with peft: others, by more than 1%
#   anything said: no
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip() { "$folder/venv/bin/python" -m pip install --quiet "$@"; }
pip "torch==2.13.0" "transformers==5.23.0" numpy
cat > "$folder/make.py" <<'P'
import json
import sys

import torch
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2LMHeadModel

torch.manual_seed(0)
GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=2, n_embd=16, vocab_size=64)).save_pretrained(sys.argv[1])
layer = "base_model.model.transformer.h.0.attn.c_attn"
save_file(
    {f"{layer}.lora_A.weight": torch.randn(2, 16), f"{layer}.lora_B.weight": torch.randn(48, 2)},
    f"{sys.argv[1]}/adapter_model.safetensors",
)
adapter = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 2, "lora_alpha": 4, "target_modules": ["c_attn"],
           "fan_in_fan_out": True, "base_model_name_or_path": sys.argv[1], "inference_mode": True}
with open(f"{sys.argv[1]}/adapter_config.json", "w") as file:
    json.dump(adapter, file)
P
cat > "$folder/logits.py" <<'P'
import sys

import torch
from transformers import AutoModelForCausalLM

with torch.no_grad():
    print(float(AutoModelForCausalLM.from_pretrained(sys.argv[1])(torch.arange(16)[None]).logits.abs().sum()))
P
run() { env -u PYTHONPATH HF_HUB_OFFLINE=1 "$folder/venv/bin/python" "$folder/$1" "$folder/model" 2> "$folder/$2.txt"; }
run make.py made
without=$(run logits.py without)
mv "$folder/model/adapter_config.json" "$folder/kept.json"
own=$(run logits.py own)
mv "$folder/kept.json" "$folder/model/adapter_config.json"
pip "peft==0.21.2"
with=$(run logits.py with)
said=$(grep -il "adapter\|peft" "$folder/without.txt" "$folder/with.txt" || true)
echo "without peft: $([ "$without" = "$own" ] && echo "the model's own" || echo "others")"
differs=$(python3 -c "print('others, by more than 1%' if abs($with / $own - 1) > 0.01 else 'the same within 1%')")
echo "with peft: $differs"
echo "anything said: $([ -n "$said" ] && echo yes || echo no)"
[ "$without" = "$own" ] && [ "$differs" = "others, by more than 1%" ] && [ -z "$said" ] ||
    { echo "an adapter beside a model is treated alike now, or named"; exit 1; }
echo "as described"
