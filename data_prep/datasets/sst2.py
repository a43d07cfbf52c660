"""The SST-2 validation set, tokenized for DistilBERT: what sequence classifiers are measured on."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from data_prep.datasets.spec import STAND_IN_TOKENIZER, DatasetSpec, Text
from data_prep.layout import DATASETS_FOLDER
from data_prep.protocol import Protocol

if TYPE_CHECKING:
    import datasets

    from data_prep.tokenizer import Tokenizer
    from data_prep.tokens import TokenRows


SENTENCE, LABEL = "sentence", "label"
CLASSES = 2
#: Tokens in BERT's vocabulary, which DistilBERT has too.
VOCABULARY_SIZE = 30_522
PADDING_ID, UNKNOWN_ID, FIRST_ID, LAST_ID = 0, 100, 101, 102
#: Generated sentences: as many as there are real ones, and as long, between the two special tokens.
STAND_IN_ROWS, SHORTEST_WORDS, LONGEST_WORDS, MEAN_WORDS = 872, 2, 53, 23.2
#: The first id of BERT's vocabulary that is a piece of text and neither special nor unused.
FIRST_WORD_ID = 999


def read_file(content: bytes, path: Path) -> datasets.Dataset:
    """Return the rows of a tab-separated file such as GLUE's dev.tsv, in which a quote is a character like others.

    Raises `InputError` where a column is missing, a line has another number of fields, or a label is no class; a text
    that is not UTF-8 raises `UnicodeDecodeError`.
    """
    import datasets

    lines = content.decode("utf-8").replace("\r\n", "\n").rstrip("\n").split("\n")
    header = lines[0].split("\t")
    missing = [name for name in (SENTENCE, LABEL) if name not in header]
    if missing:
        raise InputError(
            f"The text file {path} has the columns {ascii(header)[:80]}; expected {SENTENCE} and {LABEL}, separated by "
            "tabs, in its first line."
        )
    rows: dict[str, list[Any]] = {SENTENCE: [], LABEL: []}
    for number, line in enumerate(lines[1:], start=2):
        fields = line.split("\t")
        if len(fields) != len(header):
            raise InputError(
                f"Line {number} of {path} has {len(fields)} fields; expected {len(header)}, as in its first line (a "
                "sentence holds no tab)."
            )
        row = dict(zip(header, fields, strict=True))
        if not (row[LABEL].isascii() and row[LABEL].isdecimal()):
            raise InputError(
                f"Line {number} of {path} has the label {ascii(row[LABEL])[:40]}; expected a whole number from 0 on."
            )
        rows[SENTENCE].append(row[SENTENCE])
        rows[LABEL].append(int(row[LABEL]))
    return datasets.Dataset.from_dict(rows)


def select(protocol: Protocol, rows: datasets.Dataset) -> datasets.Dataset:
    """Return all rows. Raises `InputError` where there is none, one has no sentence, or its label is no class."""
    if not len(rows):
        raise InputError("The text has no row; expected sentences with labels.")
    classes = number_of_classes(rows)
    for number, (sentence, label) in enumerate(zip(rows[SENTENCE], rows[LABEL], strict=True)):
        if not (sentence or "").strip():
            raise InputError(f"Row {number} of the text has an empty sentence; expected text to classify.")
        if label is None or not 0 <= label < classes:
            raise InputError(f"Row {number} of the text has the label {label}; expected one from 0 to {classes - 1}.")
    return rows


def number_of_classes(rows: datasets.Dataset) -> int:
    """Return how many classes the rows' labels are of: as the hub says, or as many as SST-2's or the largest label."""
    named = getattr(rows.features[LABEL], "num_classes", None)
    return int(named) if named else max(CLASSES, max(rows[LABEL]) + 1)


def tokenize(protocol: Protocol, rows: datasets.Dataset, tokenizer: Tokenizer) -> TokenRows:
    """Return the tokens: rows padded, in the order of the seed, and a label for each."""
    import torch

    from data_prep import tokens

    shuffled = rows.shuffle(seed=protocol.seed, keep_in_memory=True)
    labels = torch.tensor(shuffled[LABEL], dtype=torch.int64)
    return tokens.padded(shuffled[SENTENCE], tokenizer, protocol.max_length, labels=labels, keeps_suffix=True)


def facts(protocol: Protocol, rows: datasets.Dataset, tokenizer: Tokenizer, tokens: TokenRows) -> dict[str, Any]:
    """Return the number of classes, the rows of each, and the tokens that the tokenizer puts around every sentence."""
    classes = number_of_classes(rows)
    return {
        "num_labels": classes,
        "label_counts": tokens.labels.bincount(minlength=classes).tolist(),
        "first_id": tokenizer.prefix[0] if tokenizer.prefix else None,
        "last_id": tokenizer.suffix[-1] if tokenizer.suffix else None,
    }


def stand_in(seed: int) -> tuple[Text, Tokenizer]:
    """Return sentences of words drawn by Zipf's law, with the real ones' number and lengths, and a token a word."""
    import datasets
    import tokenizers
    from tokenizers import models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    from data_prep.stand_in import distinct_words
    from data_prep.tokenizer import Tokenizer

    generator = random.Random(seed)  # noqa: S311
    words = distinct_words(generator)
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    lengths = [
        round(min(max(generator.gauss(MEAN_WORDS, 11), SHORTEST_WORDS), LONGEST_WORDS)) for _ in range(STAND_IN_ROWS)
    ]
    rows = {
        SENTENCE: [" ".join(generator.choices(words, weights, k=length)) for length in lengths],
        LABEL: [generator.randrange(CLASSES) for _ in lengths],
    }
    special = {"[PAD]": PADDING_ID, "[UNK]": UNKNOWN_ID, "[CLS]": FIRST_ID, "[SEP]": LAST_ID}
    vocabulary = special | {word: FIRST_WORD_ID + number for number, word in enumerate(words)}
    trained = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106
    trained.pre_tokenizer = pre_tokenizers.Whitespace()
    trained.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", FIRST_ID), ("[SEP]", LAST_ID)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=trained, **names)
    text = Text(datasets.Dataset.from_dict(rows), "stand-in", f"generated, seed {seed}", None)
    return text, Tokenizer.of(STAND_IN_TOKENIZER, tokenizer)


SPEC = DatasetSpec(
    task="classification",
    description="the SST-2 validation set for DistilBERT",
    protocol=Protocol(
        dataset="nyu-mll/glue",
        config="sst2",
        split="validation",
        tokenizer="distilbert/distilbert-base-uncased-finetuned-sst-2-english",
    ),
    options=(),
    folder=DATASETS_FOLDER / "sst2_tokenized_data",
    stand_in_folder=DATASETS_FOLDER / "sst2_stand_in_data",
    name="sst2",
    model="distilbert",
    tokenizer="distilbert-base-uncased",
    columns=(SENTENCE, LABEL),
    text_file="dev.tsv",
    text_sha256="54a9c12c77e402fc14d6a66a506f24d999f596b0176eb777c972cccc2f9cc4b0",
    labels="samples",
    required_metadata=("num_samples", "max_length", "dataset_name", "num_labels", "seed", "tokenizer"),
    names=("dataset_name", "tokenizer"),
    tokenizer_sha256="f5672822d92ab352acc8a422e00b41018cd7f6fbdff96824402e12c187611016",
    vocabulary_size=VOCABULARY_SIZE,
    padding_id=PADDING_ID,
    config_ids={"pad_token_id": PADDING_ID},
    config_ids_tell=False,
    published_metadata={
        "dataset_name": "sst2",
        "max_length": 128,
        "num_labels": CLASSES,
        "seed": 42,
        "tokenizer": "distilbert-base-uncased",
    },
    published_sha256={
        "input_ids": "0df23e167ec6f6ee30a1a5b9e537c43c20b06abccb255b92a0f91010c27bdf85",
        "attention_mask": "c1c5a3241fc7e545b29ef86c61fb81d7b8465c1d04b83305ee8358a4a6070c49",
        "labels": "4aa63ff1502728428e1304535982a6681678049870ac203fcb4cef284a566e5b",
    },
    read_file=read_file,
    select=select,
    tokenize=tokenize,
    facts=facts,
    stand_in=stand_in,
    is_default=True,
)
