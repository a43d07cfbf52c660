"""The one way to add a thing of a kind: a file in the kind's folder is found, and refused where its name is taken."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, ValuesView
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, Protocol, TypeVar

from core.errors import DeclarationError, InputError

#: What a thing may be called: options take lists of names, and names make up those of files and benchmarks.
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")


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

    `package` is the folder of the kind: whatever a module in it, or in a folder below it, gives a name of its own and
    `is_thing` accepts is in the registry. What a module imports from another one is not its own. Names in `reserved`
    mean something else where a name is expected.

    Raises `DeclarationError` where two things have one name, naming both files, where an option could not name one, and
    where one would not be found: it has no name in its module, or its folder is no package.
    """

    def __init__(
        self,
        noun: str,
        package: str,
        is_thing: Callable[[Any], bool],
        *,
        first: Iterable[str] = (),
        reserved: Sequence[str] = (),
    ) -> None:
        self.noun = noun
        files: dict[str, Path] = {}
        found: dict[str, Thing] = {}
        for module in modules_of(package):
            file = Path(inspect.getfile(module))
            for thing in things_of(module, noun, is_thing):
                if found.get(thing.name, thing) is not thing:
                    raise DeclarationError(
                        f"the {noun} {thing.name!r} is there twice, in {files[thing.name]} and in {file}; expected "
                        "another name for one of them"
                    )
                if not NAME.fullmatch(thing.name) or thing.name in reserved:
                    raise DeclarationError(
                        f"a {noun} in {file} is named {thing.name!r}; expected lower-case letters, digits, _ and -"
                        + (f", and not {' or '.join(reserved)}" if reserved else "")
                    )
                require_tuples(thing)
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


def require_tuples(thing: object) -> None:
    """Raise `DeclarationError` where a field of a dataclass that is declared as a tuple holds something else.

    So does one of a dataclass in it. Text in place of a tuple of texts is a sequence of letters, which fits nothing and
    raises nothing.
    """
    for part in dataclasses.fields(thing) if dataclasses.is_dataclass(thing) else ():
        value = getattr(thing, part.name)
        if str(part.type).startswith("tuple[") and not isinstance(value, tuple):
            raise DeclarationError(
                f"{type(thing).__name__} {getattr(thing, 'name', '')!r} has {part.name}={value!r:.60}; expected a "
                f"tuple, such as ({value!r:.60},)"
            )
        if not isinstance(value, type):
            require_tuples(value)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the nearest of the known names as a question in parentheses, with a space before it, or nothing."""
    nearest = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {nearest[0]}?)" if nearest else ""


def modules_of(package: str) -> Iterator[ModuleType]:
    """Import and give the modules in a package's folder and in the folders below it, by their names.

    Raises `DeclarationError` where a file would be passed over, because its folder has no `__init__.py`.
    """
    parent = importlib.import_module(package)
    names = sorted(found.name for found in pkgutil.walk_packages(parent.__path__, f"{package}."))
    modules = [importlib.import_module(name) for name in names]
    found = {Path(inspect.getfile(module)) for module in (parent, *modules)}
    for folder in parent.__path__:
        for passed_over in sorted({*Path(folder).rglob("[!.]*.py")} - found):  # those with a dot are an editor's
            raise DeclarationError(f"{passed_over} is not found: its folder has no __init__.py; expected one")
    yield from modules


def things_of(module: ModuleType, noun: str, is_thing: Callable[[Any], bool]) -> list[Any]:
    """Return the things to which a module gives a name, each once.

    Raises `DeclarationError` where one is hidden in a container.
    """
    imported = imported_names(module)
    things: dict[int, Any] = {}
    for name, value in vars(module).items():
        if name in imported or name.startswith("__"):
            continue
        inside = value.values() if isinstance(value, dict) else value
        if isinstance(inside, (tuple, list, set, frozenset, ValuesView)) and any(map(is_thing, inside)):
            raise DeclarationError(f"{inspect.getfile(module)} has a {noun} inside {name}; expected a name for each")
        if is_thing(value):
            things[id(value)] = value
    return list(things.values())


def imported_names(module: ModuleType) -> set[str]:
    """Return the names that a module's import statements bind, wherever they stand in it."""
    statements = ast.walk(ast.parse(inspect.getsource(module)))
    aliases = [alias for node in statements if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names]
    return {alias.asname or alias.name.partition(".")[0] for alias in aliases}
