"""Rows of text to rows of token ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from tqdm.auto import tqdm

from core.errors import InputError
from data_prep.text_bytes import Integers
from data_prep.tokenizer import Encoded, Tokenizer

#: Rows that are tokenized at a time.
ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class TokenRows:
    """Rows of tokens: int64 [rows, tokens] each, labels of whole rows [rows].

    `text_bytes` are the UTF-8 bytes of the characters that a token completes, 0 under padding; None with a reason where
    not every character has a token.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    labels: torch.Tensor
    text_bytes: torch.Tensor | None = None
    text_bytes_reason: str | None = None
    #: The ids at the beginning of every row that stand for no text, and those that were left out behind it.
    prefix_ids: tuple[int, ...] = ()
    removed_ids: tuple[int, ...] = ()
    #: Tokens of the text that are in no row: cut off behind one or, of packed rows, left over behind the last. None
    #: where nobody counted them.
    tokens_truncated: int | None = None

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """The tensors by the names of their files."""
        named = {"input_ids": self.input_ids, "attention_mask": self.attention_mask, "labels": self.labels}
        return named if self.text_bytes is None else named | {"text_bytes": self.text_bytes}


class Losses:
    """Counts characters of which the tokens of a text say nothing."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._dropped = self._unknown = 0

    def add(self, row: Encoded, kept: int) -> None:
        """Count those of a text of which the first `kept` tokens are used."""
        is_whole = kept == len(row.ids)
        self._dropped += len(row.text_bytes.dropped) if is_whole else int((row.text_bytes.dropped < kept).sum())
        self._unknown += self._tokenizer.unknown_tokens(row.ids[:kept])

    @property
    def reason(self) -> str | None:
        """Why bytes cannot be counted, or None."""
        parts = [f"drops {self._dropped:,} characters of the text"] if self._dropped else []
        parts += [f"has no token for some characters ({self._unknown:,} unknown tokens)"] if self._unknown else []
        return f"the tokenizer {' and '.join(parts)}" if parts else None


def padded(
    texts: Sequence[str],
    tokenizer: Tokenizer,
    max_length: int,
    *,
    labels: torch.Tensor | None = None,
    keeps_suffix: bool = False,
    rows_at_once: int = ROWS_AT_ONCE,
) -> TokenRows:
    """Return a row for each text, cut at `max_length` and padded at the right.

    What the tokenizer's own call puts before a text is part of the row. What it puts behind it, such as an end of text,
    is part of it where `keeps_suffix`. `labels` int64 [texts] belong to the rows; without them the ids are the labels.
    """
    suffix = tokenizer.suffix if keeps_suffix else ()
    room = max(max_length - len(tokenizer.prefix) - len(suffix), 0)
    input_ids = np.full((len(texts), max_length), tokenizer.padding_id, dtype=np.int64)
    attention_mask, text_bytes = np.zeros_like(input_ids), np.zeros_like(input_ids)
    losses, begin, truncated = Losses(tokenizer), len(tokenizer.prefix), 0
    for row, encoded in enumerate(encoded_texts(texts, tokenizer, rows_at_once)):
        own = encoded.ids[:room]
        ids = [*tokenizer.prefix, *own, *suffix][:max_length]
        input_ids[row, : len(ids)] = ids
        attention_mask[row, : len(ids)] = 1
        text_bytes[row, begin : begin + len(own)] = encoded.text_bytes.completed[: len(own)]
        losses.add(encoded, len(own))
        truncated += len(encoded.ids) - len(own)
    ids_tensor = torch.from_numpy(input_ids)
    return TokenRows(
        ids_tensor,
        torch.from_numpy(attention_mask),
        ids_tensor.clone() if labels is None else labels,
        torch.from_numpy(text_bytes) if losses.reason is None else None,
        losses.reason,
        tokenizer.prefix,
        () if keeps_suffix else tokenizer.suffix,
        truncated,
    )


def packed(texts: Sequence[str], tokenizer: Tokenizer, max_length: int, seed: int) -> TokenRows:
    """Return rows of `max_length` tokens without padding.

    The tokens of all texts, none of them special, are joined in their order and cut; the rest at the end is dropped.
    The rows that this makes are then shuffled by `seed`. Raises `InputError` where there are not tokens enough for one.
    """
    ids: list[int] = []
    text_bytes: list[Integers] = []
    losses = Losses(tokenizer)
    for encoded in encoded_texts(texts, tokenizer):
        ids += encoded.ids
        text_bytes.append(encoded.text_bytes.completed)
        losses.add(encoded, len(encoded.ids))
    count = len(ids) // max_length
    if not count:
        raise InputError(
            f"The text has {len(ids):,} tokens, too few for one row of {max_length:,}; expected a smaller --max-length."
        )
    order = torch.from_numpy(np.random.default_rng(seed).permutation(count))

    def cut(values: Sequence[int] | Integers) -> torch.Tensor:
        return torch.tensor(values[: count * max_length], dtype=torch.int64).reshape(count, max_length)[order]

    input_ids = cut(ids)
    return TokenRows(
        input_ids,
        torch.ones_like(input_ids),
        input_ids.clone(),
        cut(np.concatenate(text_bytes)) if losses.reason is None else None,
        losses.reason,
        removed_ids=(*tokenizer.prefix, *tokenizer.suffix),
        tokens_truncated=len(ids) - count * max_length,
    )


def require_long_rows(rows: TokenRows, labels: Literal["tokens", "samples"], remedy: str) -> None:
    """Raise `InputError` where a row holds nothing to predict: no token of text, or none before it where it is a label.

    `remedy` is the end of the sentence.
    """
    shortest = max(1, len(rows.prefix_ids)) + 1 if labels == "tokens" else 1
    lengths = rows.attention_mask.sum(dim=1)
    short = int((lengths < shortest).sum())
    if short:
        raise InputError(
            f"{short:,} of {len(lengths):,} rows have fewer than {shortest} tokens and nothing to predict; expected no "
            f"such row: {remedy}."
        )


def encoded_texts(texts: Sequence[str], tokenizer: Tokenizer, rows_at_once: int = ROWS_AT_ONCE) -> Iterator[Encoded]:
    """Give the tokens of one text after the other, and show how far it has come."""
    for start in tqdm(range(0, len(texts), rows_at_once), desc="Tokenizing", unit="batch"):
        yield from tokenizer.encode(texts[start : start + rows_at_once])
