"""The script that changes formulas knows which tests to run, and what is no formula."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants import MUTATED, REPOSITORY, ImportGraph, imports, named_by, not_copied, unevaluated


@pytest.mark.parametrize("pattern", MUTATED)
def test_every_pattern_names_modules(pattern):
    assert named_by(pattern)


def test_a_pattern_that_names_none_is_an_error():
    with pytest.raises(ValueError, match=r"results/\*\.py names no module"):
        named_by("results/*.py")


def test_imports_may_be_anywhere_and_of_names_or_modules():
    source = "import a.b\ndef f():\n    from c.d import e\nPLUGINS = ('g.h',)\n"
    assert imports(source) == {"a.b", "c.d", "c.d.e", "g.h"}


def test_the_files_that_import_a_module_are_its_tests_and_otherwise_those_of_its_importers():
    graph = ImportGraph()
    tests = graph.tests_of(Path("benchmarks/steady_state.py"))
    assert "tests/benchmarks/test_steady_state.py" in tests
    assert "tests/whole/test_suite.py" not in tests
    assert graph.tests_of(Path("data_prep/layout.py"))
    assert graph.tests_of(Path("no/such_module.py")) == []


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("def f(x: int | None): x < 1", ["int | None"]),
        ("def f() -> int | None: ...", ["int | None"]),
        ("x: int | None = 1", ["int | None"]),
        ("@dataclass(frozen=True)\nclass C: ...", ["dataclass(frozen=True)"]),
        ("if TYPE_CHECKING: ...", ["TYPE_CHECKING"]),
        ("zip(a, b, strict=True)", ["True"]),
        ("f(1 + 2, more=True) if x else y", []),
    ],
)
def test_what_is_not_evaluated_is_left_as_it_is(source, text):
    lines = source.splitlines()
    assert [lines[line - 1][begin:end] for (line, begin), (_, end) in unevaluated(source)] == text


def test_a_copy_leaves_out_what_runs_write_and_no_room_of_that_name():
    names = ["datasets", "build", "core", "__pycache__", ".mypy_cache"]
    assert not_copied(str(REPOSITORY), names) == {"datasets", "build", "__pycache__", ".mypy_cache"}
    assert not_copied(str(REPOSITORY / "data_prep"), names) == {"__pycache__", ".mypy_cache"}
