"""Make the archive of a host's folder: the same bytes of the same files, whoever packs them and when."""

from __future__ import annotations

import io
import lzma
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.files import exclusive_access, write
from reference.archives.digests import SUMS, as_sums, digest, read_sums
from reference.archives.reading import HOST, NAME, SUFFIX, unpacked
from reference.archives.shared import FOLDER, is_run, is_same, read_run, without_shared

#: Seconds to wait for another process that writes the digests, which takes some milliseconds.
LOCK_TIMEOUT_S = 30.0


def pack(folder: Path, archives: Path) -> Path:
    """Write the archive of a host's folder, exactly its files, with its digest, and return the archive's path.

    Raises `InputError` where the folder's name is not that of a host, its files are not those of an archive, or the
    archives cannot be locked.
    """
    require_host(folder.name)
    contents = files_in(folder)
    archive = packed(contents, folder.name)
    back = unpacked(archive, folder.name)
    if changed := [name for name, content in contents.items() if not is_same(name, content, back.get(name, b""))]:
        raise InputError(f"{folder}/{changed[0]} changes when it is read back; expected a run as this suite saves it.")
    archives.mkdir(parents=True, exist_ok=True)
    path, sums = archives / f"{folder.name}{SUFFIX}", archives / SUMS
    # Two processes that read the digests at the same time would each write them without the other's.
    with exclusive_access(archives, LOCK_TIMEOUT_S) as obstacle:
        if obstacle is not None:
            raise InputError(f"{obstacle}; expected a lock within {LOCK_TIMEOUT_S:.0f} s. Nothing was written.")
        digests = read_sums(sums.read_text(encoding="utf-8"), str(sums)) if sums.is_file() else {}
        write(path, archive)
        write(sums, as_sums(digests | {path.name: digest(archive)}))
    return path


def require_host(name: str) -> None:
    """Raise `InputError` where a name is none that an archive can have."""
    if not HOST.fullmatch(name):
        raise InputError(f"{name} is no name of a host; expected one such as h100_0fc80ab7, the device and its UUID.")


def files_in(folder: Path) -> dict[str, bytes]:
    """Return the contents of a host's files by their path.

    Raises `InputError` where there is none, one is a link or has a name that no archive takes, or runs are of several
    devices.
    """
    paths = sorted(folder.rglob("*"))
    if others := [path for path in paths if path.is_symlink() or not (path.is_file() or path.is_dir())]:
        raise InputError(f"{others[0]} is a link or a device; expected folders and plain files: put a copy there.")
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths if path.is_file()}
    if not found:
        raise InputError(f"{folder} holds no file; expected saved runs. `python -m reference.measure` makes them.")
    for name in found:
        if not NAME.fullmatch(name) or name.startswith(f"{FOLDER}/") or name == SUMS:
            raise InputError(
                f"{folder}/{name} has a name that no archive takes; expected SERIES/0001.json, SERIES/rounds/0001.npz "
                "or a text."
            )
    runs = {name: read_run(content, f"{folder}/{name}") for name, content in found.items() if is_run(name)}
    devices = {device_of(run["machine_info"]) for run in runs.values()}
    if len(devices) > 1:
        raise InputError(f"{folder} holds runs of {' and '.join(sorted(devices))}; expected a folder for each device.")
    return found


def device_of(machine: Mapping[str, Any]) -> str:
    """Return what a run was measured on, from its `machine_info`: the GPU's UUID, or the CPU's name."""
    return str((machine.get("gpu") or {}).get("uuid") or (machine.get("cpu") or {}).get("brand_raw"))


def packed(files: Mapping[str, bytes], host: str) -> bytes:
    """Return the bytes of an archive: members sorted by name, without times and owners, behind their digests."""
    parts: dict[str, bytes] = {}
    stored = {
        name: without_shared(content, parts, name) if is_run(name) else content for name, content in files.items()
    }
    stored |= parts
    sums = as_sums({name: digest(content) for name, content in stored.items()})
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in ((SUMS, sums.encode()), *sorted(stored.items())):
            member = tarfile.TarInfo(f"{host}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return lzma.compress(buffer.getvalue(), preset=9 | lzma.PRESET_EXTREME)
