"""A tiny model of a type of transformers' mapping of causal models, by rules that shrink its default configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any

import torch
import transformers
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM, PreTrainedConfig

from tests.support.architecture_changes import CHANGES

VOCABULARY, PADDING_ID = 256, 0
#: Ids below it have a meaning of their own in some model: padding, beginning, end, an image.
FIRST_TEXT_ID = 8
#: Weights large enough that a wrong mask, position or cast moves the logits.
SPREAD = 0.15
LAYERS = 2
#: Tokens that a sliding layer sees: more than a text has, as in most models, and fewer.
LONG_WINDOW, SHORT_WINDOW = 64, 12
WINDOW = re.compile(r"(?!keep_).*window\w*$|attention_chunk_size$|local_attention$")
#: The largest that a size may be, by the name of its field; the first pattern that matches counts. Of matrices that
#: INT8 multiplies both sides are multiples of 16, as 8-bit kernels need.
LARGEST = [
    (re.compile(f"({pattern})$"), largest)
    for pattern, largest in (
        ("pad_token_id", PADDING_ID),
        ("bos_token_id", 1),
        ("eos_token_id", 2),
        (r".*_token_id|.*_token_index|\w\w\w?_index", 3),
        (r".*vocab_size\w*|.*group_vocab", VOCABULARY),
        (r"type_vocab_size|.*vocab_offset", 2),
        (r".*num_(key_value|kv|global_key_value)_heads|kv_n_heads|.*indexer_kv_heads", 2),
        (r"mamba_n(um)?_heads", 8),
        (r".*heads|n_head", 4),
        (r".*head_dim|.*d_head|dim_head|kv_channels|attention_head_size", 16),
        (r".*_rank|.*lowrank", 16),
        (r".*(n_|num_)(hidden_)?layers?|(en|de)coder_layers|depth|num_blocks", LAYERS),
        (r".*intermediate_size\w*|.*ffn_dim|.*ffn_hidden_size|d_inner|d_ff|dff|dim_ff|n_inner|mlp_dim", 128),
        (r".*feed_forward_size", 128),
        (r".*hidden_size\w*|d_model|n_embd|emb_dim|embedding_(size|dim)|.*embed_(proj_)?dim|lru_width", 64),
        (r".*proj_dims?|adapter_(in_dim|out_dim|input_size)|(in|out)put_embedding_size", 64),
        (r"(moe_)?num_(local_)?experts|n_routed_experts|zero_expert_num", 16),
        (r".*experts_per_tok|moe_top_?k|moe_k|top_k_experts", 2),
        (r".*n_group|topk_group|.*n(_|um_)?groups|first_k_dense_replace|num_dense_layers|moe_layer_start_index", 1),
        (r".*max_\w*position\w*|n_positions|n_ctx|.*max_seq_len|context_length", 128),
        (r".*d_state|.*state_size|rotary_dim", 16),
        (r".*chunk_size", 8),
        (r"index_topk", 64),  # all tokens: which of those that a ReLU leaves at 0 are taken is chance
        (r".*block_size", 8),
        (r"image_size|.*num_position_embeddings", 32),
        (r"patch_size", 8),
    )
]
#: Lists of one entry a layer, which name what the layer is: a model has one layer of each, two at least.
KINDS_OF_LAYERS = ("layer_types", "mlp_layer_types", "layers_block_type")


def tiny_models(model_type: str) -> Iterator[transformers.PreTrainedModel]:
    """A model with random weights; where its layers see a window of the text, one with a shorter window too."""
    model = tiny_model(model_type, LONG_WINDOW)
    yield model
    other = tiny_model(model_type, SHORT_WINDOW)
    ids = torch.arange(FIRST_TEXT_ID, FIRST_TEXT_ID + SHORT_WINDOW + 4)[None]
    with torch.no_grad():
        logits = [one(input_ids=ids, use_cache=False).logits for one in (model, other)]
    if not torch.equal(*logits):
        yield other


def tiny_model(model_type: str, window: int = LONG_WINDOW) -> transformers.PreTrainedModel:
    """A model with random weights, the same each time, ready to evaluate."""
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(tiny_config(CONFIG_MAPPING[model_type], window)).eval()


def tiny_config(config_class: type[PreTrainedConfig], window: int) -> PreTrainedConfig:
    """The default configuration with each size at its smallest, then what the type needs."""
    shrunk = sizes(config_class, window) | kinds_of_layers(config_class)
    if "kv_lora_rank" in shrunk:  # keys and values are made of one vector, for as many heads as queries have
        shrunk["num_key_value_heads"] = shrunk["num_attention_heads"]
    parts = {
        name: tiny_config(class_of(spec), window).to_dict()
        for name, spec in config_class.sub_configs_defaults.items()
        if not spec.optional
    }
    return config_class(**shrunk | parts | CHANGES.get(config_class.model_type, {}))


def class_of(part: Any) -> type[PreTrainedConfig]:
    """The class of a part of a composite configuration."""
    found: type[PreTrainedConfig] = part.config_class
    return CONFIG_MAPPING[part.model_type] if found is AutoConfig else found


def sizes(config_class: type[PreTrainedConfig], window: int) -> dict[str, Any]:
    """Every field that is a size, a token or the spread of the weights, at what it is in a tiny model."""
    found: dict[str, Any] = {}
    for field in fields(config_class):
        default = None if field.default is MISSING else field.default
        if type(default) is int:
            found[field.name] = min(default, largest(field.name, default, window))
        elif field.name.endswith(("initializer_range", "init_std")):
            found[field.name] = SPREAD
        elif field.name == "is_decoder":
            found[field.name] = True
    return found


def largest(name: str, default: int, window: int) -> int:
    """The largest that a field may be; its default where no rule names it."""
    if WINDOW.match(name):
        return window
    return next((most for pattern, most in LARGEST if pattern.match(name)), default)


def kinds_of_layers(config_class: type[PreTrainedConfig]) -> Mapping[str, Any]:
    """The number of layers and what each is, where the default model has several kinds of them."""
    whole, own = config_class(), {field.name for field in fields(config_class)}
    kinds = {name: list(dict.fromkeys(getattr(whole, name, None) or ())) for name in KINDS_OF_LAYERS if name in own}
    count = max(LAYERS, *(len(found) for found in kinds.values()), 0)
    lists = {name: (found + [found[-1]] * count)[:count] for name, found in kinds.items() if found}
    return lists and lists | {"num_hidden_layers": count}
