#!/usr/bin/env bash
# transformers 5.23.0 with tokenizers 0.23.3, seen on 2026-11-29.
#
# A call of a tokenizer with padding="max_length" leaves its padding and truncation in the tokenizers object behind it, and
# save_pretrained writes them into tokenizer.json. transformers sets both anew at each of its own calls, so nothing shows
# there. Whatever opens the file with the tokenizers library itself then gets every text padded and cut to the length of
# one earlier call. One would expect options of a call to end with it, or at least the saved file to be the one loaded. So
# the JSON of a tokenizer is no digest of it either: it changes with use.
#
# Output seen:
#   before the call:  a b -> [2, 3]
#   after saving:     a b -> [2, 3, 0, 0, 0, 0]
#   a longer text:    [2, 3, 2, 3, 2, 3]
#   by transformers:  [2, 3]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "transformers==5.23.0" "tokenizers==0.23.3"
cd "$folder"
cat > show.py <<'P'
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

words = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "a": 2, "b": 3}, unk_token="[UNK]"))
words.pre_tokenizer = pre_tokenizers.Whitespace()
words.save("before.json")
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]")
tokenizer("a b", padding="max_length", truncation=True, max_length=6)
tokenizer.save_pretrained("saved")
saved = Tokenizer.from_file("saved/tokenizer.json")
print("before the call:  a b ->", Tokenizer.from_file("before.json").encode("a b").ids)
print("after saving:     a b ->", saved.encode("a b").ids)
print("a longer text:   ", saved.encode("a b a b a b a b").ids)
print("by transformers: ", AutoTokenizer.from_pretrained("saved")("a b")["input_ids"])
P
venv/bin/python show.py 2>/dev/null | tee output
cat > expected <<'P'
before the call:  a b -> [2, 3]
after saving:     a b -> [2, 3, 0, 0, 0, 0]
a longer text:    [2, 3, 2, 3, 2, 3]
by transformers:  [2, 3]
P
diff expected output || { echo "a saved tokenizer is another one now"; exit 1; }
echo "as described"
