"""Files that are taken for a text and are none: JSON, and what a server sends where it has no file."""

from __future__ import annotations

import json
from pathlib import Path

from core.errors import InputError

#: How files begin, in lower case, that are no text, what they are, and what helps.
BEGINNINGS = {
    "<!doctype": ("a page of HTML", "download the file itself"),
    "<html": ("a page of HTML", "download the file itself"),
    "<?xml": ("XML", "download the file itself"),
    "version https://git-lfs.github.com/": ("a pointer of Git LFS", "bring the file itself with `git lfs pull`"),
}


def require_plain_text(content: bytes, path: Path) -> None:
    """Raise `InputError` where the content of a file is JSON, JSON lines, HTML, XML or a pointer, and no text itself.

    What is not UTF-8 raises `UnicodeDecodeError`.
    """
    text = content.decode("utf-8").lstrip("\ufeff \t\r\n")
    for beginning, (kind, remedy) in BEGINNINGS.items():
        if text[: len(beginning)].lower() == beginning:
            raise not_text(path, kind, text, remedy)
    if is_json(text.partition("\n")[0], (dict,)) or is_json(text, (dict, list)):
        raise not_text(path, "JSON", text, "write the texts alone into a file, a row a line")


def not_text(path: Path, kind: str, text: str, remedy: str) -> InputError:
    """Return the error of a file that is something else than a text."""
    beginning = ascii(text.partition("\n")[0][:40])
    return InputError(f"The text file {path} is {kind} (it begins with {beginning}); expected plain text: {remedy}.")


def is_json(text: str, types: tuple[type, ...]) -> bool:
    """Tell whether a text is JSON of one of these types, and not empty."""
    if text[:1] not in ("{", "["):
        return False
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, types) and bool(value)
