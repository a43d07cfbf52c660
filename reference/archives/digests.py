"""Lists of SHA-256 digests, as `sha256sum` writes and checks them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from core.errors import InputError

#: The name of the file with digests: of the archives in their folder, and of its members in an archive.
SUMS = "SHA256SUMS"
LINE = re.compile(r"([0-9a-f]{64})  (\S+)")


def digest(content: bytes) -> str:
    """Return the SHA-256 of bytes in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def as_sums(digests: Mapping[str, str]) -> str:
    """Return digests by name as a list that `sha256sum -c` checks, sorted by name."""
    return "".join(f"{found}  {name}\n" for name, found in sorted(digests.items()))


def read_sums(text: str, where: str) -> dict[str, str]:
    """Return the digests of a list by name. Raises `InputError` for a line of another form; `where` names the list."""
    lines = [LINE.fullmatch(line) for line in text.splitlines()]
    if None in lines:
        raise InputError(
            f"Line {lines.index(None) + 1} of {where} is no digest with a name; expected lines as of sha256sum."
        )
    return {line[2]: line[1] for line in lines if line}


def require(content: bytes, name: str, digests: Mapping[str, str], where: str, host: str) -> None:
    """Raise `InputError` where the digest of a content of a host is not the one that a list has for its name."""
    found, expected = digest(content), digests.get(name)
    if found != expected:
        raise InputError(
            f"{name} has the SHA-256 {found[:12]}…; expected {f'{expected[:12]}…' if expected else 'one'} of {where}. "
            f"`python -m reference.pack results/runs/{host}` makes the archive of unpacked runs again, "
            "`git checkout results/reference` brings the committed archives back."
        )
