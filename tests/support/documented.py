"""The samples of docs/extending.md, each of which is a file of the suite or a piece of one."""

from __future__ import annotations

import re
import types
from pathlib import Path
from typing import NamedTuple

from tests.support.tiny import REPOSITORY

PAGE = REPOSITORY / "docs" / "extending.md"
SAMPLE = re.compile(
    r'^<!-- sample: (\S+?)(?:, after "(.*?)")? -->\n\n```(?:python)?\n(.*?)^```$', re.MULTILINE | re.DOTALL
)


class Sample(NamedTuple):
    """Code for a file: the whole of it, or what goes behind a line of a file that is there."""

    file: str
    after: str
    code: str


def samples() -> list[Sample]:
    """Every sample of the page, in its order."""
    found = SAMPLE.findall(PAGE.read_text())
    assert len(found) == PAGE.read_text().count("<!-- sample:")
    return [Sample(file, after.replace("\\n", "\n"), code) for file, after, code in found]


def add(tree: Path, file: str) -> None:
    """Do to a copy of the suite what the page says of a file."""
    chosen = [sample for sample in samples() if sample.file == file]
    assert chosen, file
    for sample in chosen:
        path = tree / sample.file
        if not sample.after:
            assert not path.exists()
            path.write_text(sample.code)
            continue
        text = path.read_text()
        assert text.count(sample.after) == 1
        path.write_text(text.replace(sample.after, sample.after + sample.code))


def module(file: str) -> types.ModuleType:
    """The sample of a whole file, imported."""
    (sample,) = [sample for sample in samples() if sample.file == file]
    made = types.ModuleType(Path(file).stem)
    exec(compile(sample.code, file, "exec"), made.__dict__)  # noqa: S102 - our own documentation
    return made
