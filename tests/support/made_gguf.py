"""A tiny Llama as a GGUF file: weights in Q4_1, and a byte-level tokenizer beside them."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from tokenizers import pre_tokenizers

HIDDEN, FORWARD, HEADS, LAYERS = 32, 64, 2, 2
STORED = gguf.GGMLQuantizationType.Q4_1


def write(path: Path, architecture: str = "llama", *, has_tokenizer: bool = True, merge: str = "\u0120 t") -> None:
    """Write the file; `architecture` is what it says to be, `merge` the one that its tokenizer has learned."""
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "\u0120t"]
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    if has_tokenizer:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("smollm")
        writer.add_token_list(tokens)
        writer.add_token_types([3, 3, 3] + [1] * (len(tokens) - 3))
        writer.add_token_merges([merge])
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)
        writer.add_pad_token_id(2)
    generator = np.random.default_rng(0)

    def add(name: str, *shape: int) -> None:
        values = generator.normal(0, 0.3, shape).astype(np.float32)
        writer.add_tensor(name, gguf.quantize(values, STORED), raw_dtype=STORED)

    add("token_embd.weight", len(tokens), HIDDEN)
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{layer}.{name}.weight", HIDDEN, HIDDEN)
        for name, shape in (("gate", (FORWARD, HIDDEN)), ("up", (FORWARD, HIDDEN)), ("down", (HIDDEN, FORWARD))):
            add(f"blk.{layer}.ffn_{name}.weight", *shape)
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", np.ones(HIDDEN, dtype=np.float32))
    writer.add_tensor("output_norm.weight", np.ones(HIDDEN, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def stored_weights(path: Path) -> dict[str, np.ndarray]:
    """Return the file's weights in FP32 by their names in it, as the package gguf dequantizes them."""
    return {tensor.name: gguf.dequantize(tensor.data, tensor.tensor_type) for tensor in gguf.GGUFReader(path).tensors}
