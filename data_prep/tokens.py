"""Rows of text to padded token ids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from tqdm.auto import tqdm
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from data_prep.errors import InputError, first_line
from data_prep.folders import is_folder
from data_prep.hub import HUB_ERRORS
from data_prep.layout import PADDING_ID, VOCABULARY_SIZE

if TYPE_CHECKING:  # it takes a second or more to load, and a tokenizer alone does not need it
    import datasets

#: Rows that are tokenized at a time.
ROWS_AT_ONCE = 256
#: What transformers has been seen to raise for tokenizers that it does not know or whose files are damaged.
UNLOADABLE: tuple[type[BaseException], ...] = (
    *HUB_ERRORS,
    ValueError,
    KeyError,
    AttributeError,
    TypeError,
    RecursionError,
    ImportError,  # a tokenizer that needs a library which is not installed
)


def load_tokenizer(name_or_folder: str) -> PreTrainedTokenizerBase:
    """Load a tokenizer from a folder, the cache or the hub, and pad with its end-of-text token.

    Raises `InputError` when it is not available, cannot tokenize or has no end-of-text token.
    """
    if is_folder(name_or_folder) and not any(Path(name_or_folder).glob("*.json")):
        raise InputError(
            f"The folder {name_or_folder} holds no tokenizer; expected vocab.json or tokenizer.json in it."
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(name_or_folder, trust_remote_code=False)
        tried = tokenizer("Some damage shows in use alone.")
    except Exception as error:
        # The tokenizers library, which is written in Rust, raises plain `Exception` for a damaged vocabulary.
        if type(error) is not Exception and not isinstance(error, UNLOADABLE):
            raise
        raise InputError(
            f"The tokenizer {name_or_folder} could not be loaded: {type(error).__name__}: {first_line(error)}"
        ) from error
    if tokenizer.eos_token_id is None:
        raise InputError(f"The tokenizer {name_or_folder} has no end-of-text token to pad with.")
    if not {"input_ids", "attention_mask"} <= set(tried):
        raise InputError(
            f"The tokenizer {name_or_folder} gives {sorted(tried)}; expected input_ids and attention_mask."
        )
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    return tokenizer


def is_gpt2_vocabulary(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Tell whether ids mean what GPT-2 expects: 50,257 of them, the last being the end of text."""
    return len(tokenizer) == VOCABULARY_SIZE and tokenizer.eos_token_id == PADDING_ID


def padded(
    rows: datasets.Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int, rows_at_once: int = ROWS_AT_ONCE
) -> dict[str, torch.Tensor]:
    """Return `input_ids`, `attention_mask` and `labels`, each int64 [rows, max_length], padded at the right.

    `labels` equals `input_ids`, padding included: that is the layout's convention (the model shifts them). Quality
    is computed from `attention_mask`, never from these labels.
    """
    batches = [
        tokenizer(texts, padding="max_length", truncation=True, max_length=max_length, return_tensors="pt")
        for texts in batched_texts(rows, rows_at_once)
    ]
    input_ids = torch.cat([batch["input_ids"] for batch in batches])
    attention_mask = torch.cat([batch["attention_mask"] for batch in batches])
    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": input_ids.clone()}


def packed(
    rows: datasets.Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int, seed: int
) -> dict[str, torch.Tensor]:
    """Return `input_ids`, `attention_mask` and `labels`, each int64 [rows, max_length], without padding.

    The tokens of all rows, none of them special, are joined in their order and cut; what is left at the end is dropped.
    The rows that this makes are then shuffled by `seed`. Raises `InputError` where there are not tokens enough for one.
    """
    ids: list[int] = []
    for texts in batched_texts(rows):
        for row in tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]:
            ids += row
    count = len(ids) // max_length
    if not count:
        raise InputError(
            f"The text has {len(ids):,} tokens, too few for one row of {max_length:,}; expected a smaller --max-length."
        )
    order = torch.from_numpy(np.random.default_rng(seed).permutation(count))
    input_ids = torch.tensor(ids[: count * max_length], dtype=torch.int64).reshape(count, max_length)[order]
    return {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids), "labels": input_ids.clone()}


def batched_texts(rows: datasets.Dataset, rows_at_once: int = ROWS_AT_ONCE) -> Iterator[list[str]]:
    """Give the texts of some rows at a time, and show how far it has come."""
    for start in tqdm(range(0, len(rows), rows_at_once), desc="Tokenizing", unit="batch"):
        yield list(rows[start : start + rows_at_once]["text"])
