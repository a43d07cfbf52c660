#!/usr/bin/env bash
# transformers 5.23.0, seen on 2026-11-29.
#
# A folder that holds a model and no tokenizer, as fine-tuning leaves it where only the model is saved, gives a tokenizer
# all the same: AutoTokenizer takes the class that belongs to the model type of config.json and fills it with special
# tokens alone. It raises nothing and warns of nothing, calls itself fast, and turns any text into no ids, or into one
# space and one unknown token a word. One would expect an error that names the missing files, as model types without a class of
# their own give one. Whatever prepares a dataset with it gets rows of padding.
#
# Output seen:
#   gpt2: GPT2Tokenizer of 1 token, fast: [] for a text of 3 words
#   mamba: GPTNeoXTokenizer of 2 tokens, fast: [] for a text of 3 words
#   t5: T5Tokenizer of 104 tokens, fast: [3, 2, 3, 2, 3, 2, 1] for a text of 3 words
#   llama: ValueError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "transformers==5.23.0"
cd "$folder"
cat > show.py <<'P'
from transformers import AutoTokenizer, GPT2Config, LlamaConfig, MambaConfig, T5Config

for config in (GPT2Config(), MambaConfig(), T5Config(), LlamaConfig()):
    config.save_pretrained(config.model_type)
    try:
        tokenizer = AutoTokenizer.from_pretrained(config.model_type)
    except ValueError:
        print(f"{config.model_type}: ValueError")
        continue
    ids = tokenizer("A few words")["input_ids"]
    size = len(tokenizer.get_vocab())
    speed = "fast" if tokenizer.is_fast else "slow"
    name = f"{type(tokenizer).__name__} of {size} token{'' if size == 1 else 's'}"
    print(f"{config.model_type}: {name}, {speed}: {ids} for a text of 3 words")
P
venv/bin/python show.py 2>/dev/null | tee output
cat > expected <<'P'
gpt2: GPT2Tokenizer of 1 token, fast: [] for a text of 3 words
mamba: GPTNeoXTokenizer of 2 tokens, fast: [] for a text of 3 words
t5: T5Tokenizer of 104 tokens, fast: [3, 2, 3, 2, 3, 2, 1] for a text of 3 words
llama: ValueError
P
diff expected output || { echo "a folder without a tokenizer gives another one now"; exit 1; }
echo "as described"
