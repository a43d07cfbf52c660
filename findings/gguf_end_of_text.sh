#!/usr/bin/env bash
# transformers 5.17.0 and 5.23.0 with gguf 0.19.0, seen on 2026-11-30.
#
# A GGUF file names its special tokens by id: here 1 begins a text and 2 ends it, as in SmolLM2's. AutoTokenizer of
# transformers 5.17.0 reads the file and says that a text ends with token 1, the one that begins it, and that nothing
# pads. transformers 5.23.0 says 2 and 2, as the file does. Neither warns. The ids of a text are the same. One would
# expect the file to decide. A folder that one version has converted and saved keeps its answer under every later one:
# generation that waits for the end of text waits for a token that never comes, and two machines with the same file have
# tokenizers that differ.
#
# Output seen:
#   transformers 5.17.0: begins with 1, ends with 1, pads with None; ids of "a b": [67, 260]
#   transformers 5.23.0: begins with 1, ends with 2, pads with 2; ids of "a b": [67, 260]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/show.py" <<'P'
import gguf
import numpy as np
import transformers
from tokenizers import pre_tokenizers

letters = sorted(pre_tokenizers.ByteLevel.alphabet())
tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *letters, "\u0120a", "\u0120b"]
writer = gguf.GGUFWriter("tiny.gguf", "llama")
writer.add_context_length(64)
writer.add_embedding_length(32)
writer.add_block_count(1)
writer.add_feed_forward_length(32)
writer.add_head_count(2)
writer.add_layer_norm_rms_eps(1e-5)
writer.add_tokenizer_model("gpt2")
writer.add_tokenizer_pre("smollm")
writer.add_token_list(tokens)
writer.add_token_types([3, 3, 3] + [1] * (len(tokens) - 3))
writer.add_token_merges(["\u0120 a", "\u0120 b"])
writer.add_bos_token_id(1)
writer.add_eos_token_id(2)
writer.add_pad_token_id(2)
writer.add_tensor("output_norm.weight", np.ones(32, dtype=np.float32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
found = transformers.AutoTokenizer.from_pretrained(".", gguf_file="tiny.gguf")
ends = f"begins with {found.bos_token_id}, ends with {found.eos_token_id}, pads with {found.pad_token_id}"
print(f'transformers {transformers.__version__}: {ends}; ids of "a b": {found("a b")["input_ids"]}')
P
for version in 5.17.0 5.23.0; do
    python3 -m venv "$folder/venv-$version"
    "$folder/venv-$version/bin/python" -m pip install --quiet "transformers==$version" gguf==0.19.0 torch==2.13.0 accelerate==1.15.0
    (cd "$folder" && env -u PYTHONPATH "venv-$version/bin/python" show.py 2>/dev/null) | tee -a "$folder/output"
done
cat > "$folder/expected" <<'P'
transformers 5.17.0: begins with 1, ends with 1, pads with None; ids of "a b": [67, 260]
transformers 5.23.0: begins with 1, ends with 2, pads with 2; ids of "a b": [67, 260]
P
diff "$folder/expected" "$folder/output" || { echo "the end of text is another one now"; exit 1; }
echo "as described"
