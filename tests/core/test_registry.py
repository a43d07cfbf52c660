"""A file in a kind's folder is found; a second name is refused with both files, an unknown one with the nearest."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import pytest

from core.errors import DeclarationError, InputError
from core.registry import Registry, did_you_mean, of_type, require_tuples

KIND = """
from dataclasses import dataclass

@dataclass
class Tool:
    name: str
    description: str = "a tool"
"""


@pytest.fixture
def toolbox(tmp_path, monkeypatch):
    """Makes the registry of a package with files of tools."""
    made = []

    def make(files: dict[str, str], **options) -> Registry:
        package = f"toolbox_{tmp_path.name}_{len(made)}"
        made.append(package)
        folder = tmp_path / package
        folder.mkdir()
        (folder / "__init__.py").touch()
        (folder / "kind.py").write_text(KIND)
        for name, source in files.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"from {package}.kind import Tool\n{source}\n")
        monkeypatch.syspath_prepend(tmp_path)
        kind = __import__(f"{package}.kind", fromlist=["Tool"]).Tool
        return Registry("tool", package, of_type(kind), **options)

    yield make
    for name in [name for name in sys.modules if name.partition(".")[0] in made]:
        del sys.modules[name]


def test_whatever_a_file_defines_is_found_in_the_order_of_the_files(toolbox):
    found = toolbox({"saws.py": 'SAW = Tool("saw")\nFRETSAW: Tool = Tool("fretsaw")', "axe.py": 'AXE = Tool("axe")'})
    assert list(found) == ["axe", "saw", "fretsaw"]
    assert found["saw"].name == "saw"
    assert len(found) == 3
    with pytest.raises(KeyError):
        found["hammer"]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ('AXE, SAW = Tool("axe"), Tool("saw")', ["axe", "saw"]),
        ('if True:\n    AXE = Tool("axe")', ["axe"]),
        ('AXE = Tool("axe")\nDEFAULT = AXE', ["axe"]),
        ('AXE = Tool("axe")\nAXE = Tool("hatchet")', ["hatchet"]),
        ('size: int\nAXE = Tool("axe")\nSPARE = Tool("spare")\ndel SPARE', ["axe"]),
    ],
)
def test_however_a_file_names_it_a_thing_is_found_once(toolbox, source, names):
    assert list(toolbox({"tools.py": source})) == names


@pytest.mark.parametrize("source", ['TOOLS = (Tool("axe"),)', 'TOOLS = [Tool("axe")]', 'TOOLS = {"axe": Tool("axe")}'])
def test_a_thing_inside_a_container_is_refused_instead_of_passed_over(toolbox, source):
    with pytest.raises(ValueError, match=r"tools\.py has a tool inside TOOLS; expected a name for each"):
        toolbox({"tools.py": source})


def test_a_folder_that_is_no_package_is_refused_instead_of_passed_over(toolbox):
    with pytest.raises(ValueError, match=r"saw\.py is not found: its folder has no __init__\.py"):
        toolbox({"saws/saw.py": 'SAW = Tool("saw")'})


def test_one_thing_in_two_files_is_one(toolbox):
    files = {"axe.py": 'AXE = Tool("axe")', "shed.py": "from . import axe\nMINE = axe.AXE"}
    assert list(toolbox(files)) == ["axe"]


def test_those_named_first_stand_first_and_a_folder_below_is_looked_through(toolbox):
    files = {"axe.py": 'AXE = Tool("axe")', "saw/__init__.py": "", "saw/blade.py": 'SAW = Tool("saw")'}
    assert list(toolbox(files, first=("saw", "no longer there"))) == ["saw", "axe"]


def test_what_a_file_imports_is_the_other_files(toolbox):
    files = {
        "and_more.py": "from .saw import SAW\nAXE = Tool('axe')",
        "saw.py": 'FILE = Tool("file")\nSAW = Tool("saw")',
    }
    assert list(toolbox(files)) == ["axe", "file", "saw"]


def test_a_second_name_is_refused_with_both_files(toolbox):
    with pytest.raises(ValueError, match=r"the tool 'axe' is there twice, in .*axe\.py and in .*hatchet\.py; expected"):
        toolbox({"axe.py": 'AXE = Tool("axe")', "hatchet.py": 'HATCHET = Tool("axe")'})


@pytest.mark.parametrize("name", ["two words", "x,y", "Axe", "", "all"])
def test_a_name_that_no_option_could_take_is_refused(toolbox, name):
    with pytest.raises(DeclarationError, match=r"axe\.py is named .*; expected lower-case letters, digits, _ and -"):
        toolbox({"axe.py": f"AXE = Tool({name!r})"}, reserved=("auto", "all"))


def test_an_unknown_name_is_answered_with_the_nearest_and_the_list(toolbox):
    found = toolbox({"saw.py": 'SAW = Tool("fretsaw")', "axe.py": 'AXE = Tool("axe")'})
    assert found.named("axe") is found["axe"]
    with pytest.raises(InputError, match=r"no tool 'fretsav' \(did you mean fretsaw\?\); expected one of axe, fretsaw"):
        found.named("fretsav")
    with pytest.raises(InputError, match=r"no tool 'hammer'; expected one of"):
        found.named("hammer")


def test_what_is_near_to_nothing_is_no_guess():
    assert did_you_mean("fp61", ["fp32", "fp16"]) == " (did you mean fp16?)"
    assert did_you_mean("quantum", ["fp32", "fp16"]) == ""


@pytest.mark.parametrize("module", ["core.registry", "core.case", "core.executions", "core.guards", "core.folders"])
def test_the_core_loads_neither_torch_nor_transformers_nor_pytest(module):
    code = f"import sys, {module}; sys.exit(bool({{'torch', 'transformers', 'pytest'}} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@dataclass(frozen=True)
class Inside:
    letters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outside:
    name: str
    inside: Inside = Inside()
    numbers: tuple[int, ...] = (1,)


@pytest.mark.parametrize(
    ("thing", "sentence"),
    [
        (Outside("a", numbers=3), r"Outside 'a' has numbers=3; expected a tuple, such as \(3,\)"),
        (Outside("a", Inside("abc")), r"Inside '' has letters='abc'; expected a tuple, such as \('abc',\)"),
    ],
)
def test_text_or_a_number_in_place_of_a_tuple_is_refused(thing, sentence):
    require_tuples(Outside("a", Inside(("abc",))))
    with pytest.raises(DeclarationError, match=sentence):
        require_tuples(thing)
