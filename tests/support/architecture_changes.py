"""What the configuration of a type of models needs beside the rules that shrink it, and the types that are left out."""

from __future__ import annotations

from typing import Any

#: By model type, of a whole configuration or of a part of one.
CHANGES: dict[str, dict[str, Any]] = {
    "bamba": {"attn_layer_indices": [1]},
    "big_bird": {"attention_type": "original_full"},
    "cohere_compass_text": {
        "layer_types": ["sliding_attention", "full_attention"],
        "rope_parameters": {
            name: {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [4, 2, 2]}
            for name in ("sliding_attention", "full_attention")
        },
    },
    "dbrx": {
        "attn_config": {"rope_theta": 10_000.0, "kv_n_heads": 2, "clip_qkv": 8.0},
        "ffn_config": {"ffn_hidden_size": 128},
    },
    "deepseek_v2": {"num_experts_per_tok": 2, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1},
    "dots1": {"n_routed_experts": 16, "num_experts_per_tok": 2, "n_shared_experts": 1, "first_k_dense_replace": 1},
    "dots3_note_text": {
        "sliding_window": 12,
        "swa_num_attention_heads": 4,
        "swa_num_key_value_heads": 4,
        "swa_q_lora_rank": 16,
        "swa_kv_lora_rank": 16,
        "swa_head_dim": 32,
        "swa_qk_nope_head_dim": 16,
        "swa_v_head_dim": 16,
    },
    "gemma3n_text": {
        "num_hidden_layers": 4,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "num_kv_shared_layers": 2,
    },
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "granitemoehybrid": {"layer_types": ["linear_attention", "full_attention"]},
    "hunyuan_v1_dense": {"head_dim": 16},
    "hunyuan_v1_moe": {"head_dim": 16},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "mamba2": {"num_heads": 8},
    "ministral": {"head_dim": 16},
    "nemotron": {"num_key_value_heads": 2},
    # A forward raises smaller time steps to this one, and a step with a cache does not: by default, as in Zamba2, its
    # logits are others, by 1e-5 here.
    "nemotron_h": {"time_step_min": 1e-5},
    "qwen4_exp_text": {
        "indexer_n_heads": 4,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 16,
        "indexer_budget": 8,
        "indexer_compress_ratio": 4,
    },
    "recurrent_gemma": {"block_types": ["recurrent", "attention"]},
    "reformer": {"axial_pos_embds": False, "attn_layers": ["local", "lsh"]},
    "xlstm": {"hidden_size": 128},
    "xmod": {"default_language": "en_XX"},
    "zamba": {"num_hidden_layers": 4, "layers_block_type": ["linear_attention", "hybrid"] * 2},
    "zamba2": {"num_hidden_layers": 4, "layers_block_type": ["linear_attention", "hybrid"] * 2},
}
#: Types that are not swept, why, and what says so when they are tried again.
LEFT_OUT: dict[str, tuple[str, str]] = {
    "cpmant": ("reads all of its prompt at every position", "can see the tokens it has to predict"),
    "emu3": ("its part for text is saved under a type of its own", "of type 'emu3_text_model'"),
    "gemma3n": ("its part for pictures needs the package timm", "requires the timm library"),
    "gemma4_assistant": ("reads the keys and values of another model", "hidden_size_per_layer_input must be 0"),
    "gemma4_unified_assistant": (
        "reads the keys and values of another model",
        "layer types producing a cache is different",
    ),
    "mllama": ("its part for text is saved under a type of its own", "of type 'mllama_text_model'"),
    "musicgen": ("predicts codes of sound, several at a position", "no attribute 'dropout'"),
    "musicgen_melody": ("predicts codes of sound, several at a position", "no attribute 'dropout'"),
    "prophetnet": ("sees later tokens, by 1e-3 of the norm of its logits", "can see the tokens it has to predict"),
    "xlm": ("sees later tokens: transformers has its encoder alone", "can see the tokens it has to predict"),
    "xlnet": ("sees later tokens, as it is called for a forward", "can see the tokens it has to predict"),
}
