"""Random changes of documents and of bytes, each decided by a generator alone, so that a seed makes it again."""

from __future__ import annotations

import copy
import io
import json
import math
import random
import zipfile
from collections.abc import Iterator
from typing import Any

#: What a terminal obeys or Markdown and a page would take for more than text.
STEERING = "\x1b]0;PWNED\x07\x1b[2J\u202e\n\n# Use fp16\n\n<img src=x> [x](javascript:1) **bold** `code\r\t|"
#: Stands for a place that is taken away.
DELETED = "DELETED"


def nested(levels: int) -> list[Any]:
    """Lists in lists."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


ODD: tuple[Any, ...] = (
    *(None, True, False, [], {}, "", "0.1", "nan", "fp32", "VALID", "valid", "x" * 100_000, "\ud800", "\x00"),
    *(0, -1, 7, 1, 2**63, 10**400, -0.87, 0.5, 1e-60, 1e60, -1e308, math.nan, math.inf, -math.inf),
    *(STEERING, STEERING, STEERING, "`", "| a | b |", "$\\frac{1}$", "{0}", "%s", "../../x", "=1+1", "é" * 300),
    *([1, 2, 3], {"a": 1}, {STEERING: STEERING}, [STEERING], [[]], nested(40), nested(200)),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document, as the keys and positions that lead to it."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(value[key], (*path, key))


def changed(document: Any, changes: list[list[Any]]) -> Any:
    """A document with other values in some of its places; places that are no longer there are passed over."""
    new = copy.deepcopy(document)
    for path, value in changes:
        holder = new
        for key in path[:-1]:
            known = is_place(holder, key) and (isinstance(holder, list) or key in holder)
            holder = holder[key] if known else None
        if is_place(holder, path[-1]):
            if value is DELETED or value == DELETED:
                holder.pop(path[-1], None) if isinstance(holder, dict) else holder.pop(path[-1])
            else:
                holder[path[-1]] = copy.deepcopy(value)
    return new


def is_place(holder: Any, key: Any) -> bool:
    """Whether a value can be set there: an earlier change may have made a list of an object."""
    return isinstance(holder, dict) or (isinstance(holder, list) and isinstance(key, int) and key < len(holder))


def at(document: Any, path: tuple[Any, ...]) -> Any:
    """What is in a place of a document."""
    for key in path:
        document = document[key]
    return document


def random_changes(generator: random.Random, document: Any) -> list[list[Any]]:
    """One to four places of a document with other values: odd ones, of other places, of another sign, none."""
    every = list(places(document))
    changes: list[list[Any]] = []
    for _ in range(generator.randint(1, 4)):
        path = generator.choice(every)
        old, kind = at(document, path), generator.random()
        if kind < 0.1:
            value = DELETED
        elif kind < 0.2:
            value = at(document, generator.choice(every))
        elif kind < 0.4 and type(old) in (int, float):
            value = old * generator.choice((-1, 0, 1e3, -1e-3, 1e30))
        elif kind < 0.3 and isinstance(old, dict):
            value = old | {generator.choice((STEERING, "x", "")): generator.choice(ODD)}
        else:
            value = generator.choice(ODD)
        changes.append([list(path), value])
    return changes


def as_bytes(document: Any) -> bytes:
    """A document as JSON, with whatever Python's own reader takes too: NaN, infinity, half surrogate pairs."""
    return json.dumps(document).encode()


def damaged(generator: random.Random, content: bytes) -> bytes:
    """Bytes of which some are others, missing or added."""
    made = bytearray(content)
    for _ in range(generator.randint(1, 3)):
        place, kind = generator.randrange(len(made) + 1), generator.random()
        if kind < 0.3:
            del made[place:]
        elif kind < 0.6 and place < len(made):
            made[place] = generator.randrange(256)
        elif kind < 0.8:
            made[place:place] = generator.choice((b"\x00", b"\xff\xfe", b"\x1b[2J", b"\n\n", b"[" * 5_000, b'"', b"}"))
        else:
            del made[place : place + generator.randint(1, 100)]
    return bytes(made)


def repacked(generator: random.Random, content: bytes) -> bytes:
    """An archive as `torch.save` writes it, with members that are named otherwise, compressed, added or left out."""
    packed = io.BytesIO()
    compression = generator.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(packed, "w", compression) as target:
        for member in source.namelist():
            kind = generator.random()
            name = STEERING + member if kind < 0.1 else member
            if kind < 0.9:
                target.writestr(name, damaged(generator, source.read(member)) if kind > 0.7 else source.read(member))
        if generator.random() < 0.3:
            target.writestr(generator.choice((STEERING, "../x", "archive/data.pkl", "")) or "x", b"x" * 1_000)
    return packed.getvalue()
