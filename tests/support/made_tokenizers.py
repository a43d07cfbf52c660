"""Tokenizers as families of models have them, trained on the spot on a few lines, and tiny models for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

#: Rows of 51 to 120 bytes, which no tokenizer cuts at 128 tokens, with characters of one to four bytes.
LINES = (
    " The quick brown fox jumped over 12,345 lazy dogs near the river .",
    " = = The château of Málaga and its gardens in the spring = = ",
    " He didn't say that it was 3.14 ; she thought it was more than 2 .",
    " 東京 and Αθήνα are cities of millions , as Москва is one .",
    " In 1998 the band recorded an album called \U0001d11e minor , and sold it .",
    " A sentence with two  spaces , a\ttab , and the word naïve in it .",
    ' The "quoted" words are longer than the others , which are short .',
    " Many of the words in these lines are in other lines of this text .",
)
VOCABULARY = 420
#: Weights large enough that a wrong mask, position or cast moves the loss.
SPREAD = {"initializer_range": 0.3}
LLAMA_LIKE = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    **SPREAD,
}


def byte_level(special: tuple[str, ...], vocabulary: int = VOCABULARY, **changes: Any) -> tokenizers.Tokenizer:
    """Train a byte-level BPE, as GPT-2's is; `changes` are attributes of the tokenizer such as a post-processor."""
    trained = tokenizers.Tokenizer(models.BPE())
    trained.normalizer = changes.pop("normalizer", None)
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    trained.train_from_iterator(LINES, trainer)
    if "beginning" in changes:
        trained.post_processor = around(trained, changes["beginning"], "")
    return trained


def sentencepiece(special: tuple[str, ...], *, prepends: bool) -> tokenizers.Tokenizer:
    """Train a BPE over characters that falls back to bytes, as Llama's is; `prepends` a space to every text."""
    of_bytes = [f"<0x{number:02X}>" for number in range(256)]
    trained = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    replaced = normalizers.Replace(" ", "\u2581")
    trained.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), replaced]) if prepends else replaced
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[*special, *of_bytes], limit_alphabet=60, show_progress=False
    )
    trained.train_from_iterator(LINES, trainer)
    trained.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", int(prepends), 0),
        ]
    )
    trained.post_processor = around(trained, "<bos>", "")
    return trained


def unigram() -> tokenizers.Tokenizer:
    """Train a Unigram that appends its end of text."""
    trained = tokenizers.Tokenizer(models.Unigram())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    trained.decoder = decoders.Metaspace(prepend_scheme="never")
    trainer = trainers.UnigramTrainer(
        vocab_size=200, special_tokens=["<pad>", "<eos>", "<unk>"], unk_token="<unk>", show_progress=False
    )
    trained.train_from_iterator(LINES, trainer)
    trained.post_processor = around(trained, "", "<eos>")
    return trained


def word_piece() -> tokenizers.Tokenizer:
    """Train a WordPiece in lower case between two special tokens, as BERT's is."""
    trained = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    trained.normalizer = normalizers.BertNormalizer(lowercase=True)
    trained.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=VOCABULARY, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"], show_progress=False
    )
    trained.train_from_iterator(LINES, trainer)
    trained.post_processor = around(trained, "[CLS]", "[SEP]")
    return trained


