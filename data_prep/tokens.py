"""Rows of text to padded token ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from core.errors import InputError, first_line
from core.folders import is_folder
from data_prep.hub import HUB_ERRORS

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


def load_tokenizer(name_or_folder: str, *, pads_with_end: bool = True) -> PreTrainedTokenizerBase:
    """Load a tokenizer from a folder, the cache or the hub, which pads with its end-of-text token or its own.

    Raises `InputError` when it is not available, cannot tokenize or has no token to pad with.
    """
    if is_folder(name_or_folder) and not any(any(Path(name_or_folder).glob(name)) for name in ("*.json", "vocab.txt")):
        raise InputError(
            f"The folder {name_or_folder} holds no tokenizer; expected vocab.json, vocab.txt or tokenizer.json in it."
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
    if (tokenizer.eos_token_id if pads_with_end else tokenizer.pad_token_id) is None:
        kind = "end-of-text token to pad with" if pads_with_end else "padding token; expected one of a classifier"
        raise InputError(f"The tokenizer {name_or_folder} has no {kind}.")
    if not {"input_ids", "attention_mask"} <= set(tried):
        raise InputError(
            f"The tokenizer {name_or_folder} gives {sorted(tried)}; expected input_ids and attention_mask."
        )
    if pads_with_end:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    return tokenizer


def padded(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, max_length: int, rows_at_once: int = ROWS_AT_ONCE
) -> dict[str, torch.Tensor]:
    """Return `input_ids` and `attention_mask` of texts, int64 [texts, max_length] each, padded at the right."""
    batches = [
        tokenizer(some, padding="max_length", truncation=True, max_length=max_length, return_tensors="pt")
        for some in batched_texts(texts, rows_at_once)
    ]
    return {name: torch.cat([batch[name] for batch in batches]) for name in ("input_ids", "attention_mask")}


def packed(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, max_length: int, seed: int
) -> dict[str, torch.Tensor]:
    """Return `input_ids`, `attention_mask` and `labels`, each int64 [rows, max_length], without padding.

    The tokens of all texts, none of them special, are joined in their order and cut; the rest at the end is dropped.
    The rows that this makes are then shuffled by `seed`. Raises `InputError` where there are not tokens enough for one.
    """
    ids: list[int] = []
    for some in batched_texts(texts):
        for row in tokenizer(some, add_special_tokens=False, verbose=False)["input_ids"]:
            ids += row
    count = len(ids) // max_length
    if not count:
        raise InputError(
            f"The text has {len(ids):,} tokens, too few for one row of {max_length:,}; expected a smaller --max-length."
        )
    order = torch.from_numpy(np.random.default_rng(seed).permutation(count))
    input_ids = torch.tensor(ids[: count * max_length], dtype=torch.int64).reshape(count, max_length)[order]
    return {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids), "labels": input_ids.clone()}


def batched_texts(texts: Sequence[str], rows_at_once: int = ROWS_AT_ONCE) -> Iterator[list[str]]:
    """Give some texts at a time, and show how far it has come."""
    for start in tqdm(range(0, len(texts), rows_at_once), desc="Tokenizing", unit="batch"):
        yield list(texts[start : start + rows_at_once])
