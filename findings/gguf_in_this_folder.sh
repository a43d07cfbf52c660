#!/usr/bin/env bash
# transformers 5.23.0 with gguf 0.19.0 and accelerate 1.15.0, seen on 2026-11-29.
#
# from_pretrained(FOLDER, gguf_file=NAME) reads the configuration from the file of that name in FOLDER. The weights it reads
# from a file of that name in the current folder, where there is one. Nothing is said: two downloads of one name, or a test
# run beside a model, give a model of one file's shape with the other file's weights. One would expect both from FOLDER, as
# every other file of a checkpoint is. A whole path as gguf_file gives both from one file.
#
# Output seen (both files have a layer; the embedding is all 1 in the folder, all 2 in the current one):
#   by name: embedding of 2
#   by path: embedding of 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "torch==2.13.0" "transformers==5.23.0" "gguf==0.19.0" "accelerate==1.15.0"
cd "$folder"
mkdir models
cat > show.py <<'P'
from pathlib import Path

import gguf
import numpy as np
from transformers import AutoModelForCausalLM


def write(path, value):
    writer = gguf.GGUFWriter(path, "llama")
    for add, number in (
        (writer.add_context_length, 16), (writer.add_embedding_length, 8), (writer.add_block_count, 1),
        (writer.add_feed_forward_length, 8), (writer.add_head_count, 1), (writer.add_head_count_kv, 1),
        (writer.add_layer_norm_rms_eps, 1e-5), (writer.add_vocab_size, 4),
    ):
        add(number)
    square, row = np.ones((8, 8), dtype=np.float32), np.ones(8, dtype=np.float32)
    writer.add_tensor("token_embd.weight", np.full((4, 8), value, dtype=np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{name}.weight", square)
    for name in ("blk.0.attn_norm.weight", "blk.0.ffn_norm.weight", "output_norm.weight"):
        writer.add_tensor(name, row)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


write("models/model.gguf", 1)
write("model.gguf", 2)
for how, name in (("name", "model.gguf"), ("path", str(Path("models/model.gguf").resolve()))):
    model = AutoModelForCausalLM.from_pretrained("models", gguf_file=name)
    print(f"by {how}: embedding of {model.get_input_embeddings().weight[0, 0].item():.0f}")
P
venv/bin/python show.py 2>/dev/null | tee output
printf 'by name: embedding of 2\nby path: embedding of 1\n' | diff - output || { echo "the file is chosen otherwise now"; exit 1; }
echo "as described"
