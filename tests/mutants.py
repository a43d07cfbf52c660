"""Whether the tests notice a wrong formula: `tox -e mutants` (half an hour or more on two cores).

Draws places in the modules of formulas and decisions at random and changes one operator or constant at each, with
Cosmic Ray, in a copy of the repository. On a mutant the test files run that import its module, or where none does those
of its importers: tests that reach it only through many others take minutes and notice little. Prints what became of
each; exits with 1 where fewer than 90% were noticed.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # its own environment has it: the tests of this file need no more than the graph of imports
    from cosmic_ray.work_item import MutationSpec

REPOSITORY = Path(__file__).parent.parent
FLOORS = ("analysis", "benchmarks", "core", "data_prep", "fixtures")
#: Formulas and decisions; what draws, prints, loads and plugs in has other tests.
MUTATED = (
    "core/[!_]*.py",
    "core/statistics/*.py",
    "analysis/runs/*.py",
    "analysis/comparison/*.py",
    "core/metrics/*.py",
    "analysis/uncertainty/*.py",
    "analysis/report/[drt]*.py",
    "benchmarks/loop.py",
    "benchmarks/order.py",
    "benchmarks/steady_state.py",
    "benchmarks/instruments/**/*.py",
    "benchmarks/machine/*.py",
    "benchmarks/meters/*.py",
    "benchmarks/kernels.py",
    "data_prep/*.py",
    "data_prep/datasets/*.py",
    "fixtures/executions/*.py",
    "fixtures/families/*.py",
    "fixtures/precisions/*.py",
    "fixtures/dataset/integrity.py",
)
OPERATORS = ("AddNot", "NumberReplacer", "Replace")
#: No formula is of bits, and no number is compared by identity: any test notices. Only None is equal to None.
NOT_TRIED = ("Bit", "Shift", "Lt_Is", "Gt_Is", "tE_Is", "Eq_Is", "Operator_Is_Eq", "Operator_IsNot_NotEq")
#: A decimal number is a threshold or a unit; one more or less would be far off, and any test would notice.
FACTOR = 1.5
NOT_COPIED = (".git", ".tox", ".venv", "__pycache__", "*_cache", ".hypothesis")
#: At the top of the repository alone: a room may have a folder of that name.
OUTPUTS = ("datasets", "build")
#: A mutant with which one test takes longer is noticed; the longest takes a fifth of it on two cores.
LONGEST_TEST_S = 100
LEAST_KILLED = 0.9
LOG = "tests.log"


@dataclass(frozen=True)
class Mutant:
    """One change: the module's path in the repository, where, and the whole module with the change in it."""

    module: Path
    line: int
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: `{self.before}` -> `{self.after}`"


def name_of(path: Path) -> str:
    """Return the dotted name of a module in the repository."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def imports(source: str) -> set[str]:
    """Return what a module imports, anywhere in it: modules, and what may be modules or names in them."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)  # the list of plugins in conftest.py
    return names


class ImportGraph:
    """Which test files import a module."""

    def __init__(self) -> None:
        folders = (*FLOORS, "tests/support")  # what tests share imports for them
        paths = [path for folder in folders for path in (REPOSITORY / folder).rglob("*.py")]
        modules = {name_of(path.relative_to(REPOSITORY)): imports(path.read_text()) for path in paths}
        self._importers: dict[str, set[str]] = defaultdict(set)
        for name, imported in modules.items():
            for other in imported & modules.keys():
                self._importers[other].add(name)
            self._importers[name] |= {name.rpartition(".")[0]} & modules.keys()  # a package may find its modules itself
        for path in sorted((REPOSITORY / "tests").rglob("test_*.py")):
            for other in imports(path.read_text()) & modules.keys():
                self._importers[other].add(str(path.relative_to(REPOSITORY)))

    def tests_of(self, module: Path) -> list[str]:
        """Return the test files that import a module, or where none does those that import its importers."""
        reached, names = {name_of(module)}, [name_of(module)]
        while names:
            importers = {importer for name in names for importer in self._importers[name]} - reached
            reached |= importers
            if tests := sorted(importer for importer in importers if importer.startswith("tests/")):
                return tests
            names = sorted(importers)
        return []


def not_copied(folder: str, names: list[str]) -> set[str]:
    """Return which of the names in a folder of the repository a copy can do without."""
    ignored = shutil.ignore_patterns(*NOT_COPIED)(folder, names)
    return ignored | (set(OUTPUTS) & set(names) if Path(folder) == REPOSITORY else set())


