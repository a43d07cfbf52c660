"""Defences against input that anybody may have made: saved runs, datasets, model folders. One table of limits."""

import json
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.safe_text import one_line


@dataclass(frozen=True)
class Limits:
    """What is accepted from a file that this suite did not write."""

    #: Levels of nested lists and objects in JSON. A saved run has eight; Python can read more than it can print.
    json_levels: int = 32
    #: Characters of a name that tables show.
    name_characters: int = 200
    #: Characters of any other text, such as the reason why a figure is missing. The longest name of a kernel has 498.
    text_characters: int = 1_000
    #: Reasons of a benchmark why its figures are not to be trusted.
    reasons: int = 20
    #: Magnitude of a number. No figure comes near these, and ratios, squares and margins of figures between them are
    #: finite.
    smallest_number: float = 1e-50
    largest_number: float = 1e50
    #: e to the power of more is not a finite float.
    largest_logarithm: float = 709.0
    #: Samples of a batch, or tokens of a sequence.
    count: int = 10**9
    #: Metrics that a saved run describes.
    metrics: int = 1_000
    #: Magnitude of an execution's rank.
    rank: int = 1_000_000
    #: Layers or labels of a model. transformers would go on making them until memory is full.
    model_layers: int = 1_000


LIMITS = Limits()
#: What numpy has been seen to raise on files that are damaged or hold something else, and on arrays of other shapes.
UNREADABLE_ARRAYS = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, MemoryError, NotImplementedError),
    *(SyntaxError, tokenize.TokenError, zlib.error, zipfile.BadZipFile),
)
#: How a file begins that is a zip archive, as torch.save writes it.
ARCHIVE_MAGIC = b"PK\x03\x04"
#: Where a config.json names its attention; a name with a slash is that of code on the hub.
ATTENTION_KEYS = ("attn_implementation", "_attn_implementation")
#: Where a config.json says how many layers or labels there are.
COUNT_KEYS = ("n_layer", "n_layers", "num_layers", "num_hidden_layers", "num_labels", "_num_labels")


def nesting_levels(value: object) -> int:
    """Return how many levels of lists and objects a JSON value has: 0 for a number, 1 for a list of numbers."""
    depth, level = -1, [value]
    while level:
        depth += 1
        level = [
            part
            for container in level
            if isinstance(container, (dict, list))
            for part in (container.values() if isinstance(container, dict) else container)
        ]
    return depth


def sanitized(value: Any) -> Any:  # noqa: ANN401
    """Return a JSON value whose strings and keys are lines of printable characters, as `one_line` makes them.

    Raises `ValueError` where it has more levels than `LIMITS.json_levels`, or holds half of a surrogate pair, which no
    file can hold.
    """
    if nesting_levels(value) > LIMITS.json_levels:
        raise ValueError(f"nested in more than {LIMITS.json_levels} levels")
    json.dumps(value, ensure_ascii=False).encode()
    return _in_lines(value)


def _in_lines(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return one_line(value, LIMITS.text_characters)
    if isinstance(value, (list, tuple)):
        return [_in_lines(part) for part in value]
    if isinstance(value, dict):
        return {_in_lines(key): _in_lines(part) for key, part in value.items()}
    return value


def finite_number(value: Any) -> int | float | None:  # noqa: ANN401
    """Return a value where it is a number within `LIMITS`, else None. True and false are not numbers."""
    if type(value) not in (int, float):
        return None
    is_plausible = value == 0 or LIMITS.smallest_number <= abs(value) <= LIMITS.largest_number
    return value if is_plausible else None


def is_name(value: object) -> bool:
    """Tell whether a value fits into a table: one line of 1 to `LIMITS.name_characters` printable characters."""
    return isinstance(value, str) and value.isprintable() and 0 < len(value) <= LIMITS.name_characters


def archive_fault(path: Path) -> str | None:
    """Return what is wrong with an archive's members, or None; None for files of another format too.

    PyTorch checks no checksum, and has been seen to read beyond the end of a damaged archive's names. It reads
    compressed members, but writes none: a small file could fill the memory. Raises `zipfile.BadZipFile` and what else
    `zipfile` raises where the archive itself is damaged.
    """
    with path.open("rb") as handle:
        if handle.read(len(ARCHIVE_MAGIC)) != ARCHIVE_MAGIC:
            return None
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED:
                name = one_line(member.filename, LIMITS.name_characters)
                return f"compressed ({name}, {member.file_size:,} bytes), which torch.save never does"
        damaged = archive.testzip()
    if damaged is None:
        return None
    return f"damaged, the checksum of {one_line(damaged, LIMITS.name_characters)} is that of other bytes"


def nested_objects(value: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return a JSON object and every object in it, at any level."""
    objects, level = [], [value]
    while level:
        objects += [one for one in level if isinstance(one, Mapping)]
        level = [
            part
            for container in level
            if isinstance(container, (Mapping, list))
            for part in (container.values() if isinstance(container, Mapping) else container)
        ]
    return objects


def require_harmless_config(name: str, config: Mapping[str, Any]) -> None:
    """Check what a model's config.json asks for, in its parts too: that of a model's text may be one.

    Raises `InputError` where it names code on the hub, or more layers than `LIMITS.model_layers`.
    """
    for part in nested_objects(config):
        require_harmless_part(name, part)


def require_harmless_part(name: str, config: Mapping[str, Any]) -> None:
    """Check what one object of a config.json asks for; raises `InputError` as `require_harmless_config` does."""
    for key in ATTENTION_KEYS:
        if "/" in str(config.get(key)):
            raise InputError(
                f"The config.json of the model {name} names {ascii(config[key])[:80]} in {key}, code on the hub, which "
                "is not run; expected an attention of PyTorch's or transformers' own such as sdpa."
            )
    for key in COUNT_KEYS:
        if type(config.get(key)) is int and config[key] > LIMITS.model_layers:
            raise InputError(
                f"The config.json of the model {name} says {key} {ascii(config[key])[:40]}; expected "
                f"{LIMITS.model_layers:,} at most."
            )
