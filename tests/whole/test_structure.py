"""The structure of the project: which room imports which, no import cycle, light imports, tests in their rooms."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import subprocess
import sys

import pytest

from benchmarks.listing import listing
from core.executions import USUAL
from core.metrics.records import Record
from tests.support.tiny import REPOSITORY

PACKAGES = ("core", "data_prep", "fixtures", "benchmarks", "analysis", "reference")
#: Which packages each may import, besides itself.
FLOORS: dict[str, set[str]] = {
    "core": set(),
    "data_prep": {"core"},
    "analysis": {"core"},
    "fixtures": {"core", "data_prep"},
    "benchmarks": {"core", "data_prep", "fixtures", "analysis"},
    "reference": {"core", "data_prep", "fixtures", "benchmarks", "analysis"},
}


def modules() -> dict[str, ast.Module]:
    """Every module of the project by its dotted name."""
    parsed = {}
    for package in PACKAGES:
        for path in (REPOSITORY / package).rglob("*.py"):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            parsed[name] = ast.parse(path.read_text())
    return parsed


#: The rooms of what is measured, each importing from those before it alone.
MEASURED = (
    ("device", "families", "settings", "option_checks"),
    ("dataset", "precisions"),
    ("models",),
    ("workloads",),
    ("executions",),
    ("tasks",),
    ("options",),
    ("plugin",),
)


def runtime_nodes(tree: ast.AST):
    """Every node but those that only a type checker reads."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        yield from runtime_nodes(node)


def imports(name: str, tree: ast.Module, names: set[str]) -> set[str]:
    """The project's modules that a module imports, wherever in it."""
    imported = set()
    for node in runtime_nodes(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            members = {f"{node.module}.{alias.name}" for alias in node.names} & names
            imported |= members or {node.module}
    return (imported & names) - {name}


def all_imports(name: str, tree: ast.Module) -> set[str]:
    """The project's modules that a module imports, those that only a type checker reads among them."""
    typed = {node for part in ast.walk(tree) if isinstance(part, ast.If) for node in ast.walk(part)}
    shown = ast.Module([*tree.body, *(node for node in typed if isinstance(node, (ast.Import, ast.ImportFrom)))], [])
    return imports(name, shown, set(PARSED))


PARSED = modules()
GRAPH = {name: imports(name, tree, set(PARSED)) for name, tree in PARSED.items()}


def test_the_graph_of_imports_is_the_projects():
    assert {"benchmarks.loop", "fixtures.precisions", "core.case"} <= GRAPH["benchmarks.measured_case"]


def test_no_package_imports_from_a_higher_floor():
    for name, imported in GRAPH.items():
        package = name.partition(".")[0]
        assert {other.partition(".")[0] for other in imported} <= FLOORS[package] | {package}, name


def test_no_room_of_what_is_measured_imports_from_a_higher_one():
    heights = {room: height for height, rooms in enumerate(MEASURED) for room in rooms}
    for name, tree in PARSED.items():
        package, _, rest = name.partition(".")
        if package != "fixtures" or not rest:
            continue
        room = rest.partition(".")[0]
        for other in all_imports(name, tree):
            other_room = other.partition(".")[2].partition(".")[0]
            if other.startswith("fixtures.") and other_room != room:
                assert heights[other_room] < heights[room], f"{name} imports {other}"


#: What a room must not load, wherever in it: the third-party packages that it leaves to others.
LEFT_TO_OTHERS = {
    "core": {"torch", "transformers", "pytest"},
    "analysis": {"torch", "transformers", "pytest"},
    "data_prep": {"pytest"},
    "benchmarks.instruments": {"pytest", "_pytest", "pluggy", "pytest_benchmark"},
    "benchmarks.meters": {"pytest", "_pytest", "pluggy", "pytest_benchmark"},
}
#: pytest-benchmark's command line calls it, and it asks pytest-benchmark how a name is shown.
LET_IN = {"analysis.comparison.side_by_side"}


@pytest.mark.parametrize("room", LEFT_TO_OTHERS)
def test_a_room_loads_none_of_the_packages_that_it_leaves_to_others(room):
    for name, tree in PARSED.items():
        if f"{name}.".startswith(f"{room}.") and name not in LET_IN:
            nodes = list(runtime_nodes(tree))
            packages = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
            packages |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
            loaded = {package.partition(".")[0] for package in packages}
            assert not loaded & LEFT_TO_OTHERS[room], name


def test_no_module_imports_itself_through_others_nor_for_a_type_checker():
    graph, done, path = {name: all_imports(name, tree) for name, tree in PARSED.items()}, set(), []

    def visit(name: str) -> None:
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name not in done:
            path.append(name)
            for imported in sorted(graph[name]):
                visit(imported)
            done.add(path.pop())

    for name in graph:
        visit(name)


def test_no_test_file_imports_another():
    paths = (REPOSITORY / "tests").rglob("*.py")
    parsed = {
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts): ast.parse(path.read_text()) for path in paths
    }
    assert len(parsed) > 80
    for name, tree in parsed.items():
        imported = imports(name, tree, set(parsed))
        assert not {other for other in imported if other.rpartition(".")[2].startswith("test_")}, name


