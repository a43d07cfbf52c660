"""Names are read from the files of a kind without running them; what a file computes is left to the registry."""

from __future__ import annotations

import importlib
import sys

import pytest

from core.errors import InputError
from core.options import NAMES
from core.spelled_names import SpelledNames

REGISTRIES = {
    "--task": ("fixtures.tasks", "TASKS"),
    "--precisions": ("fixtures.precisions", "PRECISIONS"),
    "--executions": ("fixtures.executions", "EXECUTIONS"),
    "--workloads": ("fixtures.workloads", "WORKLOADS"),
}


@pytest.fixture
def toolbox(tmp_path, monkeypatch):
    """Makes a package with files of tools, which must not be imported."""

    def make(**files: str) -> SpelledNames:
        folder = tmp_path / f"boxes_{tmp_path.name}" / "tools"
        folder.mkdir(parents=True)
        (folder.parent / "__init__.py").touch()
        for name, source in files.items():
            (folder / f"{name}.py").write_text(f"{source}\nraise RuntimeError('this file was run')\n")
        monkeypatch.syspath_prepend(tmp_path)
        return SpelledNames(f"{folder.parent.name}.tools", "Tool", first=("saw", "gone"), words=("all",))

    return make


@pytest.mark.parametrize("option", REGISTRIES)
def test_the_spelled_names_are_those_that_the_registry_lists(option, monkeypatch):
    package, registry = REGISTRIES[option]
    things = getattr(importlib.import_module(package), registry)
    assert list(NAMES[option]) == [name for name, thing in things.items() if not getattr(thing, "is_hidden", False)]
    monkeypatch.delitem(sys.modules, package)  # as it is before it is imported
    NAMES[option].require(option, things)
    with pytest.raises(InputError, match=f"{option} names 'nothing'"):  # no file computes a name
        NAMES[option].require(option, ["nothing"])


def test_a_name_is_spelled_as_an_argument_or_as_a_constant_and_listed_unless_hidden(toolbox):
    names = toolbox(
        axe='AXE = Tool("axe", size=1)\nSAW: Tool = kinds.Tool(size=1, name="saw")',
        level='NAME = "level"\nLEVEL = Tool(NAME)\nGHOST = Tool("ghost", is_hidden=True)',
    )
    assert list(names) == ["saw", "axe", "level"]
    names.require("--tools", ["axe", "ghost", "all"])
    with pytest.raises(InputError) as caught:
        names.require("--tools", ["saw", "lever"])
    assert str(caught.value) == "--tools names 'lever' (did you mean level?); expected some of all, saw, axe, level."


@pytest.mark.parametrize(
    "source",
    [
        'for bits in (4, 8):\n    globals()[f"AXE{bits}"] = Tool(f"axe{bits}")',
        "AXE4 = Tool(NAMES[4])",
        "AXE4 = Tool(name=names.axe)",
        "AXE4 = Tool(*arguments)",
        "class Axe(Tool):\n    pass",
        'AXE = Tool("axe")\nAXE4 = replace(AXE, name="axe4")',
    ],
)
def test_what_a_file_may_compute_is_not_refused(toolbox, source):
    toolbox(tools=source).require("--tools", ["axe4"])


def test_the_registry_tells_where_it_has_been_imported(toolbox, monkeypatch):
    names = toolbox(axe='AXE = Tool("axe")')
    monkeypatch.setitem(sys.modules, names.package, sys)
    names.require("--tools", ["lever"])


def test_a_file_that_is_no_python_is_left_to_the_import(toolbox):
    assert list(toolbox(axe='AXE = Tool("axe")', saw="SAW = = Tool('saw')")) == ["axe"]
