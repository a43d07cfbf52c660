"""Model folders that will do, and every kind that will not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from transformers import BertConfig, BertLMHeadModel, GPTNeoConfig, GPTNeoForCausalLM

from core.errors import InputError
from fixtures.models.checkpoint import Checkpoint, hub_folder, read_checkpoint
from fixtures.models.loading import load_model
from fixtures.precisions import PRECISIONS
from fixtures.tasks.language_modeling import TASK
from tests.json_values import json_values
from tests.tiny import tiny_gpt2


def hub_checkpoint(folder: Path, extra: dict[str, torch.Tensor]) -> None:
    """A checkpoint as the hub has GPT-2's: no prefix, the attention's constants among the weights."""
    model = tiny_gpt2()
    model.save_pretrained(folder)
    weights = {name.removeprefix("transformer."): tensor.clone() for name, tensor in model.state_dict().items()}
    del weights["lm_head.weight"]
    for layer in range(2):
        weights[f"h.{layer}.attn.bias"] = torch.tril(torch.ones(1, 1, 32, 32))
        weights[f"h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
    save_file(weights | extra, folder / "model.safetensors", metadata={"format": "pt"})


def test_a_checkpoint_as_the_hub_has_it_loads_with_every_weight(tmp_path):
    hub_checkpoint(tmp_path / "hub", {})
    found = load_model(read_checkpoint(TASK.model, "hub", tmp_path / "hub"), PRECISIONS["fp32"], torch.device("cpu"))
    for name, tensor in tiny_gpt2().state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name


def test_masks_stored_by_a_relative_of_gpt2_are_no_weights(tmp_path):
    config = GPTNeoConfig(
        vocab_size=50_257, hidden_size=16, num_layers=2, num_heads=2, attention_types=[[["global", "local"], 1]]
    )
    model = GPTNeoForCausalLM(config)
    model.save_pretrained(tmp_path)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items() if name != "lm_head.weight"}
    weights["transformer.h.0.attn.attention.bias"] = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    weights["transformer.h.0.attn.attention.masked_bias"] = torch.tensor(-1e9)
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert load_model(read_checkpoint(TASK.model, "neo", tmp_path), PRECISIONS["fp32"], torch.device("cpu"))


def test_a_weight_that_no_layer_takes_is_refused(tmp_path):
    hub_checkpoint(tmp_path / "hub", {"adapter.weight": torch.ones(3)})
    with pytest.raises(InputError, match=r"has left over 1 weights, the first being adapter\.weight"):
        load_model(read_checkpoint(TASK.model, "hub", tmp_path / "hub"), PRECISIONS["fp32"], torch.device("cpu"))


def test_a_model_that_sees_the_future_is_refused(tmp_path):
    config = BertConfig(num_hidden_layers=1, hidden_size=16, num_attention_heads=2, intermediate_size=16)
    BertLMHeadModel(config).save_pretrained(tmp_path / "bert")
    with pytest.raises(InputError, match="can see the tokens it has to predict"):
        load_model(read_checkpoint(TASK.model, "bert", tmp_path / "bert"), PRECISIONS["fp32"], torch.device("cpu"))


def test_only_the_files_of_the_model_count(tmp_path):
    folder = tmp_path / "sharded"
    tiny_gpt2().save_pretrained(folder, max_shard_size="1MB")
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 1
    (folder / "model-old.safetensors").write_bytes(b"left behind")
    assert list(read_checkpoint(TASK.model, "sharded", folder).weight_files) == shards
    shards[0].unlink()
    with pytest.raises(InputError, match="expected all its files"):
        read_checkpoint(TASK.model, "sharded", folder)
    hub_checkpoint(folder, {})
    assert read_checkpoint(TASK.model, "whole", folder).weight_files == (folder / "model.safetensors",)


@pytest.mark.parametrize(
    "changes",
    [
        {"n_layer": "two"},
        {"n_layer": None},
        {"n_head": 3},
        {"n_head": 0},
        {"n_head": -1},
        {"return_dict": False},
        {"quantization_config": {"quant_method": "gptq", "bits": 4}},
        {"activation_function": "magic"},
        {"id2label": 7},
        {"quantization_config": 7},
        {"resid_pdrop": -3},
        {"vocab_size": True},
        {"n_positions": "many"},
        {"architectures": [1]},
        {"architectures": "x"},
        {"model_type": ["gpt2"]},
        {"stand_in": "false"},
    ],
    ids=str,
)
def test_odd_values_in_a_config_are_one_sentence(tmp_path, changes):
    folder = tmp_path / "odd"
    tiny_gpt2().save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(InputError, match=r"odd|will not do"):
        use(folder)


def use(folder: Path) -> None:
    """Read, check and load a model."""
    checkpoint = read_checkpoint(TASK.model, "odd", folder)
    checkpoint.require_room_for(largest_id=9, sequence_length=16)
    load_model(checkpoint, PRECISIONS["fp32"], torch.device("cpu"))


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("n_layer", 10**9, "says n_layer 1000000000; expected 1,000 at most"),
        ("n_layer", 10**90, "expected 1,000 at most"),
        ("num_labels", 10**9, "says num_labels 1000000000; expected 1,000 at most"),
        ("n_positions", 10**8, "describes 1,600,810,704 values, but its weight files have"),
        ("n_inner", 10**9, "describes 66,000,806,992 values"),
        ("vocab_size", 10**9, "describes 16,000,007,104 values"),
        ("n_embd", 2 * 10**9, "could not be loaded"),
    ],
)
def test_a_config_of_something_vast_is_refused_before_any_memory_is_taken(tmp_path, monkeypatch, key, value, sentence):
    tiny_gpt2().save_pretrained(tmp_path / "vast")
    path = tmp_path / "vast" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    monkeypatch.setattr("transformers.GPT2LMHeadModel.from_pretrained", lambda *_, **__: pytest.fail("was loaded"))
    with pytest.raises(InputError, match=sentence):
        load_model(read_checkpoint(TASK.model, "vast", tmp_path / "vast"), PRECISIONS["fp32"], torch.device("cpu"))


@pytest.mark.parametrize("content", ["[1]", "7", "{", "[" * 100_000, '"x"'])
def test_a_config_that_is_no_object_is_one_sentence(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError, match=r"config\.json"):
        read_checkpoint(TASK.model, "odd", tmp_path)


def test_a_download_that_was_killed_is_no_model(tmp_path, monkeypatch):
    tiny_gpt2().save_pretrained(tmp_path, max_shard_size="1MB")
    monkeypatch.setattr("fixtures.models.checkpoint.snapshot_download", lambda *_, **__: str(tmp_path))
    monkeypatch.setattr("fixtures.models.checkpoint.unreachable_reason", lambda: "nobody answers")
    assert hub_folder(TASK.model, "some/model", "auto") == tmp_path
    min(tmp_path.glob("model-*.safetensors")).unlink()
    with pytest.raises(InputError, match="some/model is not cached"):
        hub_folder(TASK.model, "some/model", "auto")


def test_positions_are_read_under_either_name():
    checkpoint = Checkpoint("llama", Path(), {"vocab_size": 100, "max_position_embeddings": 8}, (), TASK.model)
    with pytest.raises(InputError, match="reads 8 positions, but sequences have 16"):
        checkpoint.require_room_for(largest_id=9, sequence_length=16)


keys = st.sampled_from(["architectures", "model_type", "stand_in", "n_layer", "num_labels", "attn_implementation", "x"])


@settings(max_examples=150, deadline=None)
@given(config=json_values | st.dictionaries(keys, json_values | st.just("gpt2")), index=json_values)
def test_any_json_is_a_model_or_one_sentence(tmp_path_factory, config, index):
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    with pytest.raises(InputError):
        read_checkpoint(TASK.model, "fuzz", folder)  # no index names a file that is there
