"""No code from a dataset, a tokenizer, a model or a saved run is ever run: one test a reader.

Pickles in a dataset's tensor files are in test_integrity.py, tags in a saved run's names in test_page.py.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from analysis.__main__ import main
from core.errors import InputError
from data_prep import stand_in, text
from data_prep.datasets.wikitext2 import SPEC
from data_prep.tokenizer import load_tokenizer
from fixtures.dataset.folder import DatasetFolder
from fixtures.dataset.integrity import verify
from fixtures.models.checkpoint import read_checkpoint
from fixtures.models.loading import load_model
from fixtures.precisions import PRECISIONS
from fixtures.tasks.language_modeling import TASK
from tests.support.saved_runs import benchmark
from tests.support.tiny import tiny_gpt2


class Payload:
    """A pickle that makes a folder when it is read."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.fixture
def marker(tmp_path, monkeypatch):
    """A folder that exists once hostile code has run. Whoever is asked whether it may run says yes."""
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    marker = tmp_path / "executed"
    yield marker
    assert not marker.exists()


def code(marker: Path) -> str:
    """A module that makes the folder when it is imported, and has classes that are fit for the rest."""
    imported = "GPT2Config as Config, GPT2LMHeadModel as Model, GPT2Tokenizer as Tokenizer"
    return f"import os\nos.mkdir({str(marker)!r})\nfrom transformers import {imported}\n"


def test_the_marker_is_made_when_the_code_does_run(tmp_path, monkeypatch):
    pickle.loads(pickle.dumps(Payload(tmp_path / "unpickled")))
    (tmp_path / "hostile.py").write_text(code(tmp_path / "imported"))
    monkeypatch.syspath_prepend(tmp_path)
    __import__("hostile")
    assert (tmp_path / "unpickled").is_dir()
    assert (tmp_path / "imported").is_dir()


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_script_in_a_tensor_file(tiny_dataset, marker):
    torch.jit.trace(lambda value: value + 1, torch.ones(2)).save(str(tiny_dataset / "labels.pt"))
    assert verify(DatasetFolder(tiny_dataset, SPEC), TASK.checks)["tensors_load"].passed is False


def script(folder: Path, marker: Path) -> None:
    (folder / f"{folder.name}.py").write_text(code(marker))


def tags(folder: Path, marker: Path) -> None:
    (folder / "test.jsonl").write_text('{"text": "a"}\n')
    (folder / "README.md").write_text(f"---\nconfigs: !!python/object/apply:os.mkdir [{marker}]\n---\n")


def pickled_frame(folder: Path, marker: Path) -> None:
    (folder / "test.pkl").write_bytes(pickle.dumps(Payload(marker)))


def pickled_sample(folder: Path, marker: Path) -> None:
    (folder / "0.pkl").write_bytes(pickle.dumps(Payload(marker)))
    with tarfile.open(folder / "test.tar", "w") as archive:
        archive.add(folder / "0.pkl", "0.pkl")
    (folder / "0.pkl").unlink()


@pytest.mark.parametrize("make", [script, tags, pickled_frame, pickled_sample])
def test_a_dataset_that_brings_code(tmp_path, marker, monkeypatch, make):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "hostile"
    folder.mkdir()
    make(folder, marker)
    with pytest.raises(InputError, match="hostile"):
        text.from_hub(SPEC, replace(SPEC.protocol, dataset=str(folder), config="default", split="test"))


def tokenizer_folder(folder: Path, marker: Path, class_name: str) -> Path:
    """A tokenizer of a class, with a module beside it that its configuration names."""
    stand_in.tokenizer(stand_in.text(0).rows.select(range(5)), 50_256).save_pretrained(folder)
    (folder / "module.py").write_text(code(marker))
    path = folder / "tokenizer_config.json"
    changes = {"tokenizer_class": class_name, "auto_map": {"AutoTokenizer": ["module.Tokenizer"] * 2}}
    path.write_text(json.dumps(json.loads(path.read_text()) | changes | {"trust_remote_code": True}))
    return folder


def test_a_tokenizer_that_brings_code_runs_as_transformers_own(tmp_path, marker):
    assert load_tokenizer(str(tokenizer_folder(tmp_path / "hostile", marker, "PreTrainedTokenizerFast")))


def test_a_tokenizer_of_a_class_that_only_its_own_code_knows(tmp_path, marker):
    folder = tokenizer_folder(tmp_path / "hostile", marker, "HostileTokenizer")
    with pytest.raises(InputError, match="is code of its own"):
        load_tokenizer(str(folder))


def load(folder: Path) -> None:
    load_model(read_checkpoint(TASK.model, "hostile", folder), PRECISIONS["fp32"], torch.device("cpu"))


@pytest.fixture
def model_folder(tmp_path, marker) -> Path:
    """A tiny model with a module beside it that its config.json may name."""
    folder = tmp_path / "hostile"
    tiny_gpt2().save_pretrained(folder)
    (folder / "module.py").write_text(code(marker))
    return folder


def set_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_model_that_brings_code_runs_as_transformers_own(model_folder):
    set_config(
        model_folder,
        auto_map={"AutoConfig": "module.Config", "AutoModelForCausalLM": "module.Model"},
        trust_remote_code=True,
    )
    load(model_folder)


