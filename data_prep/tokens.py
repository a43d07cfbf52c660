"""Rows of text to padded token ids."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tqdm.auto import tqdm
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from data_prep.errors import InputError, first_line
from data_prep.folders import is_folder
from data_prep.hub import HUB_ERRORS
from data_prep.layout import PADDING_ID, VOCABULARY_SIZE

if TYPE_CHECKING:  # it takes a second or more to load, and a tokenizer alone does not need it
    import datasets

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


def tokenize(
    rows: datasets.Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int, rows_at_once: int = 256
) -> dict[str, torch.Tensor]:
    """Return `input_ids`, `attention_mask` and `labels`, each int64 [rows, max_length], padded at the right.

    `labels` equals `input_ids`, padding included: that is the layout's convention (the model shifts them). Quality
    is computed from `attention_mask`, never from these labels.
    """
    batches = [
        tokenizer(
            list(rows[start : start + rows_at_once]["text"]),
            padding="max_length",
            truncation=True,
            max_length=max_length,
            return_tensors="pt",
        )
        for start in tqdm(range(0, len(rows), rows_at_once), desc="Tokenizing", unit="batch")
    ]
    input_ids = torch.cat([batch["input_ids"] for batch in batches])
    attention_mask = torch.cat([batch["attention_mask"] for batch in batches])
    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": input_ids.clone()}