def single_bytes() -> tokenizers.Tokenizer:
    """Return a tokenizer of single bytes: no merges, and neither padding nor end of text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = tokenizers.Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    return made


def around(trained: tokenizers.Tokenizer, before: str, behind: str) -> processors.TemplateProcessing:
    """Put tokens around every text."""
    named = [*before.split(), *behind.split()]
    return processors.TemplateProcessing(
        single=" ".join([*before.split(), "$A", *behind.split()]),
        special_tokens=[(name, trained.token_to_id(name)) for name in named],
    )


@dataclass(frozen=True)
class Family:
    """A tokenizer, the names of its special tokens, and the configuration of a tiny model; `more_rows` than ids."""

    tokenizer: Callable[[], tokenizers.Tokenizer]
    special: dict[str, str]
    config: Callable[..., transformers.PreTrainedConfig]
    settings: dict[str, Any] = field(default_factory=dict)
    more_rows: int = 0
    #: How many ids its call puts before and behind a text.
    prefix: int = 0
    suffix: int = 0

    def save(self, folder: Path, **of_tokenizer: Any) -> None:
        """Write a model with its tokenizer into a folder."""
        made = PreTrainedTokenizerFast(tokenizer_object=self.tokenizer(), **self.special, **of_tokenizer)
        rows = max(made.get_vocab().values()) + 1 + self.more_rows
        torch.manual_seed(1)
        auto = transformers.AutoModelForSequenceClassification if self.suffix and self.prefix else None
        config = self.config(vocab_size=rows, **self.settings)
        model = (auto or transformers.AutoModelForCausalLM).from_config(config).eval()
        model.save_pretrained(folder)
        made.save_pretrained(folder)


END = ("<|endoftext|>",)
GPT_LIKE = {"hidden_size": 16, "num_hidden_layers": 2, **SPREAD}
FAMILIES: dict[str, Family] = {
    "gpt2": Family(
        lambda: byte_level(END),
        {"eos_token": "<|endoftext|>"},
        transformers.GPT2Config,
        {"n_layer": 2, "n_embd": 16, "n_head": 2, "n_positions": 128, **SPREAD},
    ),
    "opt": Family(
        lambda: byte_level(("<s>", "<pad>", "</s>"), beginning="</s>"),
        {"bos_token": "</s>", "eos_token": "</s>", "pad_token": "<pad>"},
        transformers.OPTConfig,
        {
            "hidden_size": 16,
            "word_embed_proj_dim": 16,
            "ffn_dim": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 128,
            "init_std": 0.3,
        },
        prefix=1,
    ),
    "llama": Family(
        lambda: sentencepiece(("<unk>", "<bos>", "<eos>"), prepends=True),
        {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>"},
        transformers.LlamaConfig,
        LLAMA_LIKE,
        prefix=1,
    ),
    "gemma": Family(
        lambda: sentencepiece(("<pad>", "<eos>", "<bos>", "<unk>"), prepends=False),
        {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>"},
        transformers.Gemma2Config,
        {**LLAMA_LIKE, "head_dim": 4, "sliding_window": 64},
        prefix=1,
    ),
    "qwen": Family(
        lambda: byte_level(END, normalizer=normalizers.NFC()),
        {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"},
        transformers.Qwen2Config,
        LLAMA_LIKE,
        more_rows=37,
    ),
    "pythia": Family(
        lambda: byte_level((*END, "<|padding|>")),
        {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"},
        transformers.GPTNeoXConfig,
        {**GPT_LIKE, "intermediate_size": 32, "num_attention_heads": 2, "max_position_embeddings": 128},
        more_rows=27,
    ),
    "phi": Family(
        lambda: byte_level(END),
        {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"},
        transformers.PhiConfig,
        {**LLAMA_LIKE, "num_key_value_heads": 4},
        more_rows=8,
    ),
    "mistral": Family(
        lambda: sentencepiece(("<unk>", "<bos>", "<eos>"), prepends=True),
        {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>"},
        transformers.MistralConfig,
        {**LLAMA_LIKE, "sliding_window": 64},
        prefix=1,
    ),
    "mamba": Family(
        lambda: byte_level((*END, "<|padding|>")),
        {"eos_token": "<|endoftext|>", "pad_token": "<|padding|>"},
        transformers.MambaConfig,
        {**GPT_LIKE, "state_size": 4},
    ),
    "glm": Family(  # two ids before every text, as GLM has them
        lambda: byte_level(("[gMASK]", "<sop>", "<|endoftext|>"), beginning="[gMASK] <sop>"),
        {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"},
        transformers.LlamaConfig,
        LLAMA_LIKE,
        prefix=2,
    ),
    "unigram": Family(
        unigram,
        {"eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"},
        transformers.LlamaConfig,
        LLAMA_LIKE,
        suffix=1,
    ),
    "bytes": Family(single_bytes, {}, transformers.LlamaConfig, LLAMA_LIKE),
}
WORD_PIECE = Family(
    word_piece,
    {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"},
    transformers.DistilBertConfig,
    {
        "n_layers": 2,
        "dim": 16,
        "n_heads": 2,
        "hidden_dim": 32,
        "max_position_embeddings": 128,
        "initializer_range": 0.5,
    },
    prefix=1,
    suffix=1,
)
