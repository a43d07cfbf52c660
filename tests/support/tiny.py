"""A dataset of six short sequences, and GPT-2s of two layers."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

# Imported here, once: a pytest run inside this one forgets the modules that it was the first to import, torch cannot be
# imported twice, and matplotlib takes half a second each time.
import matplotlib.backends.backend_agg
import matplotlib.backends.backend_svg
import matplotlib.figure  # noqa: F401
import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel  # noqa: F401
from transformers.models.gpt2 import modeling_gpt2  # noqa: F401

from analysis.report import page, plots, text_tables, writer  # noqa: F401
from data_prep.datasets.wikitext2 import PADDING_ID

REPOSITORY = Path(__file__).parents[2]
SEQUENCES, TOKENS = 6, 16
LENGTHS = (16, 2, 9, 16, 5, 12)
ORIGINAL_METADATA = {
    "num_samples": SEQUENCES,
    "max_length": TOKENS,
    "dataset_name": "tiny",
    "model": "gpt2",
    "task": "language_modeling",
    "seed": 42,
    "tokenizer": "gpt2",
}


def tiny_tensors() -> dict[str, torch.Tensor]:
    """Six sequences of 2 to 16 random tokens, padded to 16."""
    generator = torch.Generator().manual_seed(0)
    input_ids = torch.randint(0, PADDING_ID, (SEQUENCES, TOKENS), generator=generator)
    attention_mask = (torch.arange(TOKENS) < torch.tensor(LENGTHS)[:, None]).long()
    input_ids[attention_mask == 0] = PADDING_ID
    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": input_ids.clone()}


def tiny_gpt2(**changes: Any) -> GPT2LMHeadModel:
    """A GPT-2 of two layers with GPT-2's vocabulary, seeded."""
    torch.manual_seed(1)
    config = GPT2Config(**{"n_layer": 2, "n_embd": 16, "n_head": 2, "n_positions": 32} | changes)
    return GPT2LMHeadModel(config).eval()


def two_models():
    """A model whose predictions differ between tokens, and one like it."""
    reference = tiny_gpt2()
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.mul_(4)
        other = copy.deepcopy(reference)
        generator = torch.Generator().manual_seed(3)
        for parameter in other.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
    return other, reference
