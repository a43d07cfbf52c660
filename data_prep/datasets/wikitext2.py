"""The WikiText-2 test set, tokenized for GPT-2: what language models are measured on."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.datasets.spec import STAND_IN_TOKENIZER, DatasetSpec, Text
from data_prep.layout import DATASETS_FOLDER
from data_prep.protocol import Protocol

if TYPE_CHECKING:
    import datasets

    from data_prep.tokenizer import Tokenizer
    from data_prep.tokens import TokenRows


VOCABULARY_SIZE = 50_257
PADDING_ID = 50_256


def read_file(content: bytes, path: Path) -> datasets.Dataset:
    """Return one row a line; a text that is not UTF-8 raises `UnicodeDecodeError`."""
    import datasets

    # Only "\n" ends a row, and stays part of it: str.splitlines would also cut at separators inside the text.
    return datasets.Dataset.from_dict({"text": list(io.StringIO(content.decode("utf-8"), newline="\n"))})


def select(protocol: Protocol, rows: datasets.Dataset) -> datasets.Dataset:
    """Keep the rows that are long enough."""
    from data_prep import text

    return text.select_rows(rows, min_chars=protocol.min_chars)


def tokenize(protocol: Protocol, rows: datasets.Dataset, tokenizer: Tokenizer) -> TokenRows:
    """Return the tokens: rows padded, in the order of the seed, or all of them joined and cut."""
    from data_prep import tokens

    if protocol.packed:
        return tokens.packed(rows["text"], tokenizer, protocol.max_length, protocol.seed)
    shuffled = rows.shuffle(seed=protocol.seed, keep_in_memory=True)
    return tokens.padded(shuffled["text"], tokenizer, protocol.max_length)


def facts(protocol: Protocol, rows: datasets.Dataset, tokenizer: Tokenizer, tokens: TokenRows) -> dict[str, Any]:
    """Return how rows were chosen and laid out."""
    return {"min_chars": protocol.min_chars, "packed": protocol.packed}


def stand_in(seed: int) -> tuple[Text, Tokenizer]:
    """Return generated text and its tokenizer."""
    from data_prep import stand_in
    from data_prep.tokenizer import Tokenizer

    generated = stand_in.text(seed)
    return generated, Tokenizer.of(STAND_IN_TOKENIZER, stand_in.tokenizer(generated.rows, PADDING_ID))


def text_at_hand() -> Text | None:
    """Return paragraphs of Python's own documentation."""
    from data_prep import python_topics

    return python_topics.text()


SPEC = DatasetSpec(
    task="language_modeling",
    description="the WikiText-2 test set for GPT-2",
    protocol=Protocol(
        dataset="Salesforce/wikitext",
        config="wikitext-2-raw-v1",
        split="test",
        tokenizer="openai-community/gpt2",
        min_chars=50,
    ),
    options=("packed", "min_chars"),
    folder=DATASETS_FOLDER / "gpt2_tokenized_data",
    stand_in_folder=DATASETS_FOLDER / "gpt2_stand_in_data",
    name="wikitext-2",
    model="gpt2",
    tokenizer="gpt2",
    columns=("text",),
    text_file="wiki.test.raw",
    text_sha256="173c87a53759e0201f33e0ccf978e510c2042d7f2cb78229d9a50d79b9e7dd08",
    labels="tokens",
    required_metadata=("num_samples", "max_length", "dataset_name", "model", "task", "seed", "tokenizer"),
    names=("dataset_name", "model", "task", "tokenizer"),
    tokenizer_sha256="cea14fd1e9584985fc55e96c27767f271ce9ad384a64a532a133434e17c10c33",
    vocabulary_size=VOCABULARY_SIZE,
    padding_id=PADDING_ID,
    config_ids={"eos_token_id": PADDING_ID},
    published_metadata={"dataset_name": "wikitext-2", "max_length": 128, "seed": 42, "tokenizer": "gpt2"},
    published_sha256={
        "input_ids": "1b8a04513f3873f537633c991c379b80eb9744748b9001e111c378846c14a6c8",
        "attention_mask": "fc9f40e99933bd0c22bd0520f221838e926b548d01a405f5b14b7fc48149f5fe",
        "labels": "1b8a04513f3873f537633c991c379b80eb9744748b9001e111c378846c14a6c8",
    },
    read_file=read_file,
    select=select,
    tokenize=tokenize,
    facts=facts,
    stand_in=stand_in,
    text_at_hand=text_at_hand,
    is_default=True,
)
