"""The samples of docs/extending/, each of which is a file of the suite or a piece of one."""

from __future__ import annotations

import dataclasses
import itertools
import re
import sys
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from core.errors import DeclarationError
from core.metrics.figures import Figure
from tests.support.tiny import REPOSITORY

PAGES = REPOSITORY / "docs" / "extending"
SAMPLE = re.compile(
    r'^<!-- sample: (\S+?)(, at the end|, after "(.*?)")? -->\n\n```(?:python)?\n(.*?)^```$', re.MULTILINE | re.DOTALL
)
NUMBERS = itertools.count()


class Sample(NamedTuple):
    """Code for a file: the whole of it, or a piece that goes behind a line of a file that is there, or at its end."""

    file: str
    is_whole: bool
    #: The line, empty for the end of the file.
    after: str
    code: str


def samples() -> list[Sample]:
    """Every sample of the pages, in the order of a page."""
    found = []
    for page in sorted(PAGES.glob("*.md")):
        text = page.read_text()
        marked = SAMPLE.findall(text)
        assert len(marked) == text.count("<!-- sample:"), page
        found += [Sample(file, not where, after.replace("\\n", "\n"), code) for file, where, after, code in marked]
    return found


def with_sample(text: str, sample: Sample) -> str:
    """The text of a file once a sample has been added to it."""
    if sample.is_whole:
        return sample.code
    if not sample.after:
        return f"{text}\n\n{sample.code}"
    before, line, behind = text.partition(sample.after)
    assert line
    assert line not in behind
    return before + line + sample.code + behind


def add(tree: Path, *files: str) -> None:
    """Do to a copy of the suite what the pages say of some files."""
    for file in files:
        path, chosen = tree / file, [sample for sample in samples() if sample.file == file]
        assert chosen, file
        for sample in chosen:
            assert path.exists() is not sample.is_whole
            path.write_text(with_sample("" if sample.is_whole else path.read_text(), sample))


def code_of(file: str, *changes: tuple[str, str]) -> str:
    """A file with its samples, in which the first text of each change, found once, is replaced by the second."""
    path = REPOSITORY / file
    code = path.read_text() if path.exists() else ""
    for sample in samples():
        code = with_sample(code, sample) if sample.file == file else code
    for old, new in changes:
        assert code.count(old) == 1, old
        code = code.replace(old, new)
    return code


def module(file: str, *changes: tuple[str, str]) -> types.ModuleType:
    """A file with its samples, changed, as a module."""
    made = types.ModuleType(f"sample_{next(NUMBERS)}_{Path(file).stem}")
    sys.modules[made.__name__] = made  # dataclasses and type hints look a class's module up
    exec(compile(code_of(file, *changes), file, "exec"), made.__dict__)  # noqa: S102 - our own documentation
    return made


def words_of(page: str) -> str:
    """The text of a page of that name, its line breaks as single spaces."""
    return " ".join((PAGES / f"{page}.md").read_text().split())


def refused(page: str, check: Callable[[], object], kind: type[Exception] = DeclarationError) -> None:
    """Assert that a check raises an error that stands on a page."""
    with pytest.raises(kind) as error:
        check()
    assert str(error.value) in words_of(page)


def values_of(record: type) -> dict[str, object]:
    """A value of the right type for each field of a record."""
    annotations = typing.get_type_hints(record)
    return {
        part.name: Figure(1.0) if typing.get_origin(annotations[part.name]) is Figure else 1.0
        for part in dataclasses.fields(record)
    }
