"""A dataset of six short labelled sentences and a DistilBERT of two layers."""

from __future__ import annotations

import torch
import transformers

from data_prep.datasets.sst2 import FIRST_ID, LAST_ID, PADDING_ID

LENGTHS = (5, 16, 3, 9, 16, 12)


METADATA = {
    "num_samples": len(LENGTHS),
    "max_length": 16,
    "dataset_name": "tiny",
    "num_labels": 2,
    "seed": 42,
    "tokenizer": "distilbert-base-uncased",
}


def sentences() -> dict[str, torch.Tensor]:
    """Six sequences of 3 to 16 tokens between the special ones, with labels."""
    ids = torch.randint(999, 1099, (len(LENGTHS), 16), generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor(LENGTHS)
    mask = (torch.arange(16) < lengths[:, None]).long()
    ids[:, 0] = FIRST_ID
    ids.scatter_(1, lengths[:, None] - 1, LAST_ID)
    ids[mask == 0] = PADDING_ID
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([0, 1, 1, 0, 1, 0])}


def tiny_classifier(**changes: object) -> transformers.PreTrainedModel:
    """A DistilBERT of two layers, seeded, whose answers are not all one class."""
    torch.manual_seed(1)
    sizes = {"n_layers": 2, "dim": 16, "n_heads": 2, "hidden_dim": 32, "vocab_size": 1100, "initializer_range": 0.5}
    config = transformers.DistilBertConfig(**{**sizes, **changes})
    return transformers.DistilBertForSequenceClassification(config).eval()