def test_every_test_file_stands_in_the_folder_of_a_room_or_of_the_whole():
    folders = {path.parent.relative_to(REPOSITORY / "tests") for path in (REPOSITORY / "tests").rglob("test_*.py")}
    assert {str(folder) for folder in folders} == {*PACKAGES, "whole"}


def test_results_holds_no_code():
    assert not list((REPOSITORY / "results").rglob("*.py"))


def test_every_fixture_of_what_is_measured_is_in_one_module():
    for name, tree in PARSED.items():
        decorators = {ast.unparse(node) for part in ast.walk(tree) for node in getattr(part, "decorator_list", ())}
        has_fixture = any(decorator.startswith("pytest.fixture") for decorator in decorators)
        assert not has_fixture or name in ("fixtures.plugin", "benchmarks.test_forward"), name


def test_the_analysis_and_the_options_load_no_torch():
    code = (
        "import sys, conftest, analysis.__main__, analysis.report.page, analysis.report.writer\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


def test_no_code_knows_an_execution_by_its_name():
    """Its own file, the table for runs that carry no traits, and the defaults of options may name it.

    So may the reference, which is of series with executions that are known.
    """
    allowed = {f"fixtures.executions.{name}" for name in USUAL} | {"core.executions", "fixtures.executions"}
    for name, tree in PARSED.items():
        literals = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        assert name in allowed or name.startswith("reference.") or not literals & {*USUAL}, name


def test_every_thing_that_is_found_by_its_file_is_listed():
    shown = listing("cpu")
    registries = [
        getattr(importlib.import_module(name), node.target.id)
        for name, tree in PARSED.items()
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation).startswith("Registry[")
    ]
    assert len(registries) == 9  # and metrics, which are fields
    for thing in (thing for registry in registries for thing in registry.values()):
        assert (f"\n  {thing.name} " in shown) is not getattr(thing, "is_hidden", False), thing.name


def record_fields() -> list[tuple[str, str]]:
    """Every field of every record of the project, with the record's name."""
    for name in PARSED:
        if name.startswith(("benchmarks.instruments", "fixtures.tasks")):
            importlib.import_module(name)
    records, seen = [Record], []
    while records:
        record = records.pop()
        records += record.__subclasses__()
        if record.__module__ in PARSED and dataclasses.is_dataclass(record):
            seen += [(record.__name__, field.name) for field in dataclasses.fields(record)]
    return seen


def test_no_field_of_a_record_spells_an_interval_or_a_reason():
    """A `Figure` has them, and its keys are made from its declaration."""
    fields = record_fields()
    assert ("LatencyRecord", "median_ms") in fields
    assert not [field for field in fields if "ci95" in field[1] or field[1].endswith("reason")]
