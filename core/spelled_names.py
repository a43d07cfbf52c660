"""The names of a kind's things as its files spell them: read and not run, so that PyTorch is not imported for them."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from core.errors import InputError
from core.registry import did_you_mean


class Spelled(NamedTuple):
    """The name that a file gives a thing, and whether the thing is left out where things are listed."""

    name: str
    is_hidden: bool


class SpelledNames:
    """The names of the things in a package's folder, each spelled where a file calls `maker`, the kind's class.

    Those in `first` stand before the others, and before them `words`, which stand for several things. As an argument's
    `choices`, every value is among them: `require` says in a sentence what is not.
    """

    def __init__(self, package: str, maker: str, *, first: Iterable[str] = (), words: Iterable[str] = ()) -> None:
        self.package, self._maker = package, maker
        self._first, self._words = tuple(first), tuple(words)

    def __contains__(self, value: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        """Give the names that are listed; `words` are none."""
        listed = [spelled.name for spelled in self._spelled if not spelled.is_hidden]
        yield from dict.fromkeys([*(name for name in self._first if name in listed), *listed])

    def require(self, option: str, names: Iterable[str]) -> None:
        """Raise `InputError` where an option names what is not there for certain.

        It is not certain where a file computes a name, or the name stands in one as a text: the registry tells then,
        and where the package has been imported already.
        """
        if self.package in sys.modules or any(has_computed_name(tree, self._maker) for tree in self._trees):
            return
        constants = (node for tree in self._trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
        texts = {constant.value for constant in constants if isinstance(constant.value, str)}
        require_known(option, names, {*self._words, *texts}, [*self._words, *self])

    @cached_property
    def _trees(self) -> list[ast.Module]:
        """The files of the folder and of those below it, parsed; one that is none of Python stops the import later."""
        (folder,) = importlib.import_module(self.package.partition(".")[0]).__path__
        place = Path(folder).joinpath(*self.package.split(".")[1:])
        trees = []
        for path in sorted(place.rglob("[!.]*.py")):
            try:
                trees.append(ast.parse(path.read_bytes()))
            except (SyntaxError, ValueError):
                continue
        return trees

    @cached_property
    def _spelled(self) -> list[Spelled]:
        return [spelled for tree in self._trees for spelled in spelled_in(tree, self._maker)]


def spelled_in(tree: ast.Module, maker: str) -> Iterator[Spelled]:
    """Give the names that a file spells where it calls `maker`."""
    constants = text_constants(tree)
    for call in calls_of(tree, maker):
        name = name_of(call, constants)
        if name is not None:
            is_hidden = any(
                keyword.arg == "is_hidden" and getattr(keyword.value, "value", False) is True
                for keyword in call.keywords
            )
            yield Spelled(name, is_hidden)


def has_computed_name(tree: ast.Module, maker: str) -> bool:
    """Tell whether a file calls `maker` with a name that is not spelled, or makes a class of it, which may do so."""
    constants = text_constants(tree)
    bases = (base for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for base in node.bases)
    return any(is_named(base, maker) for base in bases) or any(
        name_of(call, constants) is None for call in calls_of(tree, maker)
    )


def calls_of(tree: ast.Module, maker: str) -> Iterator[ast.Call]:
    """Give the calls of `maker` in a file, in their order."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and is_named(node.func, maker)]
    yield from sorted(calls, key=lambda call: call.lineno)


def is_named(node: ast.expr, name: str) -> bool:
    """Tell whether an expression is a name, or an attribute of that name."""
    return (isinstance(node, ast.Name) and node.id == name) or (isinstance(node, ast.Attribute) and node.attr == name)


def name_of(call: ast.Call, constants: dict[str, str]) -> str | None:
    """Return the first argument of a call, or that for `name`, where it is a text or a constant's; None otherwise."""
    named = [keyword.value for keyword in call.keywords if keyword.arg == "name"]
    value = (*call.args, *named)[0] if call.args or named else None
    if isinstance(value, ast.Name):
        return constants.get(value.id)
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


def text_constants(tree: ast.Module) -> dict[str, str]:
    """Return the texts to which a file gives a name, each by that name."""
    return {
        statement.targets[0].id: statement.value.value
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        and len(statement.targets) == 1
        and isinstance(statement.targets[0], ast.Name)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    }


def require_known(option: str, names: Iterable[str], known: Iterable[str], listed: Iterable[str]) -> None:
    """Raise `InputError` where an option names something that does not exist; `listed` are those that it may list."""
    unknown = [name for name in names if name not in known]
    if unknown:
        shown = list(listed)
        nearest = did_you_mean(unknown[0], shown)
        raise InputError(f"{option} names {unknown[0]!r}{nearest}; expected some of {', '.join(shown)}.")
