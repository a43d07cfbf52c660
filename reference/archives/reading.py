"""Read what an archive holds, without unpacking it: every digest is checked, names and sizes are bounded.

An archive is `HOST.tar.xz`. It holds a folder `HOST/` with a `SHA256SUMS` of its other members, series of saved runs
(`default/0001.json`), their single rounds (`default/rounds/0001.npz`), texts that other programs printed, and `shared/`
with the parts that runs have in common.
"""

from __future__ import annotations

import io
import lzma
import re
import tarfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from core.errors import InputError
from reference.archives.digests import SUMS, read_sums, require
from reference.archives.shared import FOLDER, is_run, with_shared

ARCHIVES = Path(__file__).parents[2] / "results" / "reference"
SUFFIX = ".tar.xz"
#: The kind of device, and what tells it from others: of a GPU the first eight digits of its UUID.
HOST = re.compile(r"[a-z0-9]+_[a-z0-9]+")
#: A path in the folder of a host: no part of it begins with a dot or is empty.
NAME = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*){0,3}", re.ASCII)
#: Bytes of an archive unpacked, and of its files with shared parts in their places, at most; the largest has some 3 MB.
MOST_BYTES = 256 * 2**20
#: Bytes that liblzma may take, which are more than its highest preset needs.
MOST_MEMORY = 128 * 2**20


def hosts(archives: Path = ARCHIVES) -> list[str]:
    """Return the hosts that have an archive, by name."""
    return sorted(path.name.removesuffix(SUFFIX) for path in archives.glob(f"*{SUFFIX}"))


def files(host: str, archives: Path = ARCHIVES) -> Mapping[str, bytes]:
    """Return the contents of a host's files by their path in its folder, as `default/0001.json`; runs are whole.

    An archive is read once a process. Raises `InputError` where there is none, or where it or a member is not what the
    digests say.
    """
    path, sums = archives / f"{host}{SUFFIX}", archives / SUMS
    if not path.is_file():
        known = ", ".join(hosts(archives)) or "some host"
        raise InputError(f"{archives} has no archive of {host}; expected one of {known}.")
    digests = read_sums(sums.read_text(encoding="utf-8"), str(sums)) if sums.is_file() else {}
    return of_archive(path, digests.get(path.name))


@cache
def of_archive(path: Path, digest: str | None) -> Mapping[str, bytes]:
    """Return the files of an archive that has a digest."""
    packed, host = path.read_bytes(), path.name.removesuffix(SUFFIX)
    require(packed, path.name, {path.name: digest} if digest else {}, SUMS, host)
    return unpacked(packed, host)


def unpacked(packed: bytes, host: str) -> dict[str, bytes]:
    """Return the files in the bytes of an archive.

    Raises `InputError` where a member is not what its digest says, or the files with their parts are too large.
    """
    stored = members(decompressed(packed, host), host)
    digests = read_sums(stored.pop(SUMS, b"").decode(errors="replace"), f"{SUMS} of {host}{SUFFIX}")
    if lacking := digests.keys() - stored.keys():
        raise InputError(f"{host}{SUFFIX} lacks {', '.join(sorted(lacking))}, which its {SUMS} lists.")
    for name, content in stored.items():
        require(content, name, digests, f"{SUMS} of {host}{SUFFIX}", host)
    parts = {name: content for name, content in stored.items() if name.startswith(f"{FOLDER}/")}
    found, size = {}, 0
    for name, content in ((name, content) for name, content in stored.items() if name not in parts):
        found[name] = with_shared(content, parts, f"{host}/{name}") if is_run(name) else content
        size += len(found[name])
        if size > MOST_BYTES:
            raise InputError(f"{host}{SUFFIX} has more than {MOST_BYTES / 2**20:.0f} MiB in its files, parts in place.")
    return found


def decompressed(packed: bytes, host: str) -> bytes:
    """Return the bytes of the tar file in an archive. Raises `InputError` where it is none or too large."""
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_MEMORY)
    try:
        found = decompressor.decompress(packed, MOST_BYTES)
    except lzma.LZMAError as error:
        raise InputError(f"{host}{SUFFIX} is no xz file that can be read: {error}.") from error
    if not decompressor.eof:
        raise InputError(f"{host}{SUFFIX} is cut off, or larger than {MOST_BYTES / 2**20:.0f} MiB unpacked.")
    return found


def members(tar: bytes, host: str) -> dict[str, bytes]:
    """Return the members of a tar file by their path below `HOST/`, each of them a plain file with a plain name.

    Raises `InputError` for any other, and for one that is there twice: nothing is written where a name would put it.
    """
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(tar), mode="r:") as opened:
            for member in opened:
                name = member.name.removeprefix(f"{host}/")
                is_plain = member.type == tarfile.REGTYPE and not member.issparse() and member.size >= 0
                content = opened.extractfile(member) if is_plain else None
                if content is None or name in found or name == member.name or not NAME.fullmatch(name):
                    raise InputError(f"{host}{SUFFIX} has the member {member.name!a}; expected plain files in {host}/.")
                found[name] = content.read()
    except (tarfile.TarError, ValueError) as error:  # ValueError: a size below zero leads in front of the file
        raise InputError(f"{host}{SUFFIX} holds no tar file that can be read: {error}.") from error
    return found
