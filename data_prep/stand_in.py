"""Generated text and its tokenizer, for machines that reach no hub: the shape of WikiText-2 without its meaning."""

from __future__ import annotations

import json
import random

import datasets
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from data_prep.datasets.spec import Text

ROWS = 1940
#: Rows that fill all 128 positions, and the spread of the shorter ones, as WikiText-2 has them (mean 102 tokens a row).
FULL_ROWS = 980
SHORTEST_TOKENS, LONGEST_SHORT_TOKENS = 10, 127
#: Chosen so that 960 quantiles of SHORTEST + (LONGEST - SHORTEST) * u ** SKEW average 75.5 tokens, as the real rows do.
SKEW = 0.786
DISTINCT_WORDS = 6000
END_OF_TEXT = "<|endoftext|>"
SYLLABLES = [consonant + vowel for consonant in "bcdfghjklmnprstvz" for vowel in "aeiou"]


def text(seed: int) -> Text:
    """Return 1,940 rows of words drawn by Zipf's law, with the real text's distribution of lengths."""
    generator = random.Random(seed)  # noqa: S311
    words = distinct_words(generator)
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    short = ROWS - FULL_ROWS
    spread = LONGEST_SHORT_TOKENS - SHORTEST_TOKENS
    lengths = [SHORTEST_TOKENS + round(spread * ((i + 0.5) / short) ** SKEW) for i in range(short)]
    lengths += [generator.randint(LONGEST_SHORT_TOKENS + 1, 400) for _ in range(FULL_ROWS)]
    # A leading space makes the first word the same token as elsewhere: one token a word.
    rows = [" " + " ".join(generator.choices(words, weights, k=length)) for length in lengths]
    return Text(datasets.Dataset.from_dict({"text": rows}), "stand-in", f"generated, seed {seed}", None)


def distinct_words(generator: random.Random) -> list[str]:
    """Return words of three or four syllables, so that ten of them are a row that the length filter keeps."""
    words: dict[str, None] = {}
    while len(words) < DISTINCT_WORDS:
        words["".join(generator.choices(SYLLABLES, k=generator.choice((3, 4))))] = None
    return list(words)


def tokenizer(rows: datasets.Dataset, end_id: int) -> PreTrainedTokenizerBase:
    """Train a byte-level BPE on the rows, whose ids are below `end_id`, that of its end of text."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=end_id,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    trained.train_from_iterator(rows["text"], trainer, length=len(rows))
    # The trainer numbers tokens without a gap; the end of text has to keep GPT-2's number, far above the others.
    learned = trained.get_vocab()
    trained.model = models.BPE(vocab={**learned, END_OF_TEXT: end_id}, merges=merges_of(trained))
    return PreTrainedTokenizerFast(tokenizer_object=trained, eos_token=END_OF_TEXT, pad_token=END_OF_TEXT)


def merges_of(trained: Tokenizer) -> list[tuple[str, str]]:
    """Return the merges that a BPE has learned, in their order."""
    return [(left, right) for left, right in json.loads(trained.to_str())["model"]["merges"]]