def unevaluated(source: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Give where there is no formula or decision: annotations, decorators, tests for TYPE_CHECKING, strict=True."""
    for node in ast.walk(ast.parse(source)):
        spans = [getattr(node, name, None) for name in ("annotation", "returns")] + getattr(node, "decorator_list", [])
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            spans.append(node.test)
        if isinstance(node, ast.keyword) and node.arg == "strict":
            spans.append(node.value)
        for span in filter(None, spans):
            yield (span.lineno, span.col_offset), (span.end_lineno, span.end_col_offset)


def places(folder: Path, patterns: Sequence[str]) -> list[list[MutationSpec]]:
    """Return for every place in the modules that the patterns name the changes that can be made at it.

    Raises `ValueError` where a pattern names none.
    """
    from cosmic_ray.commands.init import init
    from cosmic_ray.work_db import WorkDB, use_db

    modules = sorted({path for pattern in patterns for path in named_by(pattern)})
    with use_db(str(folder / "session.sqlite"), WorkDB.Mode.create) as session:
        init(modules, session, {})
        changes = [item.mutations[0] for item in session.work_items]
    skipped = {module: list(unevaluated((REPOSITORY / module).read_text())) for module in modules}
    found = defaultdict(list)
    for change in sorted(changes, key=lambda change: (change.module_path, change.operator_name, change.occurrence)):
        operator = change.operator_name.removeprefix("core/")
        inside = any(start <= change.start_pos < end for start, end in skipped[Path(change.module_path)])
        if operator.startswith(OPERATORS) and not any(name in operator for name in NOT_TRIED) and not inside:
            found[change.module_path, change.start_pos, change.end_pos].append(change)
    return list(found.values())


def named_by(pattern: str) -> list[Path]:
    """Return the modules that a pattern names, as paths in the repository; raise `ValueError` where there are none."""
    found = [path.relative_to(REPOSITORY) for path in REPOSITORY.glob(pattern) if path.suffix == ".py"]
    if not found:
        raise ValueError(f"{pattern} names no module; expected a path or a pattern as in MUTATED of tests/mutants.py")
    return found


def mutant(change: MutationSpec) -> Mutant:
    """Return the mutant that a change makes."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    source = (REPOSITORY / change.module_path).read_text()
    (line, begin), (_, end) = change.start_pos, change.end_pos
    lines = source.splitlines()
    before = lines[line - 1]
    number = before[begin:end]
    if "NumberReplacer" in change.operator_name and isinstance(ast.literal_eval(number), float) and float(number):
        factor = FACTOR if change.occurrence % 2 else 1 / FACTOR
        lines[line - 1] = f"{before[:begin]}{ast.literal_eval(number) * factor!r}{before[end:]}"
    else:
        lines = mutate_code(source, get_operator(change.operator_name)(), change.occurrence).splitlines()
    return Mutant(Path(change.module_path), line, before.strip(), lines[line - 1].strip(), "\n".join(lines) + "\n")


def passes(folder: Path, *arguments: str) -> bool:
    """Run tests in a copy of the repository and tell whether all pass, none taking too long.

    What pytest prints is in the copy's `LOG`.
    """
    command = [sys.executable, "-m", "pytest", "-qx", "-pno:cacheprovider", *arguments]
    command += [f"-ofaulthandler_timeout={LONGEST_TEST_S}", "-ofaulthandler_exit_on_timeout=true"]
    shared = os.environ.get("HUB_REPLICA", str(REPOSITORY.parent / "shared"))
    # Bytecode is taken for that of a changed file of the same size and second; CI has Hypothesis draw the same again.
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "HUB_REPLICA": shared, "CI": "true"}
    with (folder / LOG).open("wb") as log:
        running = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        return running.wait() == 0
    finally:
        with contextlib.suppress(ProcessLookupError):  # what a test had started when it took too long
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def survives(tried: Mutant, tests: Sequence[str], copies: SimpleQueue[Path]) -> bool:
    """Tell whether none of some test files notices a mutant."""
    folder = copies.get()
    original = (folder / tried.module).read_text()
    try:
        (folder / tried.module).write_text(tried.source)
        return passes(folder, *tests)
    finally:
        (folder / tried.module).write_text(original)
        copies.put(folder)


def main() -> int:
    """Try the mutants and print those that live."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=60, metavar="N", help="of places (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the sample (default: %(default)s)")
    parser.add_argument("modules", nargs="*", default=MUTATED, help="glob patterns (default: formulas and decisions)")
    options = parser.parse_args()
    if options.sample < 1:
        parser.error(f"--sample is {options.sample}; expected 1 or more")
    generator, graph, workers = random.Random(options.seed), ImportGraph(), os.cpu_count() or 1
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as place:
        try:
            found = places(Path(place), options.modules)
        except ValueError as error:
            parser.error(str(error))
        drawn = generator.sample(found, min(options.sample, len(found)))
        mutants = [mutant(generator.choice(changes)) for changes in drawn]
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(workers):
            copies.put(shutil.copytree(REPOSITORY, Path(place) / str(number), ignore=not_copied))
        if not passes(Path(place) / "0", "tests", "-n", str(workers)):
            print((Path(place) / "0" / LOG).read_text(), file=sys.stderr)
            print("error: The tests fail without a mutant; run `pytest tests` and fix them first.", file=sys.stderr)
            return 1
        print(f"{len(mutants)} of {len(found)} places", flush=True)
        alive = 0
        with ThreadPoolExecutor(workers) as pool:
            trials = {pool.submit(survives, tried, graph.tests_of(tried.module), copies): tried for tried in mutants}
            for trial in as_completed(trials):
                print(f"{'alive ' if trial.result() else 'killed'} {trials[trial]}", flush=True)
                alive += trial.result()
    killed = 1 - alive / len(mutants)
    print(f"{len(mutants)} mutants, {alive} alive: {killed:.0%} killed; expected {LEAST_KILLED:.0%} or more")
    return int(killed < LEAST_KILLED)


if __name__ == "__main__":
    sys.exit(main())
