"""The one way to add a thing of a kind: a file in the kind's folder is found, and refused where its name is taken."""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, Protocol, TypeVar

from core.errors import InputError


class Named(Protocol):
    """What a registry holds: a name, by which options and saved runs refer to it, and what it is, in a few words."""

    @property
    def name(self) -> str:
        """The name."""
        ...

    @property
    def description(self) -> str:
        """What it is, as the end of a sentence."""
        ...


Thing = TypeVar("Thing", bound=Named)


class Registry(Mapping[str, Thing], Generic[Thing]):
    """The things of one kind by their names, in the order of their files, those in `first` before the others.

    `package` is the folder of the kind: whatever a module in it, or in a folder below it, defines at its top level and
    `is_thing` accepts is in the registry. What a module imports from another one is not its own.

    Raises `ValueError` where two things have one name, naming both files.
    """

    def __init__(self, noun: str, package: str, is_thing: Callable[[Any], bool], *, first: Iterable[str] = ()) -> None:
        self.noun = noun
        files: dict[str, Path] = {}
        found: dict[str, Thing] = {}
        for module in modules_of(package):
            for thing in filter(is_thing, own_values(module)):
                file = Path(inspect.getfile(module))
                if thing.name in found:
                    raise ValueError(
                        f"two {noun}s are named {thing.name!r}, in {files[thing.name]} and in {file}; expected "
                        "another name for one of them"
                    )
                found[thing.name], files[thing.name] = thing, file
        leading = [name for name in first if name in found]
        self._things = {name: found[name] for name in dict.fromkeys([*leading, *found])}

    def __getitem__(self, name: str) -> Thing:
        """Return the thing of a name. Raises `KeyError`."""
        return self._things[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._things)

    def __len__(self) -> int:
        return len(self._things)

    def named(self, name: str) -> Thing:
        """Return the thing of a name. Raises `InputError` with the nearest name and all names where there is none."""
        if name not in self._things:
            raise InputError(
                f"There is no {self.noun} {name[:80]!r}{did_you_mean(name, self)}; expected one of {', '.join(self)}."
            )
        return self._things[name]


def of_type(kind: type[Any]) -> Callable[[Any], bool]:
    """Return the test for values of a type."""
    return lambda value: isinstance(value, kind)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the nearest of the known names as a question in parentheses, with a space before it, or nothing."""
    nearest = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {nearest[0]}?)" if nearest else ""


def modules_of(package: str) -> Iterator[ModuleType]:
    """Import and give the modules in a package's folder and in the folders below it, by their names."""
    folder = importlib.import_module(package).__path__
    for name in sorted(found.name for found in pkgutil.walk_packages(folder, f"{package}.")):
        yield importlib.import_module(name)


def own_values(module: ModuleType) -> Iterator[Any]:
    """Give the values that a module's top level assigns to a name, and the classes that it defines, in its order."""
    for node in ast.parse(inspect.getsource(module)).body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        elif isinstance(node, ast.ClassDef):
            yield getattr(module, node.name)
        for target in targets:
            if isinstance(target, ast.Name):
                yield getattr(module, target.id)