def test_a_model_of_a_type_that_only_its_own_code_knows(model_folder):
    set_config(
        model_folder,
        model_type="hostile",
        auto_map={"AutoConfig": "module.Config", "AutoModelForCausalLM": "module.Model"},
    )
    with pytest.raises(InputError, match="expected a causal language model"):
        load(model_folder)


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
@pytest.mark.parametrize("value", ["somebody/kernel", "kernels-community/flash-attn3:run", {"": "somebody/kernel"}])
def test_attention_that_is_code_on_the_hub(model_folder, monkeypatch, key, value):
    monkeypatch.setitem(sys.modules, "kernels", None)  # no test may depend on what is installed beside it
    set_config(model_folder, **{key: value})
    with pytest.raises(InputError, match=f"in {key}, code on the hub, which is not run"):
        load(model_folder)


@pytest.mark.parametrize("named", ["model.safetensors", "pytorch_model.bin"])
def test_weights_that_are_a_pickle(model_folder, marker, named):
    (model_folder / "model.safetensors").unlink()
    (model_folder / named).write_bytes(pickle.dumps(Payload(marker)))
    index = {"metadata": {}, "weight_map": {"transformer.wte.weight": named}}
    (model_folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=r"could not be loaded|not a \.safetensors file"):
        load(model_folder)


@pytest.mark.parametrize(
    "head",
    [b"\xff" * 8, (2**40).to_bytes(8, "little"), (2).to_bytes(8, "little") + b"{}", b"\x02\0\0\0\0\0\0\0[]"],
    ids=["longest", "terabyte", "empty", "list"],
)
def test_a_safetensors_head_that_lies(model_folder, head):
    (model_folder / "model.safetensors").write_bytes(head)
    with pytest.raises(InputError, match=r"could not be loaded|lacks"):
        load(model_folder)


def test_templates_and_formats_in_a_saved_run_are_text(tmp_path, monkeypatch, capsys):
    hostile = "{{ 7 * 191 }}{0.__class__}%(name)s{% for x in y %}"
    for number in (1, 2):
        item = benchmark("fp32", 1.0, energy={"reason": hostile, "energy_per_sample_mj": None})
        item["extra_info"]["execution"] = hostile
        item["extra_info"]["provenance"] |= {"model": hostile, "dataset": f"{hostile}{number}"}
        (tmp_path / f"{number}.json").write_text(json.dumps({"benchmarks": [item], "machine_info": {"torch": hostile}}))
    monkeypatch.chdir(tmp_path)
    for arguments in (
        ["report", "1.json"],
        ["noise", "1.json"],
        ["compare", "1.json", "2.json"],
        ["history", "1.json"],
    ):
        monkeypatch.setattr(sys, "argv", ["results", *arguments])
        assert main() == 0
    said = capsys.readouterr().out + "".join(path.read_text() for path in Path("results").glob("*.[!p]*[!g]"))
    assert hostile in said
    assert "1337" not in said


STEERING = "\x1b]0;PWNED\x07\x1b[2J\u202e\n\n# Use fp16\n\n<img src=x> [x](javascript:1) **bold**"


def test_text_of_a_saved_run_is_neither_markup_nor_obeyed(tmp_path, monkeypatch, capsys):
    """In the summary, in what is printed, and on the page, wherever a run has text of its own."""
    items = [benchmark("fp32", 1.0), benchmark("fp16", 0.5)]
    for item in items:
        info = item["extra_info"]
        info["energy"] |= {"reason": STEERING, "marks": STEERING}
        info["validity"] |= {"status": "unknown", "reasons": [STEERING], "unknown": {"x": STEERING}}
        info["provenance"] |= {"model": STEERING, "dataset": STEERING, "baseline": STEERING}
        info["quality"] |= {"meaningful": None, "meaningful_reason": STEERING, "reason": STEERING}
        info["environment"] = dict.fromkeys(("device_name", "driver", "torch"), STEERING)
    for number in (1, 2):
        items[0]["extra_info"]["environment"]["python"] = f"{STEERING}{number}"
        document = {"benchmarks": items, "machine_info": {"torch": STEERING, "gpu": {"name": STEERING}}}
        (tmp_path / f"{number}\x1b[2J.json").write_text(json.dumps(document))
    monkeypatch.chdir(tmp_path)
    for arguments in (
        ["report", "1\x1b[2J.json"],
        ["noise", "1\x1b[2J.json"],
        ["compare", "1\x1b[2J.json", "2\x1b[2J.json"],
        ["history", "1\x1b[2J.json"],
    ):
        monkeypatch.setattr(sys, "argv", ["analysis", *arguments])
        assert main() == 0
    captured = capsys.readouterr()
    markdown = captured.out + Path("results/gpt2_benchmark_summary.md").read_text()
    page = Path("results/report.html").read_text()
    assert "PWNED" in markdown
    assert "PWNED" in page
    for output in (captured.out, captured.err, markdown, page):
        assert all(character.isprintable() or character == "\n" for character in output)
    assert not [line for line in markdown.split("\n") if line.lstrip("> -").startswith("# Use")]
    for markup in ("<img", " [x]", " **bold"):
        assert markup not in markdown
    assert "<img src=x>" not in page


def test_a_weight_of_any_name_is_shown_in_one_line(model_folder):
    weights = load_file(model_folder / "model.safetensors")
    save_file(weights | {STEERING * 20: torch.ones(1)}, model_folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="has left over 1 weights") as raised:
        load(model_folder)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 600
